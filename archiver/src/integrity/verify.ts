/**
 * Holds the archive against itself, page by page. It only reads and needs no
 * lease: a file that others change meanwhile is no fault.
 */
import { PART_BYTES, storedSha256 } from "../cold/index.ts";
import type { VerifyRequest, VerifyResult } from "../contract.ts";
import { FaultList } from "../faults.ts";
import type { ArchiveBindings } from "../manifest/index.ts";
import { expiryCutoff } from "../settings.ts";
import { type IndexedFile, BlockTotals, IntegrityFaults } from "./checks.ts";
import { checkContent } from "./content.ts";
import { checkLost } from "./lost.ts";
import { ObjectChanged, ObjectReader } from "./reader.ts";
import { checkListing } from "./unindexed.ts";
import { blocksOf, fileNow, filesAfter, hotAndCold, orphanBlocks } from "./store.ts";

/** What a verification works with. */
export type VerifyBindings = Pick<ArchiveBindings, "db" | "bucket" | "registry" | "settings" | "now">;

/** What one call may take; a page has at least one file, or at least one object. */
export interface VerifyBounds {
  readonly files: number;
  /** Objects of a listing. */
  readonly objects: number;
  /** D1 queries after which no further file is begun. */
  readonly queries: number;
  /** Bytes of objects that are read. */
  readonly bytes: number;
  /** ms after which no further file is begun. */
  readonly runTime: number;
}

/** Inflating and scanning 64 MiB takes some seconds of the CPU's 30. */
export const VERIFY_BOUNDS: VerifyBounds = {
  files: 200,
  objects: 1_000,
  queries: 300,
  bytes: 64 * 1024 * 1024,
  runTime: 20_000,
};

const DAY_MS = 86_400_000;

/** Faults of one kind that one query lists. */
const LISTED = 100;

/** The query for the files, for what belongs to none, for hot messages, for a file's state, and two for a listing. */
const PAGE_QUERIES = 6;

/** The id of the last file, or after them the key of the last object. */
const CURSOR = /^(?:\d{1,15}|after:.+)$/s;
const AFTER = "after:";

/**
 * Checks the next files, and after the last of them the next objects of the bucket.
 * In memory are the page's rows, 5,000 block rows, and in a full check a range of
 * 4 MiB and a block of at most 16 MiB inflated.
 */
export async function verify(
  bindings: VerifyBindings,
  request: VerifyRequest,
  bounds: VerifyBounds = VERIFY_BOUNDS,
): Promise<VerifyResult> {
  const wrong = new FaultList();
  const { depth, cursor = "0" } = request;
  if (depth !== "index" && depth !== "full") wrong.add("/depth", "must be index or full");
  if (!CURSOR.test(cursor)) wrong.add("/cursor", "is not a cursor of this check");
  if (wrong.count > 0) return { ok: false, reason: "invalid", faults: wrong.kept, faultCount: wrong.count };

  const faults = new IntegrityFaults();
  const isListing = cursor.startsWith(AFTER);
  const { last, ...total } = isListing
    ? { ...NOTHING, last: null }
    : await checkFiles(bindings, depth, Number(cursor), bounds, faults);
  let nextCursor = last === null ? null : String(last);
  if (last === null) {
    const listed = await checkListing(
      bindings,
      isListing ? cursor.slice(AFTER.length) : "",
      bounds.objects,
      faults,
    );
    nextCursor = listed.last === null ? null : `${AFTER}${listed.last}`;
  }
  return { ok: true, ...total, faults: faults.kept, faultCount: faults.count, nextCursor };
}

const NOTHING = { files: 0, blocks: 0, records: 0, bytes: 0 };

