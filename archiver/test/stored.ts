/**
 * What is stored, judged from D1 and from the objects' own bytes, and never from
 * what the code under test says of it.
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { env } from "cloudflare:workers";
import { decodeRows, type RowSet } from "../src/cold/rows.ts";
import { readFile } from "../src/ocf/index.ts";
import {
  decodeRecord,
  recordBytes,
  registry,
  scanRecords,
  type SchemaRegistry,
} from "../src/tables/index.ts";

/** One file of the manifest that readers use. */
export interface StoredFile {
  readonly path: string;
  readonly level: number;
  /** The hot rows that its header names. */
  readonly rows: RowSet;
  readonly records: readonly string[];
}

export interface Stored {
  /** Each record as `table dataset json`, sorted. */
  readonly hot: readonly string[];
  readonly cold: readonly string[];
  readonly hotRows: readonly number[];
  readonly files: readonly StoredFile[];
  /** Where manifest, index and objects do not agree. Empty in a sound archive. */
  readonly faults: readonly string[];
}

interface HotRow {
  readonly id: number;
  readonly dataset_id: string;
  readonly table_name: string;
  readonly schema_fingerprint: string;
  readonly record_count: number;
  readonly data: string;
}

interface FileRow {
  readonly id: number;
  readonly file_path: string;
  readonly table_name: string;
  readonly period: string;
  readonly file_size: number;
  readonly header_size: number;
  readonly sha256: string;
  readonly sync_marker: string;
  readonly schema_fingerprint: string;
  readonly compression_codec: string;
  readonly record_count: number;
  readonly block_count: number;
  readonly min_time: number;
  readonly max_time: number;
  readonly level: number;
  readonly generation: number;
}

interface BlockRow {
  readonly file_id: number;
  readonly dataset_id: string;
  readonly table_name: string;
  readonly start_byte: number;
  readonly length: number;
  readonly crc32: number;
  readonly record_count: number;
  readonly start_timestamp: number;
  readonly end_timestamp: number;
}

function texts(
  schemas: SchemaRegistry,
  { table, fingerprint, datasetId }: { table: string; fingerprint: string; datasetId: string },
  bytes: Uint8Array,
  count: number,
): { readonly records: readonly string[]; readonly times: readonly number[] } {
  const schema = schemas.find(table, fingerprint);
  if (schema === undefined) return { records: [`${table} ${datasetId} ${fingerprint}`], times: [] };
  const run = scanRecords(schema, bytes, count);
  const records = run.times.map(
    (_, index) => `${table} ${datasetId} ${JSON.stringify(decodeRecord(schema, recordBytes(run, index)))}`,
  );
  return { records, times: run.times };
}

/** Reads everything; rows of unknown schemas count as one text. */
export async function readStored(schemas: SchemaRegistry = registry): Promise<Stored> {
  const [hotResult, fileResult, blockResult] = await env.DB.batch<unknown>([
    env.DB.prepare("SELECT * FROM buffer_logs ORDER BY id"),
    env.DB.prepare("SELECT * FROM archived_files WHERE state IN ('live', 'lost') ORDER BY id"),
    env.DB.prepare("SELECT * FROM block_indexes ORDER BY file_id, start_byte"),
  ]);
  const hotRows = (hotResult?.results ?? []) as HotRow[];
  const blocks = Map.groupBy((blockResult?.results ?? []) as BlockRow[], ({ file_id }) => file_id);
  const faults: string[] = [];
  const files: StoredFile[] = [];
  for (const row of (fileResult?.results ?? []) as FileRow[]) {
    const file = await readStoredFile(schemas, row, blocks.get(row.id) ?? [], faults);
    blocks.delete(row.id);
    if (file !== null) files.push(file);
  }
  for (const id of blocks.keys()) faults.push(`blocks of file ${id}, which no reader uses`);
  const hot = hotRows.flatMap((row) => {
    const labels = { table: row.table_name, fingerprint: row.schema_fingerprint, datasetId: row.dataset_id };
    return texts(schemas, labels, Buffer.from(row.data, "base64"), row.record_count).records;
  });
  return {
    hot: hot.sort(),
    cold: files.flatMap(({ records }) => records).sort(),
    hotRows: hotRows.map(({ id }) => id),
    files,
    faults,
  };
}

async function readStoredFile(
  schemas: SchemaRegistry,
  row: FileRow,
  index: readonly BlockRow[],
  faults: string[],
): Promise<StoredFile | null> {
  const fault = (what: string): void => void faults.push(`${row.file_path}: ${what}`);
  const object = await env.COLD.get(row.file_path);
  if (object === null) {
    fault("its object is missing");
    return null;
  }
  const bytes = new Uint8Array(await object.arrayBuffer());
  const { header, blocks } = readFile(bytes);
  const expected = {
    file_size: bytes.length,
    header_size: header.size,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    sync_marker: Buffer.from(header.sync).toString("hex"),
    schema_fingerprint: header.metadata.get("strata.schema.sha256"),
    table_name: header.metadata.get("strata.table"),
    period: header.metadata.get("strata.period"),
    compression_codec: header.codec,
    level: Number(header.metadata.get("strata.level")),
    generation: Number(header.metadata.get("strata.generation")),
    block_count: blocks.length,
    record_count: blocks.reduce((sum, { recordCount }) => sum + recordCount, 0),
  };
  for (const [name, value] of Object.entries(expected)) {
    const stated = row[name as keyof FileRow];
    if (stated !== value) fault(`${name} is ${value}, not ${stated}`);
  }

  const records: string[] = [];
  const times: number[] = [];
  const datasets: [string, number][] = [];
  for (const [place, block] of blocks.entries()) {
    const entry = index[place];
    const labels = {
      table: row.table_name,
      fingerprint: row.schema_fingerprint,
      datasetId: entry?.dataset_id ?? "?",
    };
    const found = texts(schemas, labels, block.records, block.recordCount);
    records.push(...found.records);
    times.push(...found.times);
    const stated =
      entry === undefined
        ? []
        : [
            entry.start_byte,
            entry.length,
            entry.record_count,
            entry.crc32,
            entry.start_timestamp,
            entry.end_timestamp,
            entry.table_name,
          ];
    const real = [
      block.start,
      block.length,
      block.recordCount,
      crc32(bytes.subarray(block.start, block.start + block.length)),
      found.times[0],
      found.times.at(-1),
      row.table_name,
    ];
    if (JSON.stringify(stated) !== JSON.stringify(real)) fault(`block ${place} is ${real}, not ${stated}`);
    const last = datasets.at(-1);
    if (last?.[0] === labels.datasetId) last[1] += block.recordCount;
    else datasets.push([labels.datasetId, block.recordCount]);
  }
  if (index.length !== blocks.length) fault(`${index.length} of ${blocks.length} blocks are in the index`);
  if (JSON.stringify(datasets) !== header.metadata.get("strata.datasets")) fault("its datasets are others");
  const ordered = times.toSorted((a, b) => a - b);
  if (ordered[0] !== row.min_time) fault("its earliest time is another");
  if (ordered.at(-1) !== row.max_time) fault("its latest time is another");
  return {
    path: row.file_path,
    level: row.level,
    rows: decodeRows(header.metadata.get("strata.rows") ?? ""),
    records,
  };
}
