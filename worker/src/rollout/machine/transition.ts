/** The state's own life: what it is before any rollout, and how it moves. */
import {
  NO_SHARES,
  type GateSettings,
  type Judgement,
  type PhasePlan,
  type ReleaseIdentity,
  type RolloutPlan,
  type RolloutState,
  type RolloutStatus,
  type RolloutTransition,
  type StagePlan,
  type Streak,
} from "../contract.ts";

/** Transitions that the state carries; older ones are in the history only. */
export const KEPT_TRANSITIONS = 50;

/** The state before any rollout. */
export const IDLE_STATE: RolloutState = {
  id: null,
  status: "idle",
  phase: 0,
  shares: NO_SHARES,
  release: null,
  plan: null,
  upTo: null,
  pause: null,
  rollback: { safe: true, newerSchema: false },
  approved: [],
  agreed: [],
  judgement: null,
  streak: null,
  promoted: [],
  toReturn: [],
  backgroundConfirmed: true,
  startedAt: null,
  phaseStartedAt: null,
  updatedAt: null,
  firstErrorAt: null,
  closedAt: null,
  endedAt: null,
  reason: null,
  revision: 0,
  transitions: [],
};

/** A state with a rollout that has not ended. */
export type OpenState = RolloutState & {
  readonly id: string;
  readonly plan: RolloutPlan;
  readonly release: ReleaseIdentity;
};

const CLOSED: ReadonlySet<RolloutStatus> = new Set(["idle", "done", "rolled-back"]);

/** Whether a rollout has begun and not ended; `rolling-back` and `frozen` are open. */
export function isOpen(state: RolloutState): state is OpenState {
  return !CLOSED.has(state.status) && state.id !== null && state.plan !== null && state.release !== null;
}

/** When and on whose word a state moves. */
export interface Cause {
  /** ISO 8601. */
  readonly at: string;
  readonly by: string;
}

/** And why, in a sentence. */
export interface Because extends Cause {
  readonly reason: string;
}

/**
 * The state with `patch`, and with a transition to what it then says. Other
 * background shares have to be confirmed anew.
 */
export function move<S extends RolloutState>(
  state: S,
  patch: Partial<Omit<RolloutState, "id" | "plan" | "release">>,
  { at, reason, by }: Because,
): S {
  const next: S = { ...state, ...patch };
  const { status, phase, shares } = next;
  return {
    ...next,
    backgroundConfirmed: shares.background === state.shares.background && state.backgroundConfirmed,
    reason,
    updatedAt: at,
    revision: state.revision + 1,
    transitions: [...state.transitions, { at, status, phase, shares, reason, by }].slice(-KEPT_TRANSITIONS),
  };
}

/** The transitions that lead from one state to a later one of the same or the next rollout, with their revisions. */
export function transitionsSince(
  revision: number,
  { transitions, revision: newest }: RolloutState,
): readonly (RolloutTransition & { readonly revision: number })[] {
  const oldest = newest - transitions.length + 1;
  return transitions
    .map((transition, index) => ({ ...transition, revision: oldest + index }))
    .filter((transition) => transition.revision > revision);
}

/** The plan of the phase it is in; `undefined` before the first. */
export function phaseOf({ plan, phase }: OpenState): PhasePlan | undefined {
  return plan.phases[phase - 1];
}

/** Whether `begin` was said: only then is a rollout in phase 0 waited for. */
export function hasBegun(state: OpenState): boolean {
  return state.phaseStartedAt !== null;
}

/** What is judged of it now; `undefined` where nothing is: before `begin`, and in phase 0 of a plan without copies. */
export function stageOf(state: OpenState): StagePlan | undefined {
  const { plan, phase } = state;
  if (phase > 0) return phaseOf(state);
  return hasBegun(state) && plan.mirror !== null ? plan.mirror : undefined;
}

/** The stage in words. */
export function stageText({ phase }: OpenState): string {
  return phase === 0 ? "the copies of reads" : `phase ${phase}`;
}

/** The status in which it goes on by itself. */
export function goingOn({ phase }: OpenState): RolloutStatus {
  return phase === 0 ? "preparing" : "running";
}

/**
 * What is begun anew when it goes on after a pause. A phase has its traffic in a pause, too; copies
 * were none, so that their soak, their initial delay and their verdicts start over.
 */
export function startedOver(
  state: OpenState,
  at: string,
): Partial<Pick<RolloutState, "phaseStartedAt" | "judgement" | "streak">> {
  if (state.phase > 0 || stageOf(state) === undefined) return {};
  return { phaseStartedAt: at, judgement: null, streak: null };
}

/** Milliseconds between two ISO 8601 times; 0 without the earlier one. */
export function elapsedMs(since: string | null, at: string): number {
  return since === null ? 0 : Date.parse(at) - Date.parse(since);
}

/** The verdicts in a row with a newer one. */
export function lengthened(streak: Streak | null, { verdict }: Judgement): Streak {
  return { verdict, length: streak?.verdict === verdict ? streak.length + 1 : 1 };
}

/** Whether the newest verdict speaks against going forward; a dry run's never does. */
export function isFailing(state: OpenState): boolean {
  const gate: GateSettings | undefined = stageOf(state)?.gate;
  if (gate === undefined || gate.dryRun) return false;
  return state.judgement?.verdict === "fail" || state.streak?.verdict === "fail";
}
