/**
 * Makes files of hot rows: one file a table, period and writer schema, its
 * records sorted by dataset, then time, and cut into blocks of one dataset.
 * Pure and deterministic: the same rows give the same bytes and the same key,
 * so that a run that died after its upload can be repeated.
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { type Codec, SYNC_BYTES, writeFile } from "../ocf/index.ts";
import { recordBytes, type RecordRun, recordSize, scanRecords, type TableSchema } from "../tables/index.ts";

/** A row of `buffer_logs` that is to be archived. */
export interface HotRow {
  readonly id: number;
  readonly datasetId: string;
  readonly table: string;
  readonly period: string;
  readonly fingerprint: string;
  readonly recordCount: number;
  /** Base64 of the records. */
  readonly data: string;
}

export interface FileBlock {
  readonly datasetId: string;
  readonly start: number;
  readonly length: number;
  readonly crc32: number;
  readonly recordCount: number;
  readonly minTime: number;
  readonly maxTime: number;
}

/** A file that is ready to be stored, and everything that its manifest says. */
export interface ArchiveFile {
  readonly key: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly sha256: string;
  readonly table: string;
  readonly period: string;
  readonly fingerprint: string;
  readonly codec: Codec;
  readonly headerSize: number;
  readonly sync: string;
  readonly recordCount: number;
  readonly minTime: number;
  readonly maxTime: number;
  readonly blocks: readonly FileBlock[];
  /** The hot rows whose records it holds. */
  readonly rowIds: readonly number[];
}

/** Rows that become one file. */
export interface RowGroup {
  readonly schema: TableSchema;
  readonly period: string;
  readonly rows: readonly HotRow[];
}

/**
 * Records a block holds before compression. A cold read inflates whole blocks,
 * so a larger one costs a small read more; a smaller one compresses worse. It
 * is what the Java and JavaScript implementations use (64,000 and 65,536).
 */
export const TARGET_BLOCK_BYTES = 64 * 1024;

const CODEC: Codec = "deflate";

/** Groups rows that belong into one file, in the order in which they first appear. */
export function groupRows(
  rows: readonly HotRow[],
  find: (table: string, fingerprint: string) => TableSchema | undefined,
): readonly RowGroup[] {
  const groups = new Map<string, { schema: TableSchema; period: string; rows: HotRow[] }>();
  for (const row of rows) {
    const key = `${row.table}\n${row.period}\n${row.fingerprint}`;
    const group = groups.get(key);
    if (group !== undefined) {
      group.rows.push(row);
      continue;
    }
    const schema = find(row.table, row.fingerprint);
    if (schema !== undefined) groups.set(key, { schema, period: row.period, rows: [row] });
  }
  return [...groups.values()];
}

/** A record by its place: a view of its bytes would take six times the memory of a small record. */
interface Entry {
  readonly time: number;
  readonly run: RecordRun;
  readonly index: number;
}

/**
 * Splits a group's rows into those that can be read and those that cannot.
 * An unreadable row stays hot: to leave it out of one file must not stop the rest.
 */
export function readRows(group: RowGroup): {
  readonly readable: readonly { readonly row: HotRow; readonly run: RecordRun }[];
  readonly unreadable: readonly { readonly row: HotRow; readonly error: unknown }[];
} {
  const readable: { readonly row: HotRow; readonly run: RecordRun }[] = [];
  const unreadable: { readonly row: HotRow; readonly error: unknown }[] = [];
  for (const row of group.rows) {
    try {
      const run = scanRecords(group.schema, Buffer.from(row.data, "base64"), row.recordCount);
      readable.push({ row, run });
    } catch (error) {
      unreadable.push({ row, error });
    }
  }
  return { readable, unreadable };
}

function* entriesOf(run: RecordRun): Generator<Entry> {
  for (const [index, time] of run.times.entries()) yield { time, run, index };
}

const bytesOf = ({ run, index }: Entry): Buffer => recordBytes(run, index);

