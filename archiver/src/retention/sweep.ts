/**
 * Holds a page of the bucket against the manifest. An object that nothing names is
 * what a run left behind that died before its commit; a file without an object is
 * one whose loss readers should be told.
 */
import { createHash } from "node:crypto";
import { log } from "../log.ts";
import type { Hold } from "../manifest/index.ts";
import { expiryCutoff, type Settings } from "../settings.ts";
import {
  changeState,
  eraseRestored,
  listReadable,
  listUnnamed,
  markOrphans,
  moveSweep,
  type ReadableFile,
  sweepPosition,
} from "./store.ts";

export interface SweepBindings {
  readonly db: D1Database;
  readonly bucket: R2Bucket;
  readonly settings: Pick<Settings, "coldExpiryDays">;
  /** ms UTC. */
  readonly now: () => number;
}

export interface Swept {
  readonly orphans: number;
  readonly lostFiles: number;
  /** Whether the page was the last one; the next one is the first again. */
  readonly ended: boolean;
}

/** D1 queries of a page: position, unnamed, files, the guard and what it guards, a lost lease. */
export const SWEEP_QUERIES = 11;

/** Objects of a listing. */
const PAGE = 1_000;

/** Longer than any run lasts: a younger object may be one that is about to be named. */
const ORPHAN_AGE_MS = 24 * 3_600_000;

/** Files of a page whose object is asked for once more; the rest of the page comes next. */
const MAX_MISSING = 200;

/** Bytes of restored objects that a page reads to see that they are the files that were lost. */
const MAX_RESTORED_BYTES = 64 * 1024 * 1024;

/** Workers keep six connections open at a time. */
const PARALLEL_READS = 6;

/**
 * Sweeps the next page. Orphans get a row that says `deleting`, so that no commit
 * can name them any more before they are removed.
 * @throws LeaseLost, or what D1 or R2 threw; nothing has changed then
 */
export async function sweepPage(bindings: SweepBindings, hold: Hold): Promise<Swept> {
  const { db, bucket, settings, now } = bindings;
  const after = await sweepPosition(db);
  const { objects, truncated } = await bucket.list({
    limit: PAGE,
    ...(after === "" ? {} : { startAfter: after }),
  });
  const end = truncated ? (objects.at(-1)?.key ?? null) : null;
  const orphans = await findOrphans(db, objects, now());

  const listed = new Map(objects.map((object) => [object.key, object]));
  const limit = objects.length + MAX_MISSING;
  const cutoff = expiryCutoff(settings, now());
  const files = await listReadable(db, { after, upTo: end, cutoff, limit });
  const absent = files.filter(({ state, filePath }) => state === "live" && !listed.has(filePath));
  const lost = await filterMissing(bucket, absent.slice(0, MAX_MISSING));
  const restored = await findRestored(bucket, files, listed);

  // Where not every file of the page was looked at, the next page begins after the last that was.
  const unseen = absent.length > MAX_MISSING ? absent[MAX_MISSING - 1] : undefined;
  const last = unseen ?? (files.length === limit ? files.at(-1) : undefined);
  const position = last?.filePath ?? end ?? "";
  const [, toLost] = await hold.batch([
    markOrphans(db, orphans, now()),
    changeState(db, { ids: idsOf(lost), from: "live", to: "lost", now: now() }),
    changeState(db, { ids: idsOf(restored), from: "lost", to: "live", now: now() }),
    ...eraseRestored(db, idsOf(restored)),
    moveSweep(db, position),
  ]);
  for (const { key, size } of orphans) log.warn("retention.orphan", { key, size });
  for (const { filePath } of lost) log.error("retention.file_lost", { file: filePath });
  for (const { filePath } of restored) log.info("retention.file_restored", { file: filePath });
  return { orphans: orphans.length, lostFiles: toLost?.meta.changes ?? 0, ended: position === "" };
}

const idsOf = (files: readonly ReadableFile[]): readonly number[] => files.map(({ id }) => id);

/**
 * Objects that nothing names and that are old. None where the index names fewer
 * objects than it does not: then it is the index that is not whole, and the
 * objects are what it can be made again from.
 */
async function findOrphans(
  db: D1Database,
  objects: readonly R2Object[],
  now: number,
): Promise<readonly R2Object[]> {
  if (objects.length === 0) return [];
  const unnamed = new Set(
    await listUnnamed(
      db,
      objects.map(({ key }) => key),
    ),
  );
  const orphans = objects.filter(
    ({ key, uploaded }) => unnamed.has(key) && uploaded.getTime() <= now - ORPHAN_AGE_MS,
  );
  const named = objects.length - unnamed.size;
  if (orphans.length <= named) return orphans;
  log.error("retention.orphans_kept", {
    unnamed: unnamed.size,
    named,
    message: "the index names fewer of the bucket's objects than it does not: make it again by a reindex",
  });
  return [];
}

async function filterMissing(
  bucket: R2Bucket,
  files: readonly ReadableFile[],
): Promise<readonly ReadableFile[]> {
  const missing: ReadableFile[] = [];
  for (let start = 0; start < files.length; start += PARALLEL_READS) {
    const wave = files.slice(start, start + PARALLEL_READS);
    const heads = await Promise.all(wave.map(({ filePath }) => bucket.head(filePath)));
    missing.push(...wave.filter((_, index) => heads[index] === null));
  }
  return missing;
}

/** Lost files whose object is there again, byte for byte. */
async function findRestored(
  bucket: R2Bucket,
  files: readonly ReadableFile[],
  listed: ReadonlyMap<string, R2Object>,
): Promise<readonly ReadableFile[]> {
  const restored: ReadableFile[] = [];
  let bytes = 0;
  for (const file of files) {
    if (file.state !== "lost" || listed.get(file.filePath)?.size !== file.size) continue;
    bytes += file.size;
    if (bytes > MAX_RESTORED_BYTES && restored.length > 0) break;
    if ((await sha256Of(bucket, file.filePath)) === file.sha256) {
      restored.push(file);
    } else {
      log.error("retention.file_not_restored", { file: file.filePath, message: "its checksum is another" });
    }
  }
  return restored;
}

/** Of an object's bytes, in hex, a chunk at a time. */
async function sha256Of(bucket: R2Bucket, key: string): Promise<string | null> {
  const object = await bucket.get(key);
  if (object === null) return null;
  const hash = createHash("sha256");
  for await (const chunk of object.body) hash.update(chunk);
  return hash.digest("hex");
}
