/** How much of a snapshot a page can be made of, known before any of it is fetched. */
import type { Snapshot, SnapshotRequest } from "./store.ts";

/**
 * Leaves out what begins after the page is surely full: by then, the records of
 * the sources that lie wholly in the range are more than the limit. The page is a
 * function of what is left.
 */
export function neededOf(
  snapshot: Snapshot,
  { to, wholeFrom, limit }: Pick<SnapshotRequest, "to" | "wholeFrom" | "limit">,
): Snapshot {
  const { hot, cold, completeBefore } = snapshot;
  const whole = [...hot, ...cold.filter(({ state }) => state === "live")]
    .filter(({ minTime, maxTime }) => minTime >= wholeFrom && maxTime < to)
    .sort((a, b) => a.maxTime - b.maxTime);
  let records = 0;
  const last = whole.find(({ recordCount }) => {
    records += recordCount;
    return records > limit;
  });
  if (last === undefined) return snapshot;
  const isNeeded = ({ minTime }: { readonly minTime: number }): boolean => minTime <= last.maxTime;
  return {
    hot: hot.filter(isNeeded),
    cold: cold.filter(isNeeded),
    completeBefore: Math.min(completeBefore, last.maxTime + 1),
  };
}
