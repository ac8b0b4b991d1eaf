/**
 * Makes a page of a snapshot: loads hot rows and cold blocks in the order of
 * their first record, until enough records are known to lie before everything
 * that has not been loaded.
 */
import { openBlock, ReadError } from "../cold/index.ts";
import { log } from "../log.ts";
import type { Settings } from "../settings.ts";
import { RecordError, type RecordRun, scanRecords, type SchemaRegistry } from "../tables/index.ts";
import { fetchRanges, nextWave } from "./fetch.ts";
import { type Candidate, FirstRecords, type Position, positionAfter } from "./order.ts";
import { fileStates, type HotRow, loadHotRows, markLost, type Snapshot, type StoredBlock } from "./store.ts";

export interface PageBindings {
  readonly db: D1Database;
  readonly bucket: R2Bucket;
  readonly registry: SchemaRegistry;
  readonly settings: Settings;
  /** ms UTC. */
  readonly now: () => number;
}

/**
 * What one page may take; a page that meets a bound is shorter than its limit
 * and has a cursor. Only where all that it may load reaches over one instant, it
 * fails.
 */
export interface ReadBounds {
  /** Hot rows and cold blocks that are listed. */
  readonly hotRows: number;
  readonly blocks: number;
  /** Bytes of hot records that are loaded. */
  readonly hotBytes: number;
  /** Bytes of hot records that are loaded at a time. */
  readonly hotPortion: number;
  /** Requests to the bucket. */
  readonly requests: number;
  /** Bytes of records on a page, of which there is at least one. */
  readonly pageBytes: number;
}

/**
 * In memory are at most a portion of hot rows with its base64 (4 + 2 × 5.5 MiB),
 * or a wave of compressed blocks (about 4 MiB), the runs that candidates hold on to
 * (4 MiB) and the page (4 MiB): below 32 MiB with what holds them together.
 */
export const DEFAULT_READ_BOUNDS: ReadBounds = {
  hotRows: 10_000,
  // A call has 30 s of CPU. A record that is looked at takes 1 to 4 µs of it, and 20 bytes or more.
  blocks: 2_000,
  hotBytes: 64 * 1024 * 1024,
  hotPortion: 4 * 1024 * 1024,
  // An invocation has 1,000; some go to the database and to the last missing objects.
  requests: 800,
  pageBytes: 4 * 1024 * 1024,
};

/** Where objects are missing, each of them takes one request more. */
const MAX_WAVE_RANGES = 128;

/** Which records are wanted. */
export interface PageQuery {
  readonly table: string;
  /** Exclusive, ms UTC. */
  readonly to: number;
  /** 1 or more. */
  readonly limit: number;
  readonly start: Position;
}

export interface PageContent {
  readonly records: readonly Candidate[];
  readonly next: Position | null;
  readonly rangeReads: number;
  readonly coldBytes: number;
  readonly lostBlocks: number;
  /** An object was found missing that the snapshot takes for live. */
  readonly foundLoss: boolean;
}

/**
 * Makes one page.
 * @returns `null` when something of the snapshot is not there any more: a newer one has it in another place, or not at all
 * @throws ReadError when stored data cannot be read; a page is whole or not there
 */
export async function assemblePage(
  query: PageQuery,
  snapshot: Snapshot,
  bindings: PageBindings,
  bounds: ReadBounds,
): Promise<PageContent | null> {
  const assembly = new Assembly(query, snapshot, bindings, bounds);
  while (assembly.wantsMore()) {
    if (!(await assembly.load())) return null;
  }
  return assembly.finish();
}

class Assembly {
  readonly #query: PageQuery;
  readonly #bindings: PageBindings;
  readonly #bounds: ReadBounds;
  readonly #first: FirstRecords;
  readonly #completeBefore: number;
  readonly #lost: StoredBlock[];
  #hot: readonly HotRow[];
  #cold: readonly StoredBlock[];
  #hotBytes = 0;
  #rangeReads = 0;
  #requests = 0;
  #coldBytes = 0;
  #foundLoss = false;

  constructor(query: PageQuery, snapshot: Snapshot, bindings: PageBindings, bounds: ReadBounds) {
    this.#query = query;
    this.#bindings = bindings;
    this.#bounds = bounds;
    const size = { records: query.limit, bytes: bounds.pageBytes };
    this.#first = new FirstRecords(query.start, query.to, size);
    this.#completeBefore = snapshot.completeBefore;
    this.#hot = snapshot.hot;
    this.#cold = snapshot.cold.filter(({ state }) => state === "live");
    this.#lost = snapshot.cold.filter(({ state }) => state === "lost");
  }

  /** Whether the page is not full and there is something to fill it with that it may load. */
  wantsMore(): boolean {
    const known = this.#first.bytesBefore(this.#horizon());
    return known <= this.#bounds.pageBytes && (this.#hotIsNext() ? this.#mayLoadHot() : this.#mayLoadCold());
  }

  /** Loads what comes next. @returns `false` when it is not there any more */
  load(): Promise<boolean> {
    return this.#hotIsNext() ? this.#loadHot() : this.#loadCold();
  }

  finish(): PageContent {
    const horizon = this.#horizon();
    const { page, more } = this.#first.take(horizon);
    const next = more ? positionAfter(page, this.#query.start) : this.#goOn(page, horizon);
    return {
      records: page,
      next,
      rangeReads: this.#rangeReads,
      coldBytes: this.#coldBytes,
      lostBlocks: this.#lost.filter(({ minTime }) => next === null || minTime <= next.time).length,
      foundLoss: this.#foundLoss,
    };
  }

  /** The time before which nothing is missing. */
  #horizon(): number {
    return Math.min(
      this.#completeBefore,
      this.#hot[0]?.minTime ?? Number.POSITIVE_INFINITY,
      this.#cold[0]?.minTime ?? Number.POSITIVE_INFINITY,
    );
  }

