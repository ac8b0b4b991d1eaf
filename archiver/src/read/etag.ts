/**
 * The entity tag of a page, known before anything is fetched from R2. It covers
 * whatever the answer's bytes are a function of, so that two answers that differ
 * never share one.
 */
import { createHmac, createHash } from "node:crypto";
import { deflateRawSync } from "node:zlib";
import type { ReadFormat } from "../contract.ts";
import { SYNC_BYTES } from "../ocf/index.ts";
import type { Snapshot } from "./store.ts";

/** To be raised with every change of how a page is chosen or encoded. */
const ENCODING = 1;

const SAMPLE = Buffer.from(Array.from({ length: 4_096 }, (_, n) => (n * n * 31) >>> 7));

let compressor: string | undefined;

/** Two versions of zlib may deflate the same bytes to different ones. */
function compressorTag(): string {
  compressor ??= createHash("sha256").update(deflateRawSync(SAMPLE)).digest("hex");
  return compressor;
}

/** What a page is made from. */
export interface PageInputs {
  readonly format: ReadFormat;
  /** The schema that records are answered in, as JSON; `null` for a table without one. */
  readonly schema: string | null;
  /** Query, place and bounds of the page: plain data. */
  readonly query: unknown;
  readonly snapshot: Snapshot;
}

export interface PageTag {
  /** Strong, with its quotes. */
  readonly etag: string;
  /** Sync marker of the page as an object container file: equal pages are equal files. */
  readonly sync: Uint8Array;
}

/** @param key secret: a tag tells nothing of what other pages hold, and changes with the key that signs cursors */
export function tagPage(key: Uint8Array, { format, schema, query, snapshot }: PageInputs): PageTag {
  const { hot, cold, completeBefore } = snapshot;
  const digest = createHmac("sha256", key)
    .update(JSON.stringify([ENCODING, format, format === "ocf" ? compressorTag() : "", schema, query]))
    .update(JSON.stringify([hot.map(({ id, messageId }) => [id, messageId]), String(completeBefore)]))
    .update(JSON.stringify(cold.map(({ filePath, start, state }) => [filePath, start, state])))
    .digest();
  return {
    etag: `"${digest.subarray(0, 16).toString("base64url")}"`,
    sync: digest.subarray(16, 16 + SYNC_BYTES),
  };
}

/** An entity tag (RFC 9110 section 8.8.3). */
const ENTITY_TAG = /(?:W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g;

/**
 * Whether `If-None-Match` names the tag (RFC 9110 section 13.1.2: a list that is
 * compared weakly, or `*` for whatever there is).
 */
export function namesTag(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === "*") return true;
  return [...ifNoneMatch.matchAll(ENTITY_TAG)].some(([, opaque]) => opaque === etag);
}
