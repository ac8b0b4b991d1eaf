/** The cold side of a page: which blocks are fetched together, and how. */
import { type BlockRange, coalesce, fetchRange } from "../cold/index.ts";
import type { StoredBlock } from "./store.ts";

/** Records of the archive deflate to a half or a third; a block is rather taken for too small than for too large. */
const ASSUMED_RATIO = 4;

/** The time of a read, ms UTC. */
export interface TimeRange {
  /** Inclusive. */
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
}

/** About how many bytes of records a block has within a range; the index knows their compressed size only. */
function estimate(
  { length, minTime, maxTime }: StoredBlock,
  { from, to }: TimeRange,
  fullBlockBytes: number,
): number {
  const bytes = Math.max(length, Math.min(fullBlockBytes, ASSUMED_RATIO * length));
  const span = maxTime - minTime + 1;
  return (bytes * (Math.min(maxTime + 1, to) - Math.max(minTime, from))) / span;
}

export interface WaveBounds {
  /** Of records, about. */
  readonly bytes: number;
  /** Range requests that the wave may take. */
  readonly ranges: number;
  /** Bytes of records that a full block has. */
  readonly fullBlockBytes: number;
}

/**
 * The next blocks to fetch: enough for `bytes` of records, and one more, so
 * that a run of neighbours is not cut in two for the sake of its last block.
 * They are in the order of their first record, and so is what is taken.
 */
export function nextWave(
  blocks: readonly StoredBlock[],
  range: TimeRange,
  { bytes, ranges, fullBlockBytes }: WaveBounds,
): readonly StoredBlock[] {
  let held = 0;
  const enough = blocks.findIndex((block) => {
    held += estimate(block, range, fullBlockBytes);
    return held >= bytes;
  });
  const wave = enough === -1 ? blocks : blocks.slice(0, enough + 2);
  return coalesce(wave).length <= ranges ? wave : wave.slice(0, ranges);
}

/** What became of one range request. */
export interface FetchedRange {
  readonly range: BlockRange<StoredBlock>;
  /** `null` when there is no such object. */
  readonly bytes: Uint8Array | null;
}

/** Workers keep six connections open at a time. */
const PARALLEL_READS = 6;

/**
 * Fetches blocks, neighbours in one request, at most `PARALLEL_READS` requests at
 * a time, which go on while the caller works at what has come.
 * @throws ReadError when an object is too short
 */
export async function* fetchRanges(
  bucket: R2Bucket,
  blocks: readonly StoredBlock[],
): AsyncGenerator<FetchedRange> {
  const requests: Promise<FetchedRange>[] = [];
  try {
    for (const range of coalesce(blocks)) {
      const request = fetchRange(bucket, range).then((bytes) => ({ range, bytes }));
      // Whoever waits for it hears of its failure; until then nobody does.
      request.catch(() => undefined);
      const oldest = requests.length + 1 === PARALLEL_READS ? requests.shift() : undefined;
      requests.push(request);
      if (oldest !== undefined) yield await oldest;
    }
    for (let next = requests.shift(); next !== undefined; next = requests.shift()) yield await next;
  } finally {
    await Promise.allSettled(requests);
  }
}
