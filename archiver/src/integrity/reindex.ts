/**
 * Makes the index again from the bucket alone. Scans read every object, page by
 * page, and write down what they find; `apply` compares that with the bucket as it
 * is, under the lease, chooses the files that hold every row once, and puts them
 * in the index's place in one transaction. Either step may be repeated.
 *
 * What the bucket does not know: hot rows, dead letters, the ids of archived
 * messages (one that the queue delivers again is stored again) and erasures.
 */
import type { IntegrityFault, ReindexRequest, ReindexResult } from "../contract.ts";
import { type Meter, meterBindings } from "../cost/index.ts";
import { log } from "../log.ts";
import { type ArchiveBindings, type Lease, withLease } from "../manifest/index.ts";
import { expiryCutoff } from "../settings.ts";
import { IntegrityFaults } from "./checks.ts";
import { chooseFiles } from "./choose.ts";
import { candidatesOf, type FoundFile, foundFiles, liveNow, missingFiles } from "./found.ts";
import { compareListing, forgetFound, keepFound, LISTING_QUERIES, replaceIndex } from "./reindex-store.ts";
import { ObjectChanged } from "./reader.ts";
import { scanObject } from "./scan.ts";

/** What one call may take. A scan reads at least one object. */
export interface ReindexBounds {
  readonly objects: number;
  /** Of the objects that are read. */
  readonly bytes: number;
  /** ms after which no further object is begun. */
  readonly runTime: number;
  /** D1 queries of an apply: four for each thousand objects of the bucket. */
  readonly queries: number;
}

/** Inflating and scanning 64 MiB takes some seconds of the CPU's 30; 900 queries compare 225,000 objects. */
export const REINDEX_BOUNDS: ReindexBounds = {
  objects: 200,
  bytes: 64 * 1024 * 1024,
  runTime: 20_000,
  queries: 900,
};

/** Objects of one listing. */
const PAGE_OBJECTS = 1_000;

const RETRY_AFTER_SECONDS = 10;

type Scanned = Extract<ReindexResult, { step: "scan" }>;
type Applied = Extract<ReindexResult, { step: "apply" }>;

/** Takes one step. In memory are one object's range, block and block index; in `apply` the rows of every file. */
export async function reindex(
  bindings: ArchiveBindings,
  request: ReindexRequest,
  bounds: ReindexBounds = REINDEX_BOUNDS,
): Promise<ReindexResult> {
  if (request.step === "scan") return scan(bindings, request.cursor, bounds);
  if (request.step !== "apply") return invalid("/step", "must be scan or apply");
  const { dryRun } = request;
  const { meter, metered } = meterBindings(bindings);
  const result = await withLease(metered, (lease) => apply({ ...metered, lease, meter }, dryRun, bounds));
  return result ?? { ok: false, reason: "archive-busy", retryAfterSeconds: RETRY_AFTER_SECONDS };
}

function invalid(path: string, message: string): ReindexResult {
  return { ok: false, reason: "invalid", faults: [{ path, message }], faultCount: 1 };
}

async function scan(
  bindings: ArchiveBindings,
  cursor: string | undefined,
  bounds: ReindexBounds,
): Promise<Scanned> {
  const { db, bucket } = bindings;
  if (cursor === undefined) await forgetFound(db);
  const page = await bucket.list({
    limit: bounds.objects,
    include: ["customMetadata"],
    ...(cursor === undefined ? {} : { startAfter: cursor }),
  });
  const faults = new IntegrityFaults();
  const read = await scanAll(bindings, page.objects, bounds, faults);
  const last = page.objects[read - 1]?.key ?? null;
  const isEnd = read === page.objects.length && !page.truncated;
  return { ok: true, step: "scan", objects: read, faults: faults.kept, nextCursor: isEnd ? null : last };
}

/** Reads objects as far as the bounds allow. @returns how many */
async function scanAll(
  { db, bucket, registry, now }: ArchiveBindings,
  objects: readonly R2Object[],
  bounds: ReindexBounds,
  faults: IntegrityFaults,
): Promise<number> {
  const deadline = now() + bounds.runTime;
  let bytes = 0;
  let read = 0;
  for (const object of objects) {
    const isWithin = now() < deadline && read < bounds.objects && bytes + object.size <= bounds.bytes;
    if (read > 0 && !isWithin) return read;
    bytes += object.size;
    read += 1;
    try {
      const found = await scanObject(bucket, object, registry);
      if (!found.ok) faults.add(found.object.check, object.key, found.object.detail);
      await keepFound(db, object, found);
    } catch (error) {
      // Another works on the archive: `apply` sees what has become of the object.
      if (!(error instanceof ObjectChanged)) throw error;
    }
  }
  return read;
}

