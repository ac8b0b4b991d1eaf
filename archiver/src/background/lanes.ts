/** What both routes of background work share: the order in force, and the counts of what was done. */
import type { BackgroundApi } from "./contract.ts";
import { errorFields, log } from "../log.ts";
import { countsOf, type Outcome } from "./counts.ts";
import { addCounts, noteHandover, type OpenOrder, readOpenOrder, type Route } from "./store.ts";

export interface LaneBindings {
  readonly db: D1Database;
  /** ms UTC. */
  readonly now: () => number;
  readonly randomId: () => string;
  /** Absent on an archiver that has none: it does everything itself. */
  readonly canary: BackgroundApi | undefined;
}

/** Lane bindings of an archiver that has a canary. */
export interface OpenLane extends LaneBindings {
  readonly canary: BackgroundApi;
  readonly order: OpenOrder;
}

/** The open lane; `null` when the canary has no share, or nobody can say. */
export async function openLane<T extends LaneBindings>(bindings: T): Promise<(T & OpenLane) | null> {
  const { canary, db, now } = bindings;
  if (canary === undefined) return null;
  try {
    const order = await readOpenOrder(db, now());
    return order === null ? null : { ...bindings, canary, order };
  } catch (error) {
    log.warn("background.order_unknown", errorFields(error));
    return null;
  }
}

/** Counts what was done; a count that is lost must not fail the work. */
export async function count(
  { db, order }: OpenLane,
  outcome: Outcome,
  handover: string | null = null,
): Promise<void> {
  try {
    await addCounts(db, order, countsOf(outcome), handover);
  } catch (error) {
    log.warn("background.not_counted", { lane: outcome.lane, route: outcome.route, ...errorFields(error) });
  }
}

/**
 * Notes work before the canary gets it.
 * @param lifeMs after so many ms whoever has not counted it has died over it
 * @returns its id; `null` when it could not be noted, and so must not be handed over
 */
export async function handOver(
  { db, now, randomId, order }: OpenLane,
  route: Route,
  requests: number,
  lifeMs: number,
): Promise<string | null> {
  const id = randomId();
  try {
    await noteHandover(db, { id, ...order, route, requests, dueAt: now() + lifeMs });
    return id;
  } catch (error) {
    log.warn("background.not_handed_over", { route, ...errorFields(error) });
    return null;
  }
}
