/**
 * A fenced lease in D1. The expiry only says when another may take over; what
 * makes a paused holder harmless is the fence, which grows with every grant and
 * which every commit checks in its own transaction.
 */

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

/** Whether no one else has taken the lease since it was granted. */
export async function holdsLease(db: D1Database, lease: Lease): Promise<boolean> {
  const row = await db
    .prepare("SELECT 1 AS held FROM leases WHERE name = ?1 AND fence = ?2")
    .bind(lease.name, lease.fence)
    .first();
  return row !== null;
}