/** @returns with the id of the last file; `null` where there is none after it */
async function checkFiles(
  bindings: VerifyBindings,
  depth: VerifyRequest["depth"],
  start: number,
  bounds: VerifyBounds,
  faults: IntegrityFaults,
): Promise<typeof NOTHING & { readonly last: number | null }> {
  const { db, now } = bindings;
  const page = await filesAfter(db, start, bounds.files);
  const total = { ...NOTHING };
  const deadline = now() + bounds.runTime;
  let queries = PAGE_QUERIES;
  let last = start;
  for (const file of page) {
    const isWithin =
      now() < deadline && queries < bounds.queries && total.bytes + costOf(file, depth) <= bounds.bytes;
    if (total.files > 0 && !isWithin) break;
    const checked = await checkFile(file, bindings, depth, () => (queries += 1));
    if (checked.faults.count > 0) {
      queries += 1;
      if (isUnchanged(file, await fileNow(db, file.id))) faults.addAll(checked.faults);
    }
    total.files += 1;
    total.blocks += file.blockCount;
    total.records += file.recordCount;
    total.bytes += costOf(file, depth);
    last = file.id;
  }
  const isEnd = last === (page.at(-1)?.id ?? start) && page.length < bounds.files;
  await checkOrphanBlocks(db, start, isEnd ? Number.MAX_SAFE_INTEGER : last, faults);
  if (start === 0) await checkHotAndCold(db, faults);
  return { ...total, last: isEnd ? null : last };
}

const costOf = ({ size }: IndexedFile, depth: VerifyRequest["depth"]): number =>
  depth === "full" ? size : 0;

const isUnchanged = (before: IndexedFile, after: IndexedFile | null): boolean =>
  after !== null && after.state === before.state && after.lastModifiedAt === before.lastModifiedAt;

async function checkFile(
  file: IndexedFile,
  bindings: VerifyBindings,
  depth: VerifyRequest["depth"],
  onQuery: () => void,
): Promise<{ readonly faults: IntegrityFaults }> {
  const faults = new IntegrityFaults();
  const { path, state, stateAt } = file;
  if (state === "lost") await checkLost(file, bindings.bucket, depth, faults);
  if ((state === "writing" || state === "deleting") && stateAt <= bindings.now() - DAY_MS) {
    faults.add("dead-row", path, `it is ${state} since ${new Date(stateAt).toISOString()}`);
  }
  if (state !== "live") return { faults };

  const totals = new BlockTotals(file, faults);
  for await (const block of blocksOf(bindings.db, file.id, onQuery)) totals.add(block);
  totals.finish();
  await checkObject(file, bindings, depth, onQuery, faults);
  return { faults };
}

async function checkObject(
  file: IndexedFile,
  { db, bucket, registry, settings, now }: VerifyBindings,
  depth: VerifyRequest["depth"],
  onQuery: () => void,
  faults: IntegrityFaults,
): Promise<void> {
  const { path, size, sha256, generation } = file;
  const object = await bucket.head(path);
  if (object === null) {
    // The bucket's own rule may have removed what has expired; it is no longer read.
    if (file.retainedFrom <= expiryCutoff(settings, now())) return;
    faults.add("object-missing", path, "no object has this key");
    return;
  }
  if (object.size !== size) {
    faults.add("object-size", path, `the object has ${object.size} bytes, the index says ${size}`);
    return;
  }
  if (depth === "index") {
    const stored = storedSha256(object);
    if (stored === null && (generation === 0 || size <= PART_BYTES)) {
      faults.add(
        "no-checksum",
        path,
        "objects of its size are stored with one, and it has none: use the full depth",
      );
    }
    if (stored === null || stored === sha256) return;
    faults.add("checksum", path, `the object was stored with SHA-256 ${stored}, the index says ${sha256}`);
    return;
  }
  try {
    const reader = new ObjectReader(bucket, object);
    await checkContent(file, { reader, blocks: blocksOf(db, file.id, onQuery), registry, faults });
  } catch (error) {
    if (!(error instanceof ObjectChanged)) throw error;
    faults.add("object-missing", path, error.message);
  }
}

async function checkOrphanBlocks(
  db: D1Database,
  after: number,
  to: number,
  faults: IntegrityFaults,
): Promise<void> {
  for (const { fileId, state, blocks } of await orphanBlocks(db, after, to, LISTED)) {
    const what = state === null ? "which is not there" : `which is ${state}`;
    faults.add("orphan-block", `file ${fileId}`, `${blocks} blocks belong to this file, ${what}`);
  }
}

async function checkHotAndCold(db: D1Database, faults: IntegrityFaults): Promise<void> {
  for (const id of await hotAndCold(db, LISTED)) {
    faults.add("hot-and-cold", `message ${id}`, "it is hot although it was archived");
  }
}
