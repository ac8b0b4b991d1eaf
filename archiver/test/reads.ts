/** What the tests of reading share. */
import { env } from "cloudflare:workers";
import type { Page, ReadFormat, ReadResult } from "../src/contract.ts";
import { readFile } from "../src/ocf/index.ts";
import {
  decodeRecord,
  recordBytes,
  registry as tables,
  scanRecords,
  type SchemaRegistry,
} from "../src/tables/index.ts";
import { type Flight, flight, TestArchiver, type TestReadResult, type TestRecord } from "./archiver.ts";

/** Flights of consecutive minutes. */
export const minutes = (count: number, fields: Partial<Flight> = {}): readonly Flight[] =>
  Array.from({ length: count }, (_, n) => flight(n, fields));

/** Half of an hour's flights cold, half hot. */
export async function halfArchived(): Promise<TestArchiver> {
  const archiver = new TestArchiver();
  await archiver.store(minutes(60).filter((_, n) => n % 2 === 0));
  await archiver.archive();
  await archiver.store(minutes(60).filter((_, n) => n % 2 === 1));
  return archiver;
}

export function recordsOf(result: TestReadResult): readonly TestRecord[] {
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result)}`);
  return result.records;
}

/** The page of an answer that is one. */
export function pageOf(result: ReadResult): Page {
  if (!result.ok || !result.modified) throw new Error(`no page: ${JSON.stringify(result)}`);
  return result;
}

/** Why a read is refused as unreadable. */
export async function faultOf(reading: Promise<TestReadResult>): Promise<string> {
  const result = await reading;
  return !result.ok && result.reason === "unreadable" ? result.code : "none";
}

/** Records as texts in an order of their own, to compare them as a set with repetitions. */
export const texts = (records: readonly unknown[]): readonly string[] =>
  records.map((record) => JSON.stringify(record)).sort();

export interface RangeRequest {
  readonly key: string;
  readonly offset: number;
  readonly length: number;
}

/** A bucket that notes every range request. */
export function countedBucket(): { readonly bucket: R2Bucket; readonly requests: RangeRequest[] } {
  const requests: RangeRequest[] = [];
  const bucket = new Proxy(env.COLD, {
    get(target, name) {
      if (name !== "get") return Reflect.get(target, name).bind(target);
      return (
        key: string,
        options: { readonly range: { readonly offset: number; readonly length: number } },
      ) => {
        requests.push({ key, ...options.range });
        return target.get(key, options);
      };
    },
  });
  return { bucket, requests };
}

/** Empties every table that holds records or says where they are. */
export async function emptyTables(): Promise<void> {
  const tables = [
    "block_indexes",
    "archived_files",
    "archived_messages",
    "buffer_logs",
    "ingest_keys",
    "erasure_files",
    "erasures",
  ];
  await env.DB.batch(tables.map((table) => env.DB.prepare(`DELETE FROM ${table}`)));
}

export const FORMATS = ["json", "ndjson", "ocf"] as const satisfies readonly ReadFormat[];

export const bytesOf = async (page: Page): Promise<Uint8Array> =>
  new Uint8Array(await new Response(page.body).arrayBuffer());

/** A container's records, decoded by the schema that its header names. */
export function containerRecords(
  bytes: Uint8Array,
  table: string,
  registry: SchemaRegistry,
): readonly TestRecord[] {
  const { header, blocks } = readFile(bytes);
  const schema = registry.findBySchemaText(table, header.schema);
  if (schema === undefined) throw new Error(`no schema of ${table}: ${header.schema}`);
  return blocks.flatMap(({ records, recordCount }) => {
    const run = scanRecords(schema, records, recordCount);
    return run.times.map((_, index) => decodeRecord(schema, recordBytes(run, index)));
  });
}

/** A page's records, of whatever format. Reads its body. */
export async function decodePage(
  page: Page,
  format: ReadFormat,
  registry = tables,
): Promise<readonly TestRecord[]> {
  const bytes = await bytesOf(page);
  if (format === "ocf") return containerRecords(bytes, "flights", registry);
  const text = new TextDecoder().decode(bytes);
  if (format === "json") return JSON.parse(text) as TestRecord[];
  if (text !== "" && !text.endsWith("\n")) throw new Error("the last line is cut");
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as TestRecord);
}
