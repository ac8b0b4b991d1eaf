/** Reads a delivery: what it would store, or why it cannot be stored. Pure. */
import { decodeMessage, EnvelopeError, type IngestMessage } from "../message/index.ts";
import { isDatasetId, isPeriodTag } from "../names.ts";
import { RecordError, scanRecords, type SchemaRegistry, type TableSchema } from "../tables/index.ts";
import type { HotRow, MessageIdentity } from "./store.ts";

export type Reading =
  | { readonly kind: "row"; readonly row: HotRow }
  /** Another version of this Worker may have the schema: it is coming up, or was rolled back. */
  | { readonly kind: "unknown-schema"; readonly reason: string }
  /** It will not become readable by waiting. */
  | { readonly kind: "unreadable"; readonly reason: string };

/** The bytes of a delivery's body; `null` when it is not bytes. */
function bodyBytes(body: unknown): Uint8Array | null {
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  return body instanceof Uint8Array ? body : null;
}

/** What is not bytes is no message of ours; its text is kept, so that an operator sees what it was. */
export function bytesOrText(body: unknown): Uint8Array {
  return bodyBytes(body) ?? new TextEncoder().encode(textOf(body));
}

function textOf(body: unknown): string {
  try {
    return JSON.stringify(body) ?? String(body);
  } catch {
    return String(body);
  }
}

/** Which message a body is; `null` when it has no whole envelope. Cheap: the records are not read. */
export function identify(body: unknown): MessageIdentity | null {
  const bytes = bodyBytes(body);
  if (bytes === null) return null;
  try {
    const { id, datasetId, acceptedAt } = decodeMessage(bytes);
    return { messageId: id, datasetId, acceptedAt };
  } catch (error) {
    if (error instanceof EnvelopeError) return null;
    throw error;
  }
}

/** Reads a delivery's body. */
export function readMessage(body: unknown, registry: SchemaRegistry): Reading {
  const bytes = bodyBytes(body);
  if (bytes === null) return unreadable("the message's body is not bytes");
  try {
    return readEnvelope(decodeMessage(bytes), registry);
  } catch (error) {
    if (!(error instanceof EnvelopeError || error instanceof RecordError)) throw error;
    return unreadable(
      error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message,
    );
  }
}

const unreadable = (reason: string): Reading => ({ kind: "unreadable", reason });

function readEnvelope(message: IngestMessage, registry: SchemaRegistry): Reading {
  // A period becomes part of an object's key, so that a forged one must not get further.
  if (!(isDatasetId(message.datasetId) && isPeriodTag(message.period))) {
    return unreadable("the envelope's dataset or period is no name that ingest takes");
  }
  const schema = registry.find(message.table, message.fingerprint);
  if (schema === undefined) {
    const reason = `table ${message.table} has no schema with fingerprint ${message.fingerprint}`;
    return { kind: "unknown-schema", reason };
  }
  return readRecords(message, schema);
}

function readRecords({ id, payload, ...message }: IngestMessage, schema: TableSchema): Reading {
  const { times } = scanRecords(schema, payload, message.recordCount);
  const minTime = times.reduce((least, time) => Math.min(least, time), Number.POSITIVE_INFINITY);
  const maxTime = times.reduce((most, time) => Math.max(most, time), Number.NEGATIVE_INFINITY);
  if (times.length === 0 || minTime !== message.minTime || maxTime !== message.maxTime) {
    return unreadable("the envelope's times are not those of its records");
  }
  const data = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString("base64");
  return { kind: "row", row: { ...message, messageId: id, data, bytes: payload.byteLength } };
}
