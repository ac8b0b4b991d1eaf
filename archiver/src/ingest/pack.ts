/** Cuts a request's encoded records into queue messages. Pure. */
import { createHash } from "node:crypto";
import type { IngestMessage } from "../message/index.ts";
import type { TableSchema } from "../tables/index.ts";
import { MAX_PAYLOAD_BYTES } from "./limits.ts";

/** A record with its time, as `validate` has found it good. */
export interface TimedRecord {
  readonly time: number;
}

export interface PackRequest {
  readonly datasetId: string;
  readonly schema: TableSchema;
  /** Makes the messages' ids: the same key and records give the same ids. */
  readonly key: string;
  readonly records: readonly TimedRecord[];
  readonly periodOf: (record: TimedRecord) => string;
}

export interface Packed {
  readonly messages: readonly IngestMessage[];
  /** Bytes of all records. */
  readonly bytes: number;
  /** Records that are larger than a message, by index. */
  readonly oversized: readonly number[];
}

/** The records of one period that will travel together. */
class Draft {
  readonly period: string;
  #bytes = Buffer.allocUnsafe(256);
  #length = 0;
  #count = 0;
  #minTime = Number.POSITIVE_INFINITY;
  #maxTime = Number.NEGATIVE_INFINITY;

  constructor(period: string) {
    this.period = period;
  }

  fits(size: number): boolean {
    return this.#length + size <= MAX_PAYLOAD_BYTES;
  }

  add(record: Buffer, time: number): void {
    if (this.#length + record.length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#length + record.length));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    record.copy(this.#bytes, this.#length);
    this.#length += record.length;
    this.#count += 1;
    this.#minTime = Math.min(this.#minTime, time);
    this.#maxTime = Math.max(this.#maxTime, time);
  }

  seal(request: PackRequest, index: number): IngestMessage {
    const payload = this.#bytes.subarray(0, this.#length);
    return {
      id: messageId(request.key, index, payload),
      datasetId: request.datasetId,
      table: request.schema.table,
      period: this.period,
      fingerprint: request.schema.fingerprint,
      recordCount: this.#count,
      minTime: this.#minTime,
      maxTime: this.#maxTime,
      payload,
    };
  }
}

/**
 * A UUID (RFC 9562, version 8) of key, place and content: a repeated request
 * repeats its ids, and a different request under the same key does not.
 */
function messageId(key: string, index: number, payload: Uint8Array): string {
  const digest = createHash("sha256").update(`${key}\n${index}\n`).update(payload).digest();
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x80;
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80;
  const hex = digest.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    "-",
  );
}

/**
 * Encodes every record once and groups them by period into messages of at most
 * `MAX_PAYLOAD_BYTES`, in the order given.
 */
export function pack(request: PackRequest): Packed {
  const scratch = Buffer.allocUnsafe(MAX_PAYLOAD_BYTES);
  const open = new Map<string, Draft>();
  const drafts: Draft[] = [];
  const oversized: number[] = [];
  let bytes = 0;

  const draftFor = (period: string, size: number): Draft => {
    const current = open.get(period);
    if (current?.fits(size)) return current;
    const next = new Draft(period);
    open.set(period, next);
    drafts.push(next);
    return next;
  };

  for (const [index, record] of request.records.entries()) {
    const size = request.schema.type.encode(record, scratch, 0);
    if (size < 0) {
      oversized.push(index);
      continue;
    }
    draftFor(request.periodOf(record), size).add(scratch.subarray(0, size), record.time);
    bytes += size;
  }
  return { messages: drafts.map((draft, index) => draft.seal(request, index)), bytes, oversized };
}
