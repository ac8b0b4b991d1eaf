/** Keeps a lease during work that takes longer than it lasts. */
import { type Lease, LEASE_TTL_MS, holdsLease, renewLease } from "./lease.ts";
import { guardLease } from "./store.ts";

/** Another has taken the lease: whatever was prepared under it must not be finished. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";

  constructor(lease: Lease, options?: ErrorOptions) {
    super(`the lease ${lease.name} of fence ${lease.fence} is lost`, options);
  }
}

/** Renewed when a quarter of it has passed, so that three renewals may fail. */
const RENEW_AFTER_MS = LEASE_TTL_MS / 4;

export class Hold {
  readonly lease: Lease;
  readonly #db: D1Database;
  readonly #now: () => number;
  #renewedAt: number;

  /** @param now ms UTC */
  constructor(lease: Lease, db: D1Database, now: () => number) {
    this.lease = lease;
    this.#db = db;
    this.#now = now;
    this.#renewedAt = now();
  }

  /** Renews the lease when it is time. @throws LeaseLost */
  async keep(): Promise<void> {
    if (this.#now() - this.#renewedAt >= RENEW_AFTER_MS) await this.renew();
  }

  /** @throws LeaseLost */
  async renew(): Promise<void> {
    const now = this.#now();
    const { meta } = await renewLease(this.#db, this.lease, now + LEASE_TTL_MS).run();
    if (meta.changes === 0) throw new LeaseLost(this.lease);
    this.#renewedAt = now;
  }

  /**
   * Runs statements in one transaction that also checks and renews the lease.
   * @throws LeaseLost, or D1's error
   */
  async batch(statements: readonly D1PreparedStatement[]): Promise<readonly D1Result[]> {
    const now = this.#now();
    const held = guardLease(this.#db, this.lease, now);
    const [, ...results] = await this.guarded(() => this.#db.batch([held, ...statements]));
    this.#renewedAt = now;
    return results;
  }

  /** Does something that fails when the lease is lost, and says so. @throws LeaseLost, or its error */
  async guarded<T>(change: () => Promise<T>): Promise<T> {
    try {
      return await change();
    } catch (error) {
      // Where the lease cannot be looked up either, the first error says more.
      if (await holdsLease(this.#db, this.lease).catch(() => true)) throw error;
      throw new LeaseLost(this.lease, { cause: error });
    }
  }
}
