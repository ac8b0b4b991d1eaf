/**
 * The opaque form of a position: its bytes, and a signature (HMAC-SHA-256) over
 * them and the query that they belong to. What a caller made up, changed or took
 * from another query is no cursor.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { DIGEST_BYTES, type Position } from "./order.ts";

/** What a cursor is good for; page size and format may change between pages. */
export interface CursorScope {
  readonly datasetId: string;
  readonly table: string;
  readonly from: number;
  readonly to: number;
}

/** Changes with the layout and with the order of records, so that an old cursor is refused and skips nothing. */
const VERSION = 2;

/** Version, time, copies; the digest follows, then the signature. */
const TIME_AT = 1;
const COPIES_AT = 9;
const DIGEST_AT = 13;
const SIGNATURE_BYTES = 16;
const MAX_COPIES = 0xffff_ffff;
const MAX_TEXT_CHARS = 80;

/**
 * Derives a key for one purpose, so that what is signed for one is worth nothing
 * for another. A stack without a secret still pages: then a cursor is bound to
 * its query, but not secret.
 */
export function deriveKey(secret: string | undefined, purpose: string): Buffer {
  return createHmac("sha256", secret ?? "")
    .update(purpose)
    .digest();
}

function sign(key: Uint8Array, scope: CursorScope, payload: Uint8Array): Buffer {
  const { datasetId, table, from, to } = scope;
  return createHmac("sha256", key)
    .update(JSON.stringify([datasetId, table, from, to]))
    .update(payload)
    .digest()
    .subarray(0, SIGNATURE_BYTES);
}

/** Encodes a position for the caller to hand back. */
export function encodeCursor(
  key: Uint8Array,
  scope: CursorScope,
  { time, digest, copies }: Position,
): string {
  const payload = Buffer.alloc(DIGEST_AT + digest.length / 2);
  payload.writeUInt8(VERSION);
  payload.writeDoubleBE(time, TIME_AT);
  payload.writeUInt32BE(Math.min(copies, MAX_COPIES), COPIES_AT);
  payload.write(digest, DIGEST_AT, "hex");
  return Buffer.concat([payload, sign(key, scope, payload)]).toString("base64url");
}

/** @returns the position, or `null` when the text is no cursor of this query */
export function decodeCursor(key: Uint8Array, scope: CursorScope, text: string): Position | null {
  if (text.length > MAX_TEXT_CHARS) return null;
  const bytes = Buffer.from(text, "base64url");
  const digestBytes = bytes.length - DIGEST_AT - SIGNATURE_BYTES;
  // The decoder passes over what is no base64.
  if (bytes.toString("base64url") !== text || bytes[0] !== VERSION) return null;
  if (digestBytes !== 0 && digestBytes !== DIGEST_BYTES) return null;
  const payload = bytes.subarray(0, DIGEST_AT + digestBytes);
  if (!timingSafeEqual(sign(key, scope, payload), bytes.subarray(payload.length))) return null;
  const time = payload.readDoubleBE(TIME_AT);
  if (!Number.isSafeInteger(time) || time < scope.from || time > scope.to) return null;
  return { time, digest: payload.toString("hex", DIGEST_AT), copies: payload.readUInt32BE(COPIES_AT) };
}
