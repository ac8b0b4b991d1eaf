/** Writes a file again without the blocks that the index no longer has. */
import { FileWriter, ObjectWriter, streamBlocks, type WrittenFile } from "../cold/index.ts";
import { ObjectReader, parseLabels, readHeader } from "../integrity/index.ts";
import {
  announceFile,
  type ArchiveBindings,
  commitChange,
  type Lease,
  LEASE_TTL_MS,
} from "../manifest/index.ts";
import { blocksOf, countRewritten, type ErasureSource, type IndexedBlock, keepLost } from "./store.ts";

/** What a rewrite works with. */
export interface RewriteBindings extends ArchiveBindings {
  readonly lease: Lease;
  /** Prolongs the lease when it is time. @throws D1's error when it is lost */
  readonly keepLease: () => Promise<void>;
}

/** Queries of a rewrite at most, its lease's renewals included. */
export const REWRITE_QUERIES = 24;

/** Of the source in memory, beside two parts of the upload: about 16 MiB in all. */
const RANGE_BYTES = 4 * 1024 * 1024;

/** The lease was lost before anything was written. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
}

/**
 * Copies the blocks that are left byte for byte, under the same sync marker,
 * into a new file that takes the old one's place.
 * @returns `false` when the object is gone
 * @throws OcfError or ReadError when the file is damaged, LeaseLost
 */
export async function rewriteFile(
  bindings: RewriteBindings,
  erasureId: string,
  source: ErasureSource,
): Promise<boolean> {
  const { db, bucket, lease, now } = bindings;
  const object = await bucket.head(source.path);
  if (object === null) return false;
  const header = await readHeader(new ObjectReader(bucket, object));
  const labels = parseLabels(header);
  const { table, period, fingerprint, level, rows } = labels;
  const blocks = await blocksOf(db, source.id);

  const key = `${table}/${period}/l${level}-${bindings.randomId()}.avro`;
  if (!(await announceFile(db, { lease, now: now(), key, table, period, fingerprint }))) {
    throw new LeaseLost(`${key} cannot be announced: another works on the archive`);
  }
  const upload = new ObjectWriter(bucket, key, { table, period, fingerprint });
  const draft = {
    schema: { table, fingerprint, json: header.schema },
    period,
    level,
    generation: labels.generation + 1,
    rows,
    datasets: datasetsOf(blocks),
    retainedFrom: source.retainedFrom,
    codec: header.codec,
  };
  const file = await copyBlocks(
    bindings,
    new FileWriter(draft, upload, header.sync),
    upload,
    blocks,
    header.sync,
  );
  await commitChange(db, {
    lease,
    now: now(),
    leaseExpiresAt: now() + LEASE_TTL_MS,
    files: [{ key, file, retainedFrom: source.retainedFrom }],
    hotRowIds: [],
    replaced: [source.id],
    replacedState: "deleting",
    also: [
      ...countRewritten(db, erasureId, source, file.size),
      ...(source.state === "lost" ? [keepLost(db, key, source)] : []),
    ],
  });
  return true;
}

async function copyBlocks(
  { bucket, keepLease }: RewriteBindings,
  writer: FileWriter,
  upload: ObjectWriter,
  blocks: readonly IndexedBlock[],
  sync: Uint8Array,
): Promise<WrittenFile> {
  try {
    for await (const { block, bytes } of streamBlocks(bucket, blocks, RANGE_BYTES)) {
      await keepLease();
      await writer.copy(block, bytes, sync);
    }
    const file = await writer.finish();
    await upload.finish(file.sha256);
    return file;
  } catch (error) {
    // What was uploaded is unseen; R2 forgets an unfinished upload by itself.
    await upload.abort().catch(() => undefined);
    throw error;
  }
}

/** Records of each dataset, in the order of the blocks. */
function datasetsOf(blocks: readonly IndexedBlock[]): readonly (readonly [string, number])[] {
  const datasets: [string, number][] = [];
  for (const { datasetId, recordCount } of blocks) {
    const last = datasets.at(-1);
    if (last?.[0] === datasetId) last[1] += recordCount;
    else datasets.push([datasetId, recordCount]);
  }
  return datasets;
}
