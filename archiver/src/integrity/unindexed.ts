/** Finds objects of the bucket that the index does not name. */
import type { IntegrityFaults } from "./checks.ts";
import { unnamedKeys } from "./store.ts";

/** A page of the bucket. */
export interface ListedPage {
  /** Where the next one begins; `null` where the bucket ends. */
  readonly last: string | null;
}

/** A run uploads right before its commit: a younger object may be one that is about to be named. */
const COMMIT_MS = 10 * 60_000;

/** `<table>/<period>/<first row>-<last row>-<fence>-<digits>.avro`, or `l<level>-<random id>.avro`. */
const ARCHIVE_KEY =
  /^[a-z][a-z0-9_]*\/[A-Za-z0-9_][A-Za-z0-9_.-]*\/(\d+-\d+-\d+-[0-9a-f]{12}|l[0-2]-[^/]+)\.avro$/;

/**
 * Holds the next objects against the index.
 * @param after the key before the page
 * @param limit objects of the page
 */
export async function checkListing(
  { db, bucket, now }: { readonly db: D1Database; readonly bucket: R2Bucket; readonly now: () => number },
  after: string,
  limit: number,
  faults: IntegrityFaults,
): Promise<ListedPage> {
  const list = (): Promise<R2Objects> =>
    bucket.list({ limit, ...(after === "" ? {} : { startAfter: after }) });
  const page = await list();
  const last = page.truncated ? (page.objects.at(-1)?.key ?? null) : null;
  const unnamed = await unnamedKeys(
    db,
    page.objects.map(({ key }) => key),
  );
  const suspects = page.objects.filter(
    ({ key, uploaded }) =>
      unnamed.has(key) && (!ARCHIVE_KEY.test(key) || uploaded.getTime() < now() - COMMIT_MS),
  );
  if (suspects.length === 0) return { last };
  // A row goes after its object: one that was removed meanwhile is in no second listing.
  const still = new Set((await list()).objects.map(({ key }) => key));
  for (const { key, uploaded } of suspects) {
    if (!still.has(key)) continue;
    if (!ARCHIVE_KEY.test(key)) faults.add("foreign-object", key, "its key is none of an archive file");
    else {
      const since = `the index does not name it, and it is there since ${uploaded.toISOString()}`;
      faults.add(
        "unindexed-object",
        key,
        `${since}: a reindex takes it up, or retention removes it in a day`,
      );
    }
  }
  return { last };
}
