/** Idempotency keys: what a request asked for, and what it was answered. */
import { createHash, type Hash } from "node:crypto";
import type { IngestContainer, Ingested, IngestRequest } from "../contract.ts";

/** A client's key, bound to its dataset and table, and the request that came with it. */
export interface IngestKey {
  /** Lower-case hex SHA-256. */
  readonly keyHash: string;
  readonly requestHash: string;
}

/** What a key is remembered with. */
export interface KnownKey {
  readonly requestHash: string;
  readonly answer: Pick<Ingested, "accepted" | "messages" | "bytes">;
}

export const isContainer = (request: IngestRequest): request is IngestContainer =>
  "container" in request && request.container !== undefined;

const sha256 = (): Hash => createHash("sha256");

/**
 * The hashes of a key and its request. The request's is taken of what was sent,
 * before any schema is applied: a newer version of the table leaves it as it is.
 * @throws TypeError or RangeError when a record is no JSON value, or is nested beyond every bound
 */
export function ingestKey(request: IngestRequest, idempotencyKey: string): IngestKey {
  const { datasetId, table, periodTag } = request;
  const content = sha256().update(JSON.stringify([datasetId, table, periodTag ?? null]));
  if (isContainer(request)) {
    content.update("\ncontainer\n").update(request.container);
  } else {
    content.update("\nrecords\n");
    for (const record of request.records) content.update(`${JSON.stringify(record)}\n`);
  }
  return {
    keyHash: sha256()
      .update(JSON.stringify([datasetId, table, idempotencyKey]))
      .digest("hex"),
    requestHash: content.digest("hex"),
  };
}

interface KeyRow {
  readonly requestHash: string;
  readonly accepted: number;
  readonly messages: number;
  readonly bytes: number;
}

/** What was answered under a key, if it is known. @throws when D1 fails */
export async function findKey(db: D1Database, { keyHash }: IngestKey): Promise<KnownKey | null> {
  const row = await db
    .prepare(
      `SELECT request_hash AS requestHash, accepted, messages, bytes FROM ingest_keys WHERE key_hash = ?1`,
    )
    .bind(keyHash)
    .first<KeyRow>();
  if (row === null) return null;
  const { requestHash, ...answer } = row;
  return { requestHash, answer };
}

/**
 * Remembers the answer to a request that was accepted whole. Of two requests
 * that came at once the first one's answer stays.
 * @param now ms UTC
 */
export async function rememberKey(
  db: D1Database,
  { keyHash, requestHash }: IngestKey,
  { accepted, messages, bytes }: KnownKey["answer"],
  now: number,
): Promise<void> {
  await db
    .prepare(
      `INSERT INTO ingest_keys (key_hash, request_hash, accepted, messages, bytes, created_at)
       VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (key_hash) DO NOTHING`,
    )
    .bind(keyHash, requestHash, accepted, messages, bytes, now)
    .run();
}

/**
 * Forgets keys that are older than a client may count on, at most `limit` of them.
 * @param before ms UTC
 * @returns how many
 */
export async function forgetIngestKeys(db: D1Database, before: number, limit: number): Promise<number> {
  const { meta } = await db
    .prepare(
      `DELETE FROM ingest_keys WHERE key_hash IN
         (SELECT key_hash FROM ingest_keys WHERE created_at < ?1 ORDER BY created_at LIMIT ?2)`,
    )
    .bind(before, limit)
    .run();
  return meta.changes;
}
