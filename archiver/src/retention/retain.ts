/**
 * Clears away what has expired, was replaced or belongs to nothing. Every step may
 * be repeated, and is bounded; one that dies leaves the rest to the next call. A
 * file first leaves the index, in a transaction under the lease; then its object
 * is removed; then its row.
 *
 * Memory: 1,000 keys with their rows, a few hundred KB.
 */
import { forgetArchivedMessages } from "../buffer/index.ts";
import type { RetentionResult } from "../contract.ts";
import { type Meter, meterBindings, NO_SPEND } from "../cost/index.ts";
import { forgetIngestKeys } from "../ingest/index.ts";
import { errorFields, log } from "../log.ts";
import { type ArchiveBindings, Hold, type Lease, LeaseLost, withLease } from "../manifest/index.ts";
import { expiryCutoff } from "../settings.ts";
import {
  DELETE_REPLACED,
  DELETE_UNFINISHED,
  deleteFiles,
  forgetFiles,
  listDeleting,
  listExpired,
  SAY_RETENTION,
} from "./store.ts";
import { SWEEP_QUERIES, sweepPage } from "./sweep.ts";

/** What a call may take. */
export interface RetentionBounds {
  /** ms after which nothing further is begun. */
  readonly runTime: number;
  /** D1 queries, each statement of a batch counted. */
  readonly queries: number;
  /** Pages of 1,000 objects of the bucket that are held against the manifest. */
  readonly sweepPages: number;
}

export const DEFAULT_RETENTION_BOUNDS: RetentionBounds = {
  runTime: 20_000,
  queries: 300,
  sweepPages: 1,
};

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/**
 * How long an object stays that readers no longer find: a read that began before
 * has ended long ago, and so has every upload and removal that was under way.
 */
export const GRACE_MS = HOUR_MS;

/**
 * A queue keeps a message for at most 14 days. One that was stored although D1's
 * answer was lost may wait so long among the dead letters, and again when an
 * operator sends it back; after that it cannot come a second time. An idempotency
 * key is promised for as long.
 */
const MEMORY_MS = 30 * DAY_MS;

/** Ids that one statement forgets, in about a second of the database's time. */
const FORGET_LIMIT = 100_000;

/** Files that expire in one transaction, and their blocks: a few seconds of the 30 that D1 gives it. */
const EXPIRE_FILES = 500;
const EXPIRE_BLOCKS = 50_000;

/** Keys that R2 removes in one call. */
const DELETE_KEYS = 1_000;

/** Queries of any step at most, a lost lease included. */
const STEP_QUERIES = 6;

/** Queries that are kept for the end: forgetting and the lease's release. */
const END_QUERIES = 3;

type Counts = { -readonly [Name in Exclude<keyof RetentionResult, "spent" | "ran">]: number };

const nothing = (): Counts => ({
  expiredFiles: 0,
  expiredRecords: 0,
  replacedFiles: 0,
  deletedBytes: 0,
  orphans: 0,
  lostFiles: 0,
  forgotten: 0,
});

/**
 * Clears away within bounds; what is left is the next call's.
 * @throws what D1 or R2 threw; what was done before stays
 */
export async function retain(
  bindings: ArchiveBindings,
  bounds: RetentionBounds = DEFAULT_RETENTION_BOUNDS,
): Promise<RetentionResult> {
  const { holder } = bindings;
  const { meter, metered } = meterBindings(bindings);
  try {
    const counts = await withLease(metered, (lease) => new Retention(lease, metered, bounds, meter).run());
    if (counts === null) return { ran: false, ...nothing(), spent: NO_SPEND };
    log.info("retention.run", { ...counts, ...meter.spent, holder });
    return { ran: true, ...counts, spent: meter.spent };
  } catch (error) {
    log.error("retention.run_failed", { holder, ...errorFields(error) });
    throw error;
  }
}

class Retention {
  readonly #hold: Hold;
  readonly #bindings: ArchiveBindings;
  readonly #bounds: RetentionBounds;
  readonly #meter: Meter;
  readonly #deadline: number;
  readonly #counts = nothing();

