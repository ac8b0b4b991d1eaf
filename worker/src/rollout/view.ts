/** What an isolate has to know to choose a lane. */
import { PHASE_SHARES, type RolloutPhase, type RolloutState, type Shares } from "./contract.ts";

export interface RolloutView {
  /** The active rollout; `null` when none is. */
  readonly id: string | null;
  readonly phase: RolloutPhase;
  readonly shares: Shares;
  /** Version id of the canary script in that rollout. */
  readonly canaryVersion: string | null;
}

/** Everything goes to the stable lane. */
export const CLOSED_VIEW: RolloutView = { id: null, phase: 0, shares: PHASE_SHARES[0], canaryVersion: null };

/** What isolates have to know of a state. */
export function viewOf({ status, id, phase, shares, release }: RolloutState): RolloutView {
  return status === "active"
    ? { id, phase, shares, canaryVersion: release?.canaryVersion ?? null }
    : CLOSED_VIEW;
}
