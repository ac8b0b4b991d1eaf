/**
 * Encodes records inside workerd, in the archiver's way and in avsc's own, as
 * often as it is asked to. `PUT /<table>` keeps records, `POST /` works on them.
 */
import { deflateRawSync } from "node:zlib";
import * as avsc from "avsc";
import { buildFile, groupRows, type HotRow, readRows } from "../../archiver/src/archive/plan.ts";
import { BlockCutter, FileWriter, MemorySink, rowsOf } from "../../archiver/src/cold/index.ts";
import type { Codec } from "../../archiver/src/ocf/index.ts";
import { registry, SchemaRegistry, type TableSchema } from "../../archiver/src/tables/index.ts";
import { READINGS } from "../lib/readings.ts";
import type { EncodeOrder } from "../lib/encode-order.ts";

type Timed = Readonly<Record<string, unknown>> & { readonly time: number };

const DATASET = "bench";
const PERIOD = "2018_02";

/** Bytes of one record at most. */
const SCRATCH_BYTES = 64 * 1024;

/** avsc compiles while the Worker starts only. */
const more = new SchemaRegistry([{ table: "readings", version: 1, schema: READINGS }]);

interface Loaded {
  readonly schema: TableSchema;
  readonly records: readonly Timed[];
  readonly rows: readonly HotRow[];
}

const loaded = new Map<string, Loaded>();

function schemaOf(table: string): TableSchema {
  const schema = registry.newest(table) ?? more.newest(table);
  if (schema === undefined) throw new Error(`there is no table ${table}`);
  return schema;
}

/** A file of records in the order given, without its draft's datasets and rows being anybody's. */
function fileWriter(
  schema: TableSchema,
  records: number,
  codec: Codec,
): { writer: FileWriter; sink: MemorySink } {
  const sink = new MemorySink();
  const draft = {
    schema,
    period: PERIOD,
    level: 0,
    generation: 0,
    rows: rowsOf([1]),
    datasets: [[DATASET, records]],
    retainedFrom: null,
    codec,
  } as const;
  return { writer: new FileWriter(draft, sink), sink };
}

/** Records, as they come, to an archive file: encoded, cut into blocks, compressed, indexed and digested. */
async function writeFile(
  schema: TableSchema,
  records: readonly Timed[],
  { codec, level, blockBytes }: { codec: Codec; level: number | undefined; blockBytes: number },
): Promise<number> {
  const { writer, sink } = fileWriter(schema, records.length, codec);
  const cutter = new BlockCutter(DATASET, blockBytes);
  const scratch = Buffer.allocUnsafe(SCRATCH_BYTES);
  const view = new Uint8Array(scratch.buffer, scratch.byteOffset, scratch.length);
  for (const record of records) {
    const size = schema.type.encode(record, scratch, 0);
    const full = cutter.add(view.subarray(0, size), record.time);
    if (full !== null) await writer.add(full, level);
  }
  const last = cutter.flush();
  if (last !== null) await writer.add(last, level);
  await writer.finish();
  return sink.bytes().length;
}

/** avsc's encoder with the codec that it brings, or with a codec that does not wait for a thread. */
function blockEncoder(
  schema: TableSchema,
  records: readonly Timed[],
  blockBytes: number,
  sync: boolean,
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const codecs = {
    deflate: (data: Buffer, done: (error: Error | null, compressed: Buffer) => void): void =>
      done(null, deflateRawSync(data)),
  };
  const encoder = new avsc.streams.BlockEncoder(schema.type, {
    codec: "deflate",
    blockSize: blockBytes,
    ...(sync ? { codecs } : {}),
  });
  const parts: Buffer[] = [];
  encoder.on("data", (part: Buffer) => parts.push(part));
  encoder.on("end", () => resolve(Buffer.concat(parts).length));
  encoder.on("error", reject);
  for (const record of records) encoder.write(record);
  encoder.end();
  return promise;
}

const RECORDS_OF_ROW = 500;

function encodeAll(schema: TableSchema, records: readonly Timed[]): string {
  return Buffer.concat(records.map((record) => schema.type.toBuffer(record))).toString("base64");
}

/** Hot rows as ingest leaves them. */
function hotRows(schema: TableSchema, records: readonly Timed[]): readonly HotRow[] {
  return Array.from({ length: Math.ceil(records.length / RECORDS_OF_ROW) }, (_, index): HotRow => {
    const part = records.slice(index * RECORDS_OF_ROW, (index + 1) * RECORDS_OF_ROW);
    return {
      id: index + 1,
      datasetId: DATASET,
      table: schema.table,
      period: PERIOD,
      fingerprint: schema.fingerprint,
      recordCount: part.length,
      data: encodeAll(schema, part),
    };
  });
}

/** What an archive run does with hot rows: every byte checked, records sorted, one file. */
async function archiveRun(schema: TableSchema, rows: readonly HotRow[], blockBytes: number): Promise<number> {
  const [group] = groupRows(rows, () => schema);
  if (group === undefined) return 0;
  const { readable } = readRows(group);
  const { bytes } = await buildFile(group, readable, { codec: "deflate", blockBytes });
  return bytes.length;
}

function workOf(order: EncodeOrder, { schema, records, rows }: Loaded): Promise<number> {
  switch (order.way) {
    case "file-writer":
      return writeFile(schema, records, order);
    case "archive-run":
      return archiveRun(schema, rows, order.blockBytes);
    case "block-encoder":
      return blockEncoder(schema, records, order.blockBytes, false);
    case "block-encoder-sync":
      return blockEncoder(schema, records, order.blockBytes, true);
  }
}

export default {
  async fetch(request): Promise<Response> {
    if (request.method === "PUT") {
      const table = new URL(request.url).pathname.slice(1);
      const records = await request.json<readonly Timed[]>();
      const schema = schemaOf(table);
      loaded.set(table, { schema, records, rows: hotRows(schema, records) });
      return new Response();
    }
    const order = await request.json<EncodeOrder>();
    const work = loaded.get(order.table);
    if (work === undefined) return new Response(`${order.table} was not loaded`, { status: 409 });
    let size = 0;
    for (let repetition = 0; repetition < order.repetitions; repetition += 1) {
      size = await workOf(order, work);
    }
    return Response.json(size);
  },
} satisfies ExportedHandler;
