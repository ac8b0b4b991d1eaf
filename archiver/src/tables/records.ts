/** Records as bytes: where each begins and ends, its time, and its value. */
import { type Cursor, type PlainRecord, RecordError, type TableSchema } from "../avro/index.ts";

/** Records that lie one after another in `bytes`. */
export interface RecordRun {
  readonly schema: TableSchema;
  readonly bytes: Buffer;
  /** Where each record begins, and at last where the run ends. */
  readonly offsets: readonly number[];
  /** Event time of each record, ms UTC. */
  readonly times: readonly number[];
}

/** Views bytes as the `Buffer` that avsc wants, without a copy and with their own offset. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Finds the records of a run and checks every byte of them, without decoding
 * more than their times. It is safe with bytes from anywhere.
 * @throws RecordError when the bytes do not hold exactly `count` records of the schema
 */
export function scanRecords(schema: TableSchema, bytes: Uint8Array, count: number): RecordRun {
  const buffer = asBuffer(bytes);
  const cursor = { bytes: buffer, at: 0 };
  const offsets = [0];
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    times.push(passRecord(schema, cursor, index));
    offsets.push(cursor.at);
  }
  if (cursor.at !== buffer.length) {
    throw new RecordError(`${buffer.length - cursor.at} bytes follow the last of ${count} records`);
  }
  return { schema, bytes: buffer, offsets, times };
}

function passRecord(schema: TableSchema, cursor: Cursor, index: number): number {
  try {
    return schema.pass(cursor);
  } catch (cause) {
    if (!(cause instanceof RecordError)) throw cause;
    const message = `record ${index} does not fit schema ${schema.fingerprint}: ${cause.message}`;
    throw new RecordError(message, { cause });
  }
}

/** The encoded bytes of one record of a run. */
export function recordBytes(run: RecordRun, index: number): Buffer {
  return run.bytes.subarray(run.offsets[index], run.offsets[index + 1]);
}

/**
 * Decodes one record of a run into plain objects, in the newest schema of its table.
 * @throws RecordError
 */
export function decodeRecord(schema: TableSchema, bytes: Buffer): PlainRecord {
  return schema.decode(bytes);
}
