/**
 * Erasure of a dataset. One transaction takes its hot rows, its blocks and its
 * dead letters out of what readers see, and leaves the receipt, which is also the
 * tombstone that keeps messages out that were accepted before. Then every object
 * that holds something of it is deleted, or written again without it: the other
 * datasets' blocks are copied byte for byte. Each step may die and be repeated.
 *
 * What it does not reach: D1's Time Travel (30 days) still has the hot rows and
 * dead letters, and a restore brings them and the index as it was back; repeat
 * the erasure after one. An unfinished multipart upload of a run that died is
 * removed by the bucket's own rule, after 7 days. Dead letters that cannot be read
 * name no dataset; purge them. A writer that stalls for longer than its lease may
 * leave an object without a row afterwards, which the retention removes.
 */
import { ReadError } from "../cold/index.ts";
import type { ErasureReceipt, EraseResult } from "../contract.ts";
import { meterBindings } from "../cost/index.ts";
import { FaultList } from "../faults.ts";
import { ForeignFile, ObjectChanged } from "../integrity/index.ts";
import { errorFields, log } from "../log.ts";
import { type ArchiveBindings, holdsLease, type Lease, LEASE_TTL_MS, withLease } from "../manifest/index.ts";
import { checkDatasetId } from "../names.ts";
import { OcfError } from "../ocf/index.ts";
import { LeaseLost, REWRITE_QUERIES, rewriteFile } from "./rewrite.ts";
import {
  beginErasure,
  completeErasure,
  crossOff,
  crossOffLost,
  deletingFiles,
  type ErasureSource,
  type ErasureStore,
  forgetFiles,
  hasComeSince,
  markEmpty,
  nextSource,
  readReceipts,
  renew,
  type RunningErasure,
  runningErasures,
  unreadFiles,
} from "./store.ts";
import { SWEEP_QUERIES, sweepOrphans } from "./sweep.ts";

/** What one call may take; the rest waits for the next one. */
export interface ErasureBounds {
  /** ms after which nothing further is begun. */
  readonly runTime: number;
  /** D1 queries, each statement of a batch counted. */
  readonly queries: number;
  /** Bytes read from R2. */
  readonly bytes: number;
}

/** Of a call. A file is at most some ten MiB, so the last one goes little beyond. */
export const ERASURE_BOUNDS: ErasureBounds = {
  runTime: 20_000,
  // D1 ends an invocation at its 1,001st query; a cron does other work as well.
  queries: 600,
  bytes: 256 * 1024 * 1024,
};

/** Of a cron. */
export const SCHEDULED_ERASURE_BOUNDS: ErasureBounds = { ...ERASURE_BOUNDS, runTime: 5 * 60_000 };

/** Objects that R2 deletes in one call are 1,000. */
const DELETE_OBJECTS = 500;

/** Of the most expensive step, and of the end of a call. */
const STEP_QUERIES = Math.max(REWRITE_QUERIES, SWEEP_QUERIES) + 8;

const RETRY_AFTER_SECONDS = 10;

/** Everything of one call. */
interface Run extends ArchiveBindings, ErasureStore {
  readonly lease: Lease;
  readonly mayGoOn: () => boolean;
  readonly keepLease: () => Promise<void>;
}

/** Erases a dataset, or goes on with an erasure of it that is not done when nothing of it has come since. */
export async function erase(
  bindings: ArchiveBindings,
  { datasetId }: { readonly datasetId: string },
  bounds: ErasureBounds = ERASURE_BOUNDS,
): Promise<EraseResult> {
  const faults = new FaultList();
  checkDatasetId(datasetId, faults);
  if (faults.count > 0) {
    return { ok: false, reason: "invalid", faults: faults.kept, faultCount: faults.count };
  }

  const receipt = await withRun(bindings, bounds, async (run) => {
    const erasure = await runningOrNew(run, datasetId);
    return proceed(run, erasure);
  });
  if (receipt === null) return { ok: false, reason: "archive-busy", retryAfterSeconds: RETRY_AFTER_SECONDS };
  return { ok: true, receipt };
}

/**
 * Goes on with every erasure that is not done, oldest first.
 * @returns how many are still running
 */
export async function continueErasures(
  bindings: ArchiveBindings,
  bounds: ErasureBounds = SCHEDULED_ERASURE_BOUNDS,
): Promise<number> {
  const running = await runningErasures(bindings.db);
  if (running.length === 0) return 0;
  const left = await withRun(bindings, bounds, async (run) => {
    let unfinished = 0;
    for (const erasure of await runningErasures(run.db)) {
      const receipt = run.mayGoOn() ? await proceed(run, erasure) : null;
      if (receipt?.state !== "done") unfinished += 1;
    }
    return unfinished;
  });
  return left ?? running.length;
}

