/** What an isolate has to know to choose a lane. */
import { NO_SHARES, type RolloutState, type RolloutStatus, type Shares } from "./contract.ts";

export interface RolloutView {
  /** The rollout whose lane is open; `null` when none is. */
  readonly id: string | null;
  readonly phase: number;
  readonly shares: Shares;
  /** Percent of the reads that the canary gets copies of, while nobody gets its answers. */
  readonly mirrorReads: number;
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
  mirrorReads: 0,
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

/** Copies are made while phase 0 waits for what they show, and not while it waits for people. */
function mirrorReads({ status, phase, phaseStartedAt, pause, plan }: RolloutState): number {
  if (phase > 0 || phaseStartedAt === null) return 0;
  return status === "preparing" || pause?.why === "inconclusive" ? (plan?.mirror?.read ?? 0) : 0;
}

/** What isolates have to know of a state. */
export function viewOf(state: RolloutState): RolloutView {
  const { status, id, phase, shares, release, plan } = state;
  if (!LANE_OPEN.has(status) || release === null || plan === null) return CLOSED_VIEW;
  return {
    id,
    phase,
    // An archiver that is no part of the release runs the same code on both its scripts: there is
    // nothing to learn from handing work over, only something to be blamed for.
    shares: release.workers.archiver.changed ? shares : { ...shares, background: 0 },
    mirrorReads: mirrorReads(state),
    canaryVersion: release.workers.hub.canaryVersion,
    fallbackReads: plan.fallbackReads,
    overdueMs: plan.overdueMs,
  };
}
