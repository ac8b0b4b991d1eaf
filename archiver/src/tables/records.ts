/** Records as bytes: where each begins and ends, its time, and its value. */
import type { TableSchema } from "./registry.ts";

/** Stored bytes that are not the records that their metadata promises. */
export class RecordError extends Error {
  override readonly name = "RecordError";
}

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
 * Finds the records of a run without decoding more than their times.
 * @throws RecordError when the bytes do not hold exactly `count` records
 */
export function scanRecords(schema: TableSchema, bytes: Uint8Array, count: number): RecordRun {
  const buffer = asBuffer(bytes);
  const offsets = [0];
  const times: number[] = [];
  let offset = 0;
  for (let index = 0; index < count; index += 1) {
    const { time, next } = readTime(schema, buffer, offset, index);
    if (next <= offset || next > buffer.length) {
      throw new RecordError(`record ${index} of ${count} does not end inside its ${buffer.length} bytes`);
    }
    times.push(time);
    offsets.push(next);
    offset = next;
  }
  if (offset !== buffer.length) {
    throw new RecordError(`${buffer.length - offset} bytes follow the last of ${count} records`);
  }
  return { schema, bytes: buffer, offsets, times };
}

function readTime(
  schema: TableSchema,
  buffer: Buffer,
  offset: number,
  index: number,
): ReturnType<TableSchema["timeOf"]> {
  try {
    return schema.timeOf(buffer, offset);
  } catch (cause) {
    throw new RecordError(`record ${index} does not fit schema ${schema.fingerprint}`, { cause });
  }
}

/** The encoded bytes of one record of a run. */
export function recordBytes(run: RecordRun, index: number): Buffer {
  return run.bytes.subarray(run.offsets[index], run.offsets[index + 1]);
}

/** Bytes of one record of a run, without a view of them. */
export function recordSize(run: RecordRun, index: number): number {
  return (run.offsets[index + 1] ?? 0) - (run.offsets[index] ?? 0);
}

/**
 * Decodes one record into plain objects (avsc makes class instances, which
 * Workers RPC refuses to carry).
 * @throws RecordError
 */
export function decodeRecord(schema: TableSchema, bytes: Buffer): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = schema.type.fromBuffer(bytes);
  } catch (cause) {
    throw new RecordError(`a record does not fit schema ${schema.fingerprint}`, { cause });
  }
  if (typeof value !== "object" || value === null) throw new RecordError("a record decoded to no object");
  return plainObject(value);
}

function plainObject(value: object): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) copy[key] = plain(item);
  return copy;
}

function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  return Array.isArray(value) ? value.map(plain) : plainObject(value);
}