const byTimeThenBytes = (a: Entry, b: Entry): number =>
  a.time - b.time || Buffer.compare(bytesOf(a), bytesOf(b));

interface PlannedBlock {
  readonly datasetId: string;
  readonly recordCount: number;
  readonly minTime: number;
  readonly maxTime: number;
  readonly records: Uint8Array;
}

function* cutBlocks(datasetId: string, entries: readonly Entry[]): Generator<PlannedBlock> {
  let start = 0;
  let bytes = 0;
  const seal = (end: number): PlannedBlock => {
    const slice = entries.slice(start, end);
    return {
      datasetId,
      recordCount: slice.length,
      minTime: slice[0]?.time ?? 0,
      maxTime: slice.at(-1)?.time ?? 0,
      records: Buffer.concat(slice.map(bytesOf)),
    };
  };
  for (const [index, entry] of entries.entries()) {
    const size = recordSize(entry.run, entry.index);
    if (index > start && bytes + size > TARGET_BLOCK_BYTES) {
      yield seal(index);
      start = index;
      bytes = 0;
    }
    bytes += size;
  }
  if (entries.length > start) yield seal(entries.length);
}

const sha256 = (data: string | Uint8Array): Buffer => createHash("sha256").update(data).digest();

/** The run lengths of datasets in a file's blocks: what `block_indexes` is rebuilt from. */
function datasetRuns(blocks: readonly PlannedBlock[]): string {
  const runs: [string, number][] = [];
  for (const { datasetId } of blocks) {
    const last = runs.at(-1);
    if (last?.[0] === datasetId) last[1] += 1;
    else runs.push([datasetId, 1]);
  }
  return JSON.stringify(runs);
}

/** Makes the file of a group's readable rows. There is at least one. */
export function buildFile(
  { schema, period }: RowGroup,
  readable: readonly { readonly row: HotRow; readonly run: RecordRun }[],
): ArchiveFile {
  const byDataset = Map.groupBy(readable, ({ row }) => row.datasetId);
  const datasets = [...byDataset.keys()].sort();
  const planned = datasets.flatMap((datasetId) => {
    const runs = byDataset.get(datasetId) ?? [];
    const entries = runs.flatMap(({ run }) => [...entriesOf(run)]).sort(byTimeThenBytes);
    return [...cutBlocks(datasetId, entries)];
  });

  const rowIds = readable.map(({ row }) => row.id).sort((a, b) => a - b);
  const range = `${rowIds[0]}-${rowIds.at(-1)}`;
  const place = `${schema.table}/${period}/${range}`;
  const sync = sha256(`strata.sync\n${place}\n${schema.fingerprint}`).subarray(0, SYNC_BYTES);
  const metadata = new Map([
    ["strata.table", schema.table],
    ["strata.period", period],
    ["strata.schema.sha256", schema.fingerprint],
    ["strata.rows", range],
    ["strata.datasets", datasetRuns(planned)],
  ]);
  const file = writeFile({ schema: schema.json, codec: CODEC, metadata, sync }, planned);
  const digest = sha256(file.bytes).toString("hex");

  return {
    key: `${place}-${digest.slice(0, 12)}.avro`,
    bytes: file.bytes,
    sha256: digest,
    table: schema.table,
    period,
    fingerprint: schema.fingerprint,
    codec: CODEC,
    headerSize: file.headerSize,
    sync: sync.toString("hex"),
    recordCount: planned.reduce((sum, { recordCount }) => sum + recordCount, 0),
    minTime: planned.reduce((least, { minTime }) => Math.min(least, minTime), Number.POSITIVE_INFINITY),
    maxTime: planned.reduce((most, { maxTime }) => Math.max(most, maxTime), Number.NEGATIVE_INFINITY),
    blocks: planned.flatMap(({ datasetId, recordCount, minTime, maxTime }, index) => {
      const written = file.blocks[index];
      if (written === undefined) return [];
      const { start, length, bytes } = written;
      return [{ datasetId, recordCount, minTime, maxTime, start, length, crc32: crc32(bytes) }];
    }),
    rowIds,
  };
}
