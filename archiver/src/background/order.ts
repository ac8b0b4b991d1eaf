/** The hub's orders about the background work. */
import type { BackgroundOrder, BackgroundTally } from "./contract.ts";
import type { LaneBindings } from "./lanes.ts";
import { exchangeOrder } from "./store.ts";

/** Of an archiver that is a canary itself: it has no say. */
function noSay({ rolloutId, phase, revision }: BackgroundOrder): BackgroundTally {
  return { rolloutId, phase, revision, accepted: false, series: [] };
}

/**
 * Takes an order and answers what was counted in its phase.
 * @param lane of this archiver; the canary takes no orders
 * @throws what D1 threw; the order is then not in force
 */
export async function takeOrder(
  order: BackgroundOrder,
  lane: string,
  { db, now, canary }: Pick<LaneBindings, "db" | "now" | "canary">,
): Promise<BackgroundTally> {
  if (lane === "canary") return noSay(order);
  const tally = await exchangeOrder(db, order, now());
  // Without a canary to hand work to, only an order to hand over nothing can be met.
  const canBeMet = canary !== undefined || order.rolloutId === null || order.share === 0;
  return { ...tally, accepted: tally.accepted && canBeMet };
}