/** Newest first, at most 100. */
export function listErasures(db: D1Database): Promise<readonly ErasureReceipt[]> {
  return readReceipts(db);
}

async function withRun<T>(
  bindings: ArchiveBindings,
  bounds: ErasureBounds,
  work: (run: Run) => Promise<T>,
): Promise<T | null> {
  const { meter, metered } = meterBindings(bindings);
  const { now } = bindings;
  const deadline = now() + bounds.runTime;
  const mayGoOn = (): boolean =>
    now() < deadline &&
    meter.spent.d1Queries + STEP_QUERIES <= bounds.queries &&
    meter.spent.r2BytesRead < bounds.bytes;

  const result = await withLease(metered, (lease) => {
    let renewAt = now() + LEASE_TTL_MS / 3;
    const keepLease = async (): Promise<void> => {
      if (now() < renewAt) return;
      renewAt = now() + LEASE_TTL_MS / 3;
      await renew({ db: metered.db, lease, now });
    };
    return work({ ...metered, lease, mayGoOn, keepLease });
  });
  if (result !== null) log.info("erasure.run", { ...meter.spent, holder: bindings.holder });
  return result;
}

/** What readers find although an erasure is running was accepted since: it takes another one. */
async function runningOrNew(run: Run, datasetId: string): Promise<RunningErasure> {
  const running = (await runningErasures(run.db, datasetId)).at(-1);
  if (running !== undefined && !(await hasComeSince(run.db, running))) return running;
  return beginErasure(run, run.randomId(), datasetId);
}

/** Does what is left of an erasure, as far as the bounds allow. */
async function proceed(run: Run, erasure: RunningErasure): Promise<ErasureReceipt> {
  try {
    const isDone =
      (await deleteUnread(run, erasure)) &&
      (await rewriteAll(run, erasure)) &&
      (await deleteReplaced(run)) &&
      (await sweepOrphans(run, erasure));
    if (isDone) await completeErasure(run, erasure);
  } catch (error) {
    // Where the lease cannot be looked up either, the error itself says more.
    if (!(error instanceof LeaseLost) && (await holdsLease(run.db, run.lease).catch(() => true))) throw error;
    log.warn("erasure.lease_lost", { erasure: erasure.id, ...errorFields(error) });
  }
  const [receipt] = await readReceipts(run.db, erasure.id);
  if (receipt === undefined) throw new Error(`the receipt of erasure ${erasure.id} is gone`);
  return receipt;
}

/** @returns `false` when a bound was met */
async function deleteUnread(run: Run, { id }: RunningErasure): Promise<boolean> {
  for (;;) {
    if (!run.mayGoOn()) return false;
    const paths = await unreadFiles(run.db, id, DELETE_OBJECTS);
    if (paths.length === 0) return true;
    await run.bucket.delete([...paths]);
    await crossOff(run, id, paths);
  }
}

/** Files that a rewrite has replaced, here or in a call that died. */
async function deleteReplaced(run: Run): Promise<boolean> {
  for (;;) {
    if (!run.mayGoOn()) return false;
    const paths = await deletingFiles(run.db, DELETE_OBJECTS);
    if (paths.length === 0) return true;
    await run.bucket.delete([...paths]);
    await forgetFiles(run, paths);
  }
}

/** @returns `false` when a bound was met, or a file cannot be written again because it is damaged */
async function rewriteAll(run: Run, erasure: RunningErasure): Promise<boolean> {
  let after = "";
  let isWhole = true;
  for (;;) {
    if (!run.mayGoOn()) return false;
    const source = await nextSource(run.db, erasure.id, after);
    if (source === null) return isWhole;
    isWhole = (await takeOut(run, erasure, source)) && isWhole;
    after = source.path;
  }
}

async function takeOut(run: Run, erasure: RunningErasure, source: ErasureSource): Promise<boolean> {
  try {
    if (source.blocksLeft === 0) {
      await markEmpty(run, erasure.id);
      return await deleteUnread(run, erasure);
    }
    if (await rewriteFile(run, erasure.id, source)) {
      await run.bucket.delete(source.path);
      await forgetFiles(run, [source.path]);
    } else {
      log.error("erasure.object_missing", { key: source.path, erasure: erasure.id });
      await crossOffLost(run, erasure.id, source);
    }
    return true;
  } catch (error) {
    if (!isDamage(error)) throw error;
    log.error("erasure.file_damaged", { key: source.path, erasure: erasure.id, ...errorFields(error) });
    return false;
  }
}

/** The neighbours of the dataset cannot be copied: an operator has to decide what becomes of them. */
const isDamage = (error: unknown): boolean =>
  error instanceof ReadError ||
  error instanceof OcfError ||
  error instanceof ForeignFile ||
  error instanceof ObjectChanged;
