/**
 * What travels through the queue: the records of one dataset, table and period,
 * already encoded, with what the consumer needs to store them as one row.
 */
import { crc32 } from "node:zlib";
import { asBuffer, Type } from "../tables/index.ts";

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
  /** The records' Avro bytes, one after another. */
  readonly payload: Uint8Array;
}

/** Bytes that are no message of ours. */
export class EnvelopeError extends Error {
  override readonly name = "EnvelopeError";
}

/** `S` for Strata, then the version of the envelope. */
const MAGIC = Uint8Array.of(0x53, 0x01);

const ENVELOPE = Type.forSchema({
  type: "record",
  name: "strata.IngestMessage",
  fields: [
    { name: "id", type: "string" },
    { name: "datasetId", type: "string" },
    { name: "table", type: "string" },
    { name: "period", type: "string" },
    { name: "fingerprint", type: { type: "fixed", name: "strata.Sha256", size: 32 } },
    { name: "recordCount", type: "int" },
    { name: "minTime", type: "long" },
    { name: "maxTime", type: "long" },
    { name: "crc32", type: "long" },
    { name: "payload", type: "bytes" },
  ],
});

/** Encodes a message for the queue. */
export function encodeMessage(message: IngestMessage): Uint8Array {
  const body = ENVELOPE.toBuffer({
    ...message,
    fingerprint: Buffer.from(message.fingerprint, "hex"),
    crc32: crc32(message.payload),
    payload: asBuffer(message.payload),
  });
  const bytes = new Uint8Array(MAGIC.length + body.length);
  bytes.set(MAGIC);
  bytes.set(body, MAGIC.length);
  return bytes;
}

/**
 * Decodes a message from the queue.
 * @throws EnvelopeError when the bytes are not a whole message, or were changed on the way
 */
export function decodeMessage(bytes: Uint8Array): IngestMessage {
  if (bytes[0] !== MAGIC[0]) throw new EnvelopeError("the message has no Strata envelope");
  if (bytes[1] !== MAGIC[1]) throw new EnvelopeError(`envelope version ${bytes[1]} is not known`);
  const { crc32: expected, fingerprint, ...fields } = decodeBody(bytes.subarray(MAGIC.length));
  const actual = crc32(fields.payload);
  if (actual !== expected) {
    throw new EnvelopeError(`payload checksum is ${actual}, the envelope says ${expected}`);
  }
  return { ...fields, fingerprint: fingerprint.toString("hex") };
}

interface EnvelopeBody extends Omit<IngestMessage, "fingerprint"> {
  readonly fingerprint: Buffer;
  readonly crc32: number;
}

function decodeBody(body: Uint8Array): EnvelopeBody {
  try {
    return { ...ENVELOPE.fromBuffer(asBuffer(body)) };
  } catch (cause) {
    throw new EnvelopeError("the envelope is cut off or garbled", { cause });
  }
}
