/** What an isolate has to know to choose a lane. */
import { NO_SHARES, type RolloutState, type RolloutStatus, type Shares } from "./contract.ts";

export interface RolloutView {
  /** The rollout whose lane is open; `null` when none is. */
  readonly id: string | null;
  readonly phase: number;
  readonly shares: Shares;
  /** Version id of the hub's canary script in that rollout. */
  readonly canaryVersion: string | null;
  readonly fallbackReads: boolean;
  readonly overdueMs: number;
}

/** Everything goes to the stable lane. */
export const CLOSED_VIEW: RolloutView = {
  id: null,
  phase: 0,
  shares: NO_SHARES,
  canaryVersion: null,
  fallbackReads: false,
  overdueMs: 0,
};

/** Statuses in which requests may go to the canary. */
const LANE_OPEN: ReadonlySet<RolloutStatus> = new Set([
  "preparing",
  "running",
  "paused",
  "promoting",
  "frozen",
]);

/** What isolates have to know of a state. */
export function viewOf({ status, id, phase, shares, release, plan }: RolloutState): RolloutView {
  if (!LANE_OPEN.has(status) || release === null || plan === null) return CLOSED_VIEW;
  return {
    id,
    phase,
    // An archiver that is no part of the release runs the same code on both its scripts: there is
    // nothing to learn from handing work over, only something to be blamed for.
    shares: release.workers.archiver.changed ? shares : { ...shares, background: 0 },
    canaryVersion: release.workers.hub.canaryVersion,
    fallbackReads: plan.fallbackReads,
    overdueMs: plan.overdueMs,
  };
}
