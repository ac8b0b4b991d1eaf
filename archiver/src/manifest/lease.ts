/**
 * A fenced lease in D1. The expiry only says when another may take over; what
 * makes a paused holder harmless is the fence, which grows with every grant and
 * which every commit checks in its own transaction.
 */
import { errorFields, log } from "../log.ts";
import type { Settings } from "../settings.ts";
import type { SchemaRegistry } from "../tables/index.ts";

export interface Lease {
  readonly name: string;
  readonly fence: number;
}

export interface LeaseRequest {
  readonly name: string;
  /** Who asks; for the operator's eyes. */
  readonly holder: string;
  /** ms UTC. */
  readonly now: number;
  /** ms. */
  readonly ttl: number;
}

/** Takes the lease, or answers `null` while another holds it. */
export async function acquireLease(db: D1Database, request: LeaseRequest): Promise<Lease | null> {
  const granted = await db
    .prepare(
      `INSERT INTO leases (name, holder, fence, expires_at) VALUES (?1, ?2, 1, ?3)
       ON CONFLICT (name) DO UPDATE SET holder = ?2, fence = fence + 1, expires_at = ?3 WHERE expires_at <= ?4
       RETURNING fence`,
    )
    .bind(request.name, request.holder, request.now + request.ttl, request.now)
    .first<{ fence: number }>();
  return granted === null ? null : { name: request.name, fence: granted.fence };
}

/** Prolongs the lease if it is still ours; to be run alone or inside a batch. */
export function renewLease(db: D1Database, lease: Lease, expiresAt: number): D1PreparedStatement {
  return db
    .prepare("UPDATE leases SET expires_at = ?1 WHERE name = ?2 AND fence = ?3")
    .bind(expiresAt, lease.name, lease.fence);
}

/** Lets the lease go if it is still ours. The row stays, because its fence must go on growing. */
export async function releaseLease(db: D1Database, lease: Lease): Promise<void> {
  await renewLease(db, lease, 0).run();
}

/**
 * Takes the lease away from a holder that is not trusted any more: its fence is
 * passed, so that nothing that it still does can be committed, and the lease is free.
 */
export async function revokeLease(db: D1Database, name: string, holder: string): Promise<void> {
  await db
    .prepare("UPDATE leases SET fence = fence + 1, expires_at = 0 WHERE name = ?1 AND holder = ?2")
    .bind(name, holder)
    .run();
}

/** Whether no one else has taken the lease since it was granted. */
export async function holdsLease(db: D1Database, lease: Lease): Promise<boolean> {
  const row = await db
    .prepare("SELECT 1 AS held FROM leases WHERE name = ?1 AND fence = ?2")
    .bind(lease.name, lease.fence)
    .first();
  return row !== null;
}

/** Who changes the archive holds it: a run, a compaction, a clearing or an erasure. */
export const ARCHIVE_LEASE = "archive";

/** Longer than the work between two commits takes; each commit renews it. */
export const LEASE_TTL_MS = 60_000;

/** What everything that changes the archive works with. */
export interface ArchiveBindings {
  readonly db: D1Database;
  readonly bucket: R2Bucket;
  readonly registry: SchemaRegistry;
  readonly settings: Settings;
  /** ms UTC. */
  readonly now: () => number;
  readonly randomId: () => string;
  /** Who works; for the operator's eyes. */
  readonly holder: string;
}

/**
 * Does something under the archive's lease, and lets it go in the end.
 * @returns `null` when another holds it
 */
export async function withLease<T>(
  bindings: Pick<ArchiveBindings, "db" | "now" | "holder">,
  work: (lease: Lease) => Promise<T>,
): Promise<T | null> {
  const { db, now, holder } = bindings;
  const lease = await acquireLease(db, { name: ARCHIVE_LEASE, holder, now: now(), ttl: LEASE_TTL_MS });
  if (lease === null) return null;
  try {
    return await work(lease);
  } finally {
    await releaseLease(db, lease).catch((error: unknown) =>
      log.warn("archive.lease_not_released", errorFields(error)),
    );
  }
}