  #hotIsNext(): boolean {
    const [row] = this.#hot;
    const [block] = this.#cold;
    return row !== undefined && (block === undefined || row.minTime <= block.minTime);
  }

  #mayLoadHot(): boolean {
    const bytes = this.#hot[0]?.bytes ?? 0;
    return this.#hotBytes === 0 || this.#hotBytes + bytes <= this.#bounds.hotBytes;
  }

  #mayLoadCold(): boolean {
    return this.#cold.length > 0 && this.#requests < this.#bounds.requests;
  }

  #goOn(page: readonly Candidate[], horizon: number): Position | null {
    if (horizon === Number.POSITIVE_INFINITY) return null;
    if (page.length > 0 || horizon > this.#query.start.time) return { time: horizon, digest: "", copies: 0 };
    throw new ReadError(
      "too-dense",
      `more than a page may load begins at or before ${new Date(horizon).toISOString()} and reaches past it`,
    );
  }

  async #loadHot(): Promise<boolean> {
    const portion = this.#nextPortion();
    this.#hot = this.#hot.slice(portion.length);
    const listed = portion.filter(({ data }) => data === null);
    const loaded = listed.length === 0 ? [] : await loadHotRows(this.#bindings.db, listed);
    if (loaded === null) return false;
    for (const row of [...portion, ...loaded]) {
      if (row.data === null) continue;
      this.#first.offer(this.#openRow(row, row.data), "hot");
      this.#hotBytes += row.bytes;
    }
    return true;
  }

  /** One row at least. */
  #nextPortion(): readonly HotRow[] {
    const room = Math.min(this.#bounds.hotPortion, this.#bounds.hotBytes - this.#hotBytes);
    let bytes = 0;
    const end = this.#hot.findIndex((row) => {
      bytes += row.bytes;
      return bytes > room;
    });
    return end === -1 ? this.#hot : this.#hot.slice(0, Math.max(end, 1));
  }

  #openRow({ fingerprint, recordCount }: HotRow, data: string): RecordRun {
    const { table } = this.#query;
    const schema = this.#bindings.registry.find(table, fingerprint);
    if (schema === undefined) {
      throw new ReadError(
        "unknown-schema",
        `a hot row of ${table} has schema ${fingerprint}, which is not known`,
      );
    }
    try {
      return scanRecords(schema, Buffer.from(data, "base64"), recordCount);
    } catch (cause) {
      if (!(cause instanceof RecordError)) throw cause;
      throw new ReadError("block-damaged", `a hot row of ${table}: ${cause.message}`, { cause });
    }
  }

  async #loadCold(): Promise<boolean> {
    const { bucket, registry, settings } = this.#bindings;
    const { table, start, to } = this.#query;
    const wave = nextWave(
      this.#cold,
      { from: start.time, to },
      {
        bytes: this.#bounds.pageBytes - this.#first.bytesBefore(this.#horizon()),
        ranges: Math.min(this.#bounds.requests - this.#requests, MAX_WAVE_RANGES),
        fullBlockBytes: settings.blockBytes,
      },
    );
    this.#cold = this.#cold.slice(wave.length);
    const missing: StoredBlock[] = [];
    for await (const { range, bytes } of fetchRanges(bucket, wave)) {
      this.#rangeReads += 1;
      this.#requests += 1;
      if (bytes === null) {
        missing.push(...range.blocks);
        continue;
      }
      this.#coldBytes += bytes.length;
      for (const block of range.blocks) {
        const offset = block.start - range.offset;
        const run = openBlock(block, bytes.subarray(offset, offset + block.length), table, registry);
        this.#first.offer(run, "cold");
      }
    }
    return missing.length === 0 || this.#settle(missing);
  }

  /** Goes on without blocks whose objects are lost. @returns `false` when they are in another place */
  async #settle(missing: readonly StoredBlock[]): Promise<boolean> {
    const paths = new Set(missing.map(({ filePath }) => filePath));
    this.#requests += paths.size;
    if (!(await areLost([...paths], this.#bindings))) return false;
    this.#lost.push(...missing, ...this.#cold.filter(({ filePath }) => paths.has(filePath)));
    this.#cold = this.#cold.filter(({ filePath }) => !paths.has(filePath));
    this.#foundLoss = true;
    return true;
  }
}

/** Objects that are looked after at a time. */
const PARALLEL_HEADS = 6;

/**
 * Whether files whose objects a read did not find are lost: then the manifest
 * says so from now on. They are not when another change of the archive has
 * replaced them meanwhile, or when their objects are there after all.
 */
async function areLost(paths: readonly string[], { db, bucket, now }: PageBindings): Promise<boolean> {
  const states = await fileStates(db, paths);
  if (paths.some((path) => states.get(path) !== "live" && states.get(path) !== "lost")) return false;
  for (let start = 0; start < paths.length; start += PARALLEL_HEADS) {
    const heads = await Promise.all(
      paths.slice(start, start + PARALLEL_HEADS).map((path) => bucket.head(path)),
    );
    if (heads.some((head) => head !== null)) return false;
  }
  const live = paths.filter((path) => states.get(path) === "live");
  const marked = live.length === 0 ? 0 : await markLost(db, live, now());
  if (marked > 0) log.error("read.objects_lost", { files: live });
  return marked === live.length;
}
