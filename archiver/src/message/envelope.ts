/**
 * What travels through the queue: the records of one dataset, table and period,
 * already encoded, with what the consumer needs to store them as one row.
 */
import { crc32 } from "node:zlib";
import { type AvroType, asBuffer, Type } from "../tables/index.ts";

/** One queue message. */
export interface IngestMessage {
  /** UUID; a message that arrives twice has the same one. */
  readonly id: string;
  readonly datasetId: string;
  readonly table: string;
  readonly period: string;
  /** Lower-case hex SHA-256 of the writer schema. */
  readonly fingerprint: string;
  readonly recordCount: number;
  /** Earliest event time, ms UTC. */
  readonly minTime: number;
  /** Latest event time, ms UTC. */
  readonly maxTime: number;
  /**
   * When the request was accepted, ms UTC: an erasure that was asked for then or
   * later keeps the message out. 0 in a message of envelope version 1.
   */
  readonly acceptedAt: number;
  /** The records' Avro bytes, one after another. */
  readonly payload: Uint8Array;
}

/** Bytes that are no message of ours. */
export class EnvelopeError extends Error {
  override readonly name = "EnvelopeError";
}

/** `S` for Strata; the version of the envelope follows. */
const MAGIC = 0x53;
const VERSION = 2;
const PREFIX_BYTES = 2;

const FIELDS_BEFORE_PAYLOAD = [
  { name: "id", type: "string" },
  { name: "datasetId", type: "string" },
  { name: "table", type: "string" },
  { name: "period", type: "string" },
  { name: "fingerprint", type: { type: "fixed", name: "strata.Sha256", size: 32 } },
  { name: "recordCount", type: "int" },
  { name: "minTime", type: "long" },
  { name: "maxTime", type: "long" },
  { name: "crc32", type: "long" },
] as const;

const PAYLOAD = { name: "payload", type: "bytes" } as const;

const CURRENT = Type.forSchema({
  type: "record",
  name: "strata.IngestMessage",
  fields: [...FIELDS_BEFORE_PAYLOAD, { name: "acceptedAt", type: "long" }, PAYLOAD],
});

/**
 * Messages of version 1 may wait in the queue while this version is released.
 * They were accepted before there were erasures, so every erasure comes after
 * them; taking them for newer would bring back what was erased.
 */
const VERSION_1 = Type.forSchema({
  type: "record",
  name: "strata.IngestMessage",
  fields: [...FIELDS_BEFORE_PAYLOAD, PAYLOAD],
});

const VERSIONS: ReadonlyMap<number | undefined, AvroType> = new Map([
  [1, VERSION_1],
  [VERSION, CURRENT],
]);

/** Encodes a message for the queue. */
export function encodeMessage(message: IngestMessage): Uint8Array {
  const body = CURRENT.toBuffer({
    ...message,
    fingerprint: Buffer.from(message.fingerprint, "hex"),
    crc32: crc32(message.payload),
    payload: asBuffer(message.payload),
  });
  const bytes = new Uint8Array(PREFIX_BYTES + body.length);
  bytes.set([MAGIC, VERSION]);
  bytes.set(body, PREFIX_BYTES);
  return bytes;
}

/**
 * Decodes a message from the queue.
 * @throws EnvelopeError when the bytes are not a whole message, or were changed on the way
 */
export function decodeMessage(bytes: Uint8Array): IngestMessage {
  if (bytes[0] !== MAGIC) throw new EnvelopeError("the message has no Strata envelope");
  const type = VERSIONS.get(bytes[1]);
  if (type === undefined) throw new EnvelopeError(`envelope version ${bytes[1]} is not known`);
  const { crc32: expected, fingerprint, ...fields } = decodeBody(type, bytes.subarray(PREFIX_BYTES));
  const actual = crc32(fields.payload);
  if (actual !== expected) {
    throw new EnvelopeError(`payload checksum is ${actual}, the envelope says ${expected}`);
  }
  return { ...fields, acceptedAt: fields.acceptedAt ?? 0, fingerprint: fingerprint.toString("hex") };
}

interface EnvelopeBody extends Omit<IngestMessage, "fingerprint" | "acceptedAt"> {
  readonly fingerprint: Buffer;
  readonly crc32: number;
  readonly acceptedAt?: number;
}

function decodeBody(type: AvroType, body: Uint8Array): EnvelopeBody {
  try {
    return { ...type.fromBuffer(asBuffer(body)) };
  } catch (cause) {
    throw new EnvelopeError("the envelope is cut off or garbled", { cause });
  }
}
