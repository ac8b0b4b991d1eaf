/** Cuts a request's encoded records into queue messages, and these into slices. Pure. */
import { createHash } from "node:crypto";
import { type IngestMessage, MAX_BATCH_BYTES, MAX_BATCH_MESSAGES } from "../message/index.ts";
import type { TableSchema } from "../tables/index.ts";
import { MAX_ENVELOPE_BYTES, MAX_PAYLOAD_BYTES, MAX_SLICES } from "./limits.ts";

/** One record's Avro bytes and its event time in ms UTC. */
export interface EncodedRecord {
  readonly time: number;
  /** Good until the next record is asked for. `null` when it is larger than a message. */
  readonly bytes: Uint8Array | null;
}

export interface PackRequest {
  readonly datasetId: string;
  readonly schema: Pick<TableSchema, "table" | "fingerprint">;
  /** Makes the messages' ids: the same key and records give the same ids. */
  readonly key: string;
  /** ms UTC. */
  readonly acceptedAt: number;
  readonly records: Iterable<EncodedRecord>;
  readonly periodOf: (time: number) => string;
}

/** Consecutive records of a request that fit one batch of the queue. */
export interface Slice {
  readonly messages: readonly IngestMessage[];
  readonly records: number;
}

export interface Packed {
  readonly slices: readonly Slice[];
  /** Bytes of all records. */
  readonly bytes: number;
  /** Records that are larger than a message, by index. */
  readonly oversized: readonly number[];
  /** How many of the first records fit `MAX_SLICES`; `null` when all do. */
  readonly fitting: number | null;
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

  add(record: Uint8Array, time: number): void {
    if (this.#length + record.length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#length + record.length));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    this.#bytes.set(record, this.#length);
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
      acceptedAt: request.acceptedAt,
      payload,
    };
  }
}

/** A batch of the queue that is being filled. */
class SliceDraft {
  readonly drafts: Draft[] = [];
  readonly #open = new Map<string, Draft>();
  #bytes = 0;
  #records = 0;

  get records(): number {
    return this.#records;
  }

  /** @returns `false` when the batch has no room for the record */
  add(record: Uint8Array, time: number, period: string): boolean {
    const open = this.#open.get(period);
    const draft = open?.fits(record.length) === true ? open : undefined;
    const bytes = this.#bytes + record.length + (draft === undefined ? MAX_ENVELOPE_BYTES : 0);
    if (bytes > MAX_BATCH_BYTES) return false;
    if (draft === undefined && this.drafts.length === MAX_BATCH_MESSAGES) return false;
    (draft ?? this.#begin(period)).add(record, time);
    this.#bytes = bytes;
    this.#records += 1;
    return true;
  }

  #begin(period: string): Draft {
    const draft = new Draft(period);
    this.#open.set(period, draft);
    this.drafts.push(draft);
    return draft;
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
 * Cuts records, in their order, into slices of one batch each; within a slice
 * they are grouped by period into messages of at most `MAX_PAYLOAD_BYTES`.
 */
export function pack(request: PackRequest): Packed {
  const slices = [new SliceDraft()];
  const oversized: number[] = [];
  let fitting: number | null = null;
  let bytes = 0;
  let index = -1;

  for (const record of request.records) {
    index += 1;
    if (record.bytes === null) {
      oversized.push(index);
      continue;
    }
    const period = request.periodOf(record.time);
    if (slices.at(-1)?.add(record.bytes, record.time, period) !== true) {
      if (slices.length === MAX_SLICES) {
        fitting = index;
        break;
      }
      const next = new SliceDraft();
      next.add(record.bytes, record.time, period);
      slices.push(next);
    }
    bytes += record.bytes.length;
  }
  return { slices: seal(slices, request), bytes, oversized, fitting };
}

function seal(slices: readonly SliceDraft[], request: PackRequest): readonly Slice[] {
  let next = 0;
  return slices.map(({ drafts, records }) => {
    const messages = drafts.map((draft, index) => draft.seal(request, next + index));
    next += drafts.length;
    return { messages, records };
  });
}
