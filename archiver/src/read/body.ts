/**
 * A page as bytes, encoded while it is read: what is in memory is its records,
 * and one chunk in the format asked for.
 */
import type { ReadRequest } from "../contract.ts";
import { encodeBlock, encodeHeader } from "../ocf/index.ts";
import { decodeRecord, isGeneric, type SchemaRegistry, type TableSchema } from "../tables/index.ts";
import type { Candidate } from "./order.ts";

/** Bytes, or characters of JSON, that are encoded at a time; a record more at most. */
const CHUNK_SIZE = 64 * 1024;

const CODEC = "deflate";

/** Why `encodePage` refuses a page. */
export const MIXED_PAGE =
  "ocf cannot hold this page: some of its records have the table's schema, and some are generic JSON; ask for json or ndjson";

/**
 * The schema of the file that a page is as an object container file: the
 * newest of its table, or the generic envelope's.
 * @returns `null` when the page has records of both
 */
function fileSchema(
  table: string,
  records: readonly Candidate[],
  registry: SchemaRegistry,
): TableSchema | null {
  const generic = records.filter(({ schema }) => isGeneric(schema)).length;
  if (generic > 0 && generic < records.length) return null;
  const newest = generic === 0 ? registry.newest(table) : undefined;
  return newest ?? registry.generic(table) ?? null;
}

/**
 * Encodes a page chunk by chunk; a record that cannot be decoded is a `RecordError` of its chunk.
 * @param sync marker of the page as an object container file
 * @returns `null` when the format cannot hold the page
 */
export function encodePage(
  { format, table }: Pick<ReadRequest, "format" | "table">,
  records: readonly Candidate[],
  registry: SchemaRegistry,
  sync: Uint8Array,
): Generator<Uint8Array> | null {
  switch (format) {
    case "json":
      return utf8(jsonArray(records));
    case "ndjson":
      return utf8(jsonLines(records));
    case "ocf": {
      const schema = fileSchema(table, records, registry);
      return schema === null ? null : containerFile(records, registry, schema, sync);
    }
  }
}

const jsonOf = ({ schema, bytes }: Candidate): string => JSON.stringify(decodeRecord(schema, bytes));

function* jsonArray(records: readonly Candidate[]): Generator<string> {
  let separator = "[";
  for (const record of records) {
    yield separator + jsonOf(record);
    separator = ",";
  }
  yield records.length === 0 ? "[]" : "]";
}

function* jsonLines(records: readonly Candidate[]): Generator<string> {
  for (const record of records) yield `${jsonOf(record)}\n`;
}

function* utf8(texts: Iterable<string>): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  let chunk = "";
  for (const text of texts) {
    chunk += text;
    if (chunk.length < CHUNK_SIZE) continue;
    yield encoder.encode(chunk);
    chunk = "";
  }
  if (chunk !== "") yield encoder.encode(chunk);
}

function* containerFile(
  records: readonly Candidate[],
  registry: SchemaRegistry,
  schema: TableSchema,
  sync: Uint8Array,
): Generator<Uint8Array> {
  yield encodeHeader({ schema: schema.json, codec: CODEC, metadata: new Map(), sync });
  let parts: Buffer[] = [];
  let size = 0;
  for (const [index, record] of records.entries()) {
    const bytes = registry.newestBytes(record.schema, record.bytes);
    parts.push(bytes);
    size += bytes.length;
    if (size < CHUNK_SIZE && index + 1 < records.length) continue;
    yield encodeBlock({ recordCount: parts.length, records: Buffer.concat(parts) }, CODEC, sync);
    parts = [];
    size = 0;
  }
}

/**
 * A byte stream, which is the kind that Workers RPC carries. A chunk is made when
 * one is asked for; cancelling lets go of everything; an error of the chunks is the stream's.
 */
export function streamOf(chunks: Generator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    type: "bytes",
    // The runtime hands a chunk over in pieces of 4 KiB otherwise.
    autoAllocateChunkSize: CHUNK_SIZE,
    pull(controller) {
      const { done, value } = chunks.next();
      if (done !== true) controller.enqueue(value);
      else {
        controller.close();
        controller.byobRequest?.respond(0);
      }
    },
    cancel() {
      chunks.return(undefined);
    },
  });
}
