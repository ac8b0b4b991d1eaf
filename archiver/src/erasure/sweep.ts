/** Looks for the dataset in objects that no manifest row names. */
import type { RowRange } from "../cold/index.ts";
import { errorFields, log } from "../log.ts";
import { type FileLabels, ForeignFile, ObjectReader, parseLabels, readHeader } from "../integrity/index.ts";
import { OcfError } from "../ocf/index.ts";
import { type ErasureStore, findOrphans, rememberSearch, type RunningErasure, searchedTo } from "./store.ts";

/** Objects of one listing. */
const PAGE_OBJECTS = 1_000;

/** Queries of one page. */
export const SWEEP_QUERIES = 6;

/** The bucket holds records that the index has never heard of. */
export class IndexBehind extends Error {
  override readonly name = "IndexBehind";
}

/** What a sweep works with. */
export interface SweepBindings extends ErasureStore {
  readonly bucket: R2Bucket;
  /** Whether another page, or another object, may be begun. */
  readonly mayGoOn: () => boolean;
}

/**
 * Deletes the objects that no row names and whose header names the dataset, and no
 * row from after the erasure: what a run has left behind that died or stalled. They
 * cannot be committed any more. Objects of others are not touched.
 * @returns `false` when a bound was met; the next call goes on from there
 * @throws IndexBehind when the index was lost: then such an object may be the only copy of its neighbours' records
 */
export async function sweepOrphans(bindings: SweepBindings, erasure: RunningErasure): Promise<boolean> {
  const { db, bucket, mayGoOn } = bindings;
  let after = await searchedTo(db, erasure.id);
  while (after !== null) {
    if (!mayGoOn()) return false;
    const page = await bucket.list({ limit: PAGE_OBJECTS, ...(after === "" ? {} : { startAfter: after }) });
    const { orphans, given } = await findOrphans(
      db,
      page.objects.map(({ key }) => key),
    );
    for (const object of page.objects.filter(({ key }) => orphans.has(key))) {
      if (!mayGoOn()) return false;
      if (await holdsErased(bucket, object, erasure, given)) {
        await bucket.delete(object.key);
        log.info("erasure.orphan_deleted", { key: object.key, erasure: erasure.id });
      }
      after = object.key;
    }
    after = page.truncated ? (page.objects.at(-1)?.key ?? null) : null;
    await rememberSearch(bindings, erasure.id, after);
  }
  return true;
}

async function holdsErased(
  bucket: R2Bucket,
  object: R2Object,
  { datasetId, lastRow }: RunningErasure,
  [firstGiven, lastGiven]: RowRange,
): Promise<boolean> {
  const labels = await labelsOf(bucket, object);
  if (labels?.datasets.some(([name]) => name === datasetId) !== true) return false;
  const [first] = labels.rows[0] ?? [firstGiven];
  const [, last] = labels.rows.at(-1) ?? [0, lastGiven];
  if (first < firstGiven || last > lastGiven) {
    throw new IndexBehind(`${object.key} holds rows that the index has never had: rebuild the index first`);
  }
  return last <= lastRow;
}

async function labelsOf(bucket: R2Bucket, object: R2Object): Promise<FileLabels | null> {
  try {
    return parseLabels(await readHeader(new ObjectReader(bucket, object, HEADER_RANGE_BYTES)));
  } catch (error) {
    if (!(error instanceof ForeignFile || error instanceof OcfError)) throw error;
    log.warn("erasure.foreign_object", { key: object.key, ...errorFields(error) });
    return null;
  }
}

/** Most headers are smaller. */
const HEADER_RANGE_BYTES = 64 * 1024;
