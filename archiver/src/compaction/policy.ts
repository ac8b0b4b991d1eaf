/**
 * Which files are merged. Level 0 → 1: the files of one period. Level 1 → 2: the
 * files of one month's days. Every merge has fewer outputs than sources, so that
 * planning and merging come to an end; and whoever is written again within its
 * level comes into a file half as large again, so that a byte is written a
 * number of times that grows with the logarithm of the target only.
 */
import type { Level } from "../cold/index.ts";
import { dayOf } from "../names.ts";
import { expiryCutoff, type Settings } from "../settings.ts";

/** A live file. */
export interface ColdFile {
  readonly id: number;
  readonly table: string;
  readonly period: string;
  readonly fingerprint: string;
  readonly codec: string;
  readonly level: Level;
  /** Bytes. */
  readonly size: number;
  readonly blocks: number;
  /** ms UTC. */
  readonly retainedFrom: number;
}

/** Files that become one. */
export interface Merge<File extends ColdFile = ColdFile> {
  /** Of the file that they become. */
  readonly period: string;
  readonly level: 1 | 2;
  readonly sources: readonly File[];
}

export interface PlanOptions {
  /** ms UTC. */
  readonly now: number;
  readonly settings: Pick<Settings, "coldExpiryDays" | "blockBytes">;
  /** Periods that are still open are merged, too. */
  readonly force: boolean;
}

const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/**
 * What a merge reads at most, and so what a file grows to; a file of this size is
 * not merged again. A read fetches ranges, so it gains nothing from larger files,
 * while an erasure writes a whole file again for one dataset.
 */
export const TARGET_BYTES = 32 * MIB;

/** Bytes of records: inflating, merging and deflating takes up to 0.1 s of CPU a MiB, and a call has 30 s. */
export const MERGE_RECORD_BYTES = 192 * MIB;

/** Sources are read side by side; 64 leave each a buffer of 192 KiB. */
const MAX_SOURCES = 64;

/** Index rows of a commit: 6 MB of parameters, inserted in a few of the 30 s that D1 gives a batch. */
const MAX_BLOCKS = 50_000;

/** Level-0 files that are worth a merge in an open period: a read of it then meets at most eight and a merged one. */
const MANY_FILES = 8;

/** A day is closed when the records that were under way at midnight have arrived. */
const DAY_SETTLES_MS = 2 * HOUR_MS;

/** A period of another form says not when it ends: it has when nothing came for a day. */
const PERIOD_SETTLES_MS = DAY_MS;

/** Records that come a day late, for example of a device that was off, are still in the first merge of the month. */
const MONTH_SETTLES_MS = 2 * DAY_MS;

/**
 * A file joins another merge of its level only when the others together have at
 * least half of its bytes: one late record does not cost a month's file.
 */
const GROWTH_RATIO = 2;

/**
 * A file's retention counts from its youngest source. A month's first day is kept
 * a month too long, which is a third of 90 days; what is kept shorter is not merged
 * over months.
 */
const MONTHLY_FROM_DAYS = 90;

/**
 * How far apart the retention of sources may begin, as part of the expiry: a
 * month's days lie in two such parts at most.
 */
const MAX_STRETCH = 0.4;

/** A file that expires so soon is not worth writing again. */
const NEAR_EXPIRY_MS = DAY_MS;

/** Deflate makes records up to a tenth of their size where blocks are too small for `blockBytes` to say how many they are. */
const MAX_EXPANSION = 10;

/** Files whose retention counts from this time or earlier are left to expiry. ms UTC. */
export function nearExpiry(settings: Pick<Settings, "coldExpiryDays">, now: number): number {
  return expiryCutoff(settings, now + NEAR_EXPIRY_MS);
}

/** What a file's records are at most, decompressed, in bytes; an estimate. */
export function recordBytesOf(
  { blocks, size }: Pick<ColdFile, "blocks" | "size">,
  blockBytes: number,
): number {
  return Math.min(blocks * blockBytes, size * MAX_EXPANSION);
}

/** The month of a period that is a UTC day, as `YYYY_MM`; `null` for another period. */
export function monthOf(period: string): string | null {
  if (!/^\d{4}_\d{2}_\d{2}$/.test(period)) return null;
  const time = Date.parse(period.replaceAll("_", "-"));
  return Number.isNaN(time) || dayOf(time) !== period ? null : period.slice(0, 7);
}

/** The month that a file belongs to: the month of its day, or its period where it is a month's file. */
function monthOfFile({ level, period }: ColdFile): string | null {
  return level === 2 ? period : monthOf(period);
}

function monthEnd(month: string): number {
  const [year = 0, number = 0] = month.split("_").map(Number);
  return Date.UTC(year, number, 1);
}

function isClosed(period: string, newest: number, { now, force }: PlanOptions): boolean {
  if (force) return true;
  if (monthOf(period) === null) return newest + PERIOD_SETTLES_MS <= now;
  return Date.parse(period.replaceAll("_", "-")) + DAY_MS + DAY_SETTLES_MS <= now;
}

const newestOf = (files: readonly ColdFile[]): number =>
  files.reduce((newest, { retainedFrom }) => Math.max(newest, retainedFrom), 0);

const sum = (files: readonly ColdFile[], count: (file: ColdFile) => number): number =>
  files.reduce((total, file) => total + count(file), 0);

