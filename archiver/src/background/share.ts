/** Which messages and runs are the canary's: pure, and the same for each of them as the share grows. */

/** Steps of a share: 0.01 %. */
const BUCKETS = 10_000;

/** FNV-1a, 32 bits (RFC 9923), over UTF-16 code units. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash;
}

/** The finalizer of MurmurHash3: FNV-1a alone leaves its high bits unmixed for short keys. */
function avalanche(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/**
 * Whether a piece of work falls into the canary's share; another rollout draws anew.
 * @param share percent, 0–100
 * @param work a message's id, or a run's time
 */
export function isCanarys(rolloutId: string, share: number, work: string): boolean {
  const bucket = Math.floor((avalanche(fnv1a(`${rolloutId}\n${work}`)) / 2 ** 32) * BUCKETS);
  return bucket < (share * BUCKETS) / 100;
}