interface Apply extends ArchiveBindings {
  readonly lease: Lease;
  readonly meter: Meter;
}

async function apply(run: Apply, dryRun: boolean, bounds: ReindexBounds): Promise<ReindexResult> {
  const { db, now, settings } = run;
  const refusal = await catchUp(run, bounds);
  if (refusal !== null) return refusal;
  const found: FoundFile[] = [];
  for await (const file of foundFiles(db)) found.push(file);
  // A damaged object is part of the index only where it is so already.
  const candidates = found.filter(({ damaged, state }) => !damaged || state === "live" || state === "lost");
  const compared = await candidatesOf(db, candidates);
  const { chosen, superseded, conflicts } = chooseFiles(compared.candidates, compared.hot);
  const whole = chosen.filter(({ damaged }) => !damaged);
  const apart = conflicts.flatMap(({ candidate }) => (candidate.damaged ? [] : [candidate]));
  const cutoff = expiryCutoff(settings, now());
  const settled = new Set([...whole, ...apart, ...superseded].map(({ path }) => path));
  const missing = (await missingFiles(db, cutoff)).filter(({ path }) => !settled.has(path));
  const counts = {
    ...totalsOf(whole),
    blocks: whole.reduce((sum, { blockCount }) => sum + blockCount, 0),
    now: await liveNow(db),
    lost: totalsOf([...apart, ...missing]),
  };
  if (!dryRun) {
    await replaceIndex(run, {
      live: whole.map(({ path }) => path),
      apart: apart.map(({ path }) => path),
      superseded: superseded.map(({ path }) => path),
      lastRow: found.reduce((last, { rows }) => Math.max(last, rows.at(-1)?.[1] ?? 0), 0),
      expiryCutoff: cutoff,
    });
  }
  const result: Applied = {
    ok: true,
    step: "apply",
    applied: !dryRun,
    ...counts,
    superseded: superseded.map(({ path }) => path).sort(),
    conflicts: conflicts.map(conflictFault).sort((a, b) => (a.subject < b.subject ? -1 : 1)),
  };
  const { files, records, lost } = result;
  log.info("reindex.apply", {
    dry_run: dryRun,
    files,
    records,
    conflicts: conflicts.length,
    lost_files: lost.files,
    ...run.meter.spent,
  });
  return result;
}

function totalsOf(files: readonly { readonly recordCount: number }[]): {
  readonly files: number;
  readonly records: number;
} {
  return { files: files.length, records: files.reduce((sum, { recordCount }) => sum + recordCount, 0) };
}

function conflictFault({
  path,
  onlyHere,
}: {
  readonly path: string;
  readonly onlyHere: number;
}): IntegrityFault {
  const detail = `it holds rows of other files, and ${onlyHere} that are nowhere else: it is kept and not read`;
  return { check: "overlap", subject: path, detail };
}

/**
 * Makes what the scans have found the bucket as it is: who works on the archive
 * holds the lease, so that it stays so.
 * @returns the refusal when too much has changed
 */
async function catchUp(run: Apply, bounds: ReindexBounds): Promise<ReindexResult | null> {
  const { bucket, meter } = run;
  const unread: R2Object[] = [];
  for (let after = "", isEnd = false; !isEnd;) {
    if (meter.spent.d1Queries + LISTING_QUERIES > bounds.queries) {
      return invalid("/step", "the bucket has more objects than one call can compare");
    }
    const page = await bucket.list({
      limit: PAGE_OBJECTS,
      include: ["customMetadata"],
      ...(after === "" ? {} : { startAfter: after }),
    });
    const last = page.objects.at(-1)?.key ?? null;
    isEnd = !page.truncated || last === null;
    const unseen = await compareListing(run, page.objects, after, isEnd ? null : last);
    unread.push(...page.objects.filter(({ key }) => unseen.has(key)));
    after = last ?? after;
  }
  const read = await scanAll(run, unread, bounds, new IntegrityFaults());
  if (read === unread.length) return null;
  return invalid("/step", `${unread.length - read} objects are newer than the scan: scan again, then apply`);
}