/** Only records of one table and writer schema, compressed in one way, share a file. */
function groupBy<File extends ColdFile>(
  files: readonly File[],
  placeOf: (file: File) => string,
): readonly (readonly File[])[] {
  const keyOf = (file: File): string => [file.table, placeOf(file), file.fingerprint, file.codec].join("\n");
  return [...Map.groupBy(files, keyOf).values()];
}

/**
 * The merges that are due, no file in two of them; those that replace most files
 * come first. Planned again after they are done, until there are none.
 */
export function planCompaction<File extends ColdFile>(
  files: readonly File[],
  options: PlanOptions,
): readonly Merge<File>[] {
  const { settings, now } = options;
  const leftToExpiry = nearExpiry(settings, now);
  const usable = files.filter(({ size, retainedFrom }) => size < TARGET_BYTES && retainedFrom > leftToExpiry);
  const ofPeriods = groupBy(
    usable.filter(({ level }) => level < 2),
    ({ period }) => period,
  ).flatMap((group) => planPeriod(group, options));

  const busy = new Set(
    ofPeriods.map(({ sources: [file] }) => (file === undefined ? "" : `${file.table}\n${monthOfFile(file)}`)),
  );
  const ofMonths = groupBy(
    usable.filter((file) => monthOfFile(file) !== null),
    (file) => monthOfFile(file) ?? "",
  ).flatMap((group) => planMonth(group, busy, options));

  return [...ofPeriods, ...ofMonths].sort((a, b) => b.sources.length - a.sources.length);
}

function planPeriod<File extends ColdFile>(
  files: readonly File[],
  options: PlanOptions,
): readonly Merge<File>[] {
  const period = files[0]?.period ?? "";
  const fresh = files.filter(({ level }) => level === 0);
  const closed = isClosed(period, newestOf(files), options);
  if (!closed && fresh.length < MANY_FILES) return [];
  return mergesOf(closed ? files : fresh, 1, period, options);
}

function planMonth<File extends ColdFile>(
  files: readonly File[],
  busy: ReadonlySet<string>,
  options: PlanOptions,
): readonly Merge<File>[] {
  const [first] = files;
  const month = first === undefined ? null : monthOfFile(first);
  if (first === undefined || month === null) return [];
  const { force, now, settings } = options;
  const closed = force || monthEnd(month) + MONTH_SETTLES_MS <= now;
  const keptShortly = settings.coldExpiryDays !== null && settings.coldExpiryDays < MONTHLY_FROM_DAYS;
  if (!closed || keptShortly || busy.has(`${first.table}\n${month}`)) return [];
  return mergesOf(files, 2, month, options);
}

function mergesOf<File extends ColdFile>(
  files: readonly File[],
  level: 1 | 2,
  period: string,
  options: PlanOptions,
): readonly Merge<File>[] {
  return byRetention(files, options)
    .flatMap((near) => cutIntoMerges(near, level, options))
    .map((sources) => ({ period, level, sources }));
}

/**
 * Parts whose retention begins near enough to each other. Their bounds do not
 * depend on the files: however often a file is merged again, it stays in its part,
 * and no record is kept for longer than by one.
 */
function byRetention<File extends ColdFile>(
  files: readonly File[],
  { settings: { coldExpiryDays } }: PlanOptions,
): readonly (readonly File[])[] {
  if (coldExpiryDays === null) return [files];
  const part = coldExpiryDays * DAY_MS * MAX_STRETCH;
  return [...Map.groupBy(files, ({ retainedFrom }) => Math.floor(retainedFrom / part)).values()];
}

/** Cuts the smallest first, those of a lower level before all others, into merges that keep every bound. */
function cutIntoMerges<File extends ColdFile>(
  files: readonly File[],
  level: 1 | 2,
  options: PlanOptions,
): readonly (readonly File[])[] {
  const again = (file: File): number => (file.level === level ? 1 : 0);
  const ordered = [...files].sort((a, b) => again(a) - again(b) || a.size - b.size || a.id - b.id);
  const merges: (readonly File[])[] = [];
  let start = 0;
  while (start < ordered.length) {
    const sources = worthwhile(affordable(ordered.slice(start, start + MAX_SOURCES), options), level);
    if (sources.length > 0) merges.push(sources);
    start += Math.max(sources.length, 1);
  }
  return merges;
}

function affordable<File extends ColdFile>(
  files: readonly File[],
  { settings }: PlanOptions,
): readonly File[] {
  let bytes = 0;
  let blocks = 0;
  let recordBytes = 0;
  const end = files.findIndex((file) => {
    bytes += file.size;
    blocks += file.blocks;
    recordBytes += recordBytesOf(file, settings.blockBytes);
    return bytes > TARGET_BYTES || blocks > MAX_BLOCKS || recordBytes > MERGE_RECORD_BYTES;
  });
  return end === -1 ? files : files.slice(0, end);
}

/** The most of the first files that are worth a merge: two or more, or none. */
function worthwhile<File extends ColdFile>(files: readonly File[], level: 1 | 2): readonly File[] {
  for (let count = files.length; count >= 2; count -= 1) {
    const sources = files.slice(0, count);
    const largest = sources[count - 1];
    if (largest === undefined || largest.level < level) return sources;
    if (largest.size <= GROWTH_RATIO * sum(sources.slice(0, -1), ({ size }) => size)) return sources;
  }
  return [];
}
