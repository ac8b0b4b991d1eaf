/**
 * Who met it. Requests of one client are no independent trials: its poisonous payload, its
 * expired key or its large tables are on whichever lane it is. So what no other lane has
 * refuted speaks against the canary only when several groups of clients met it.
 */
import type { ClientGroups } from "../contract.ts";

/** So many groups are enough, however many there are. */
const ENOUGH = 3;

/** Whoever is in either bitmap, as an unsigned 32-bit integer. */
export function addGroups(a: number, b: number): number {
  return (a | b) >>> 0;
}

/** How many groups a bitmap names. */
export function groupCount(bitmap: number): number {
  let count = 0;
  for (let left = bitmap >>> 0; left !== 0; left = (left & (left - 1)) >>> 0) count += 1;
  return count;
}

/** Whether `concerned` are enough of those that were `seen`: half of them, at most `ENOUGH`. */
export function areSeveral(concerned: number, seen: number): boolean {
  return groupCount(concerned) >= Math.min(ENOUGH, Math.ceil(groupCount(seen) / 2));
}

/** Whether several met a failure on the canary that nothing has refuted; where nobody is known, yes. */
export function severalFailed(canary: ClientGroups | null): boolean {
  return canary === null || areSeveral(canary.failed, canary.seen);
}

/**
 * Whether values of the canary are those of several clients: of `ENOUGH` groups, or of all
 * that there are. Everyone has queries of their own size, so half of them is not enough.
 */
export function severalMeasured(canary: ClientGroups | null, stable: ClientGroups | null): boolean {
  if (canary === null) return true;
  const all = groupCount(addGroups(canary.seen, stable?.seen ?? 0));
  return groupCount(canary.seen) >= Math.min(ENOUGH, all);
}

const GROUPS = ["no group", "one group", "two groups"] as const;

/** `one group of clients`, `4 groups of clients`. */
export function groupsText(bitmap: number): string {
  const count = groupCount(bitmap);
  return `${GROUPS[count] ?? `${count} groups`} of clients`;
}