  constructor(lease: Lease, bindings: ArchiveBindings, bounds: RetentionBounds, meter: Meter) {
    this.#hold = new Hold(lease, bindings.db, bindings.now);
    this.#bindings = bindings;
    this.#bounds = bounds;
    this.#meter = meter;
    this.#deadline = bindings.now() + bounds.runTime;
  }

  async run(): Promise<Counts> {
    try {
      await this.#takeFromReaders();
      await this.#expire();
      await this.#removeObjects();
      await this.#sweep();
      await this.#forget();
    } catch (error) {
      if (!(error instanceof LeaseLost)) throw error;
      log.warn("retention.lease_lost", errorFields(error));
    }
    return this.#counts;
  }

  /** Whether a step of so many queries may begin. */
  #affords(queries = STEP_QUERIES): boolean {
    const { now } = this.#bindings;
    const { d1Queries } = this.#meter.spent;
    return now() < this.#deadline && d1Queries + queries + END_QUERIES <= this.#bounds.queries;
  }

  /** Unfinished files, whose writers are dead because we hold the lease, and replaced ones whose grace is over. */
  async #takeFromReaders(): Promise<void> {
    const { db, now } = this.#bindings;
    if (!this.#affords()) return;
    const [, , replaced] = await this.#hold.batch([
      db.prepare(SAY_RETENTION),
      db.prepare(DELETE_UNFINISHED).bind(now()),
      db.prepare(DELETE_REPLACED).bind(now(), now() - GRACE_MS),
    ]);
    this.#counts.replacedFiles += replaced?.meta.changes ?? 0;
  }

  /** Expired files; readers have not used them for the grace already. */
  async #expire(): Promise<void> {
    const { db, now, settings } = this.#bindings;
    while (this.#affords()) {
      const expired = await listExpired(db, {
        cutoff: expiryCutoff(settings, now() - GRACE_MS),
        maxFiles: EXPIRE_FILES,
        maxBlocks: EXPIRE_BLOCKS,
      });
      if (expired.length === 0) return;
      await this.#hold.batch(
        deleteFiles(
          db,
          expired.map(({ id }) => id),
          now(),
        ),
      );
      this.#counts.expiredFiles += expired.length;
      this.#counts.expiredRecords += expired.reduce((sum, { records }) => sum + records, 0);
    }
  }

  async #removeObjects(): Promise<void> {
    const { db, bucket, now } = this.#bindings;
    let after = 0;
    while (this.#affords()) {
      const files = await listDeleting(db, { after, limit: DELETE_KEYS, tombstonesUntil: now() - GRACE_MS });
      const last = files.at(-1);
      if (last === undefined) return;
      // What a removal takes cannot be undone, nor can it be fenced: the lease is asked for right before.
      await this.#hold.renew();
      await bucket.delete(files.map(({ filePath }) => filePath));
      const gone = files.filter(({ isLast }) => isLast === 1);
      await this.#hold.batch([
        forgetFiles(
          db,
          gone.map(({ id }) => id),
        ),
      ]);
      this.#counts.deletedBytes += gone.reduce((sum, { size }) => sum + size, 0);
      after = last.id;
    }
  }

  async #sweep(): Promise<void> {
    for (let page = 0; page < this.#bounds.sweepPages && this.#affords(SWEEP_QUERIES); page += 1) {
      const { orphans, lostFiles, ended } = await sweepPage(this.#bindings, this.#hold);
      this.#counts.orphans += orphans;
      this.#counts.lostFiles += lostFiles;
      if (ended) break;
    }
    if (this.#counts.orphans > 0) await this.#removeObjects();
  }

  async #forget(): Promise<void> {
    const { db, now } = this.#bindings;
    const before = now() - MEMORY_MS;
    this.#counts.forgotten += await forgetArchivedMessages(db, before, FORGET_LIMIT);
    this.#counts.forgotten += await forgetIngestKeys(db, before, FORGET_LIMIT);
  }
}
