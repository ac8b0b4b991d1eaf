/**
 * Makes files of hot rows: one file a table, period and writer schema, its
 * records sorted by dataset, then time, and cut into blocks of one dataset.
 * Deterministic: the same rows give the same bytes.
 */
import { FileWriter, MemorySink, rowsOf, type WrittenFile } from "../cold/index.ts";
import type { Codec } from "../ocf/index.ts";
import { RecordError, type RecordRun, scanRecords, type TableSchema } from "../tables/index.ts";
import { LEVELS } from "./levels.ts";
import { datasetBlocks } from "./order.ts";

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

/** A file that is ready to be stored. */
export interface ArchiveFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly file: WrittenFile;
  /** The hot rows whose records it holds, in ascending order. */
  readonly rowIds: readonly number[];
  /** Bytes of its records before compression. */
  readonly recordBytes: number;
}

/** How files are made. */
export interface FileOptions {
  readonly codec: Codec;
  /** Bytes of records that a block aims at, before compression. */
  readonly blockBytes: number;
}

/** Rows that become one file. */
export interface RowGroup {
  readonly schema: TableSchema;
  readonly period: string;
  readonly rows: readonly HotRow[];
}

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

/** A row whose records have been found. */
export interface ReadRow {
  readonly row: Pick<HotRow, "id" | "datasetId">;
  readonly run: RecordRun;
}

/** The rows of a group without their text. */
export interface ReadGroup extends Omit<RowGroup, "rows"> {
  readonly readable: readonly ReadRow[];
  readonly unreadable: readonly { readonly id: number; readonly error: unknown }[];
}

/**
 * Splits a group's rows into those that can be read and those that cannot.
 * An unreadable row stays hot: to leave it out of one file must not stop the rest.
 */
export function readRows(group: RowGroup): ReadGroup {
  const readable: ReadRow[] = [];
  const unreadable: { readonly id: number; readonly error: unknown }[] = [];
  for (const row of group.rows) {
    try {
      if (row.recordCount < 1) throw new RecordError("the row holds no record");
      const run = scanRecords(group.schema, Buffer.from(row.data, "base64"), row.recordCount);
      readable.push({ row: { id: row.id, datasetId: row.datasetId }, run });
    } catch (error) {
      unreadable.push({ id: row.id, error });
    }
  }
  return { schema: group.schema, period: group.period, readable, unreadable };
}

/** Makes the file of a group's readable rows. There is at least one. */
export async function buildFile(
  { schema, period }: Omit<RowGroup, "rows">,
  readable: readonly ReadRow[],
  { codec, blockBytes }: FileOptions,
): Promise<ArchiveFile> {
  const byDataset = Map.groupBy(readable, ({ row }) => row.datasetId);
  const datasets = [...byDataset]
    .map(([datasetId, rows]) => ({ datasetId, runs: rows.map(({ run }) => run) }))
    .sort((a, b) => (a.datasetId < b.datasetId ? -1 : 1));
  const rowIds = readable.map(({ row }) => row.id).sort((a, b) => a - b);

  const sink = new MemorySink();
  const writer = new FileWriter(
    {
      schema,
      period,
      level: 0,
      generation: 0,
      rows: rowsOf(rowIds),
      datasets: datasets.map(({ datasetId, runs }) => [
        datasetId,
        runs.reduce((sum, { times }) => sum + times.length, 0),
      ]),
      retainedFrom: null,
      codec,
    },
    sink,
  );
  let recordBytes = 0;
  for (const { datasetId, runs } of datasets) {
    for (const block of datasetBlocks(datasetId, runs, blockBytes)) {
      recordBytes += block.records.length;
      await writer.add(block, LEVELS[codec]);
    }
  }
  const file = await writer.finish();
  return { bytes: sink.bytes(), file, rowIds, recordBytes };
}

/**
 * The key of a run's file: where it belongs, whose records it holds, the fence
 * of the run and its content. A run never meets a key of an earlier one, so what
 * a dead run left behind stays nobody's, and whoever deletes it, however late,
 * deletes nothing that has been committed since.
 */
export function fileKey({ file, rowIds }: Pick<ArchiveFile, "file" | "rowIds">, fence: number): string {
  const rows = `${rowIds[0]}-${rowIds.at(-1)}`;
  return `${file.table}/${file.period}/${rows}-${fence}-${file.sha256.slice(0, 12)}.avro`;
}
