/** The opaque form of a position, bound to the query that it belongs to. */
import { createHash } from "node:crypto";
import { DIGEST_LENGTH, type Position } from "./order.ts";

/** What a cursor is good for; the page size may change between pages. */
export interface CursorScope {
  readonly datasetId: string;
  readonly table: string;
  readonly from: number;
  readonly to: number;
}

const VERSION = 1;
const DIGEST = new RegExp(`^([0-9a-f]{${DIGEST_LENGTH}})?$`);

function scopeTag({ datasetId, table, from, to }: CursorScope): string {
  return createHash("sha256")
    .update(JSON.stringify([datasetId, table, from, to]))
    .digest("hex")
    .slice(0, 16);
}

/** Encodes a position for the caller to hand back. */
export function encodeCursor(scope: CursorScope, { time, digest, copies }: Position): string {
  return Buffer.from(JSON.stringify([VERSION, scopeTag(scope), time, digest, copies])).toString("base64url");
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

/** @returns the position, or `null` when the text is no cursor of this query */
export function decodeCursor(scope: CursorScope, text: string): Position | null {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
  } catch {
    return null;
  }
  if (!Array.isArray(parts) || parts.length !== 5) return null;
  const [version, tag, time, digest, copies]: readonly unknown[] = parts;
  if (version !== VERSION || tag !== scopeTag(scope)) return null;
  if (typeof time !== "number" || !Number.isSafeInteger(time) || time < scope.from || time > scope.to) {
    return null;
  }
  if (typeof digest !== "string" || !DIGEST.test(digest) || !isCount(copies)) return null;
  return { time, digest, copies };
}
