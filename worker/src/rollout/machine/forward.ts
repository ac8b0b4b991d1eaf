/** How a rollout goes from phase to phase, and what it waits for. */
import type { GateWebhook, PhasePlan, RolloutState, StagePlan } from "../contract.ts";
import {
  elapsedMs,
  goingOn,
  hasBegun,
  isFailing,
  isOpen,
  move,
  phaseOf,
  stageOf,
  stageText,
  startedOver,
  type Because,
  type Cause,
  type OpenState,
} from "./transition.ts";

function awaitedWebhooks(state: OpenState): readonly GateWebhook[] {
  const { webhooks } = phaseOf(state) ?? { webhooks: state.plan.pre };
  return webhooks.filter(({ name }) => !state.agreed.includes(name));
}

/** Soak and verdicts of what is judged; a dry run's verdicts do not count. */
function gatePassed(state: OpenState, { gate, soakMs }: StagePlan, at: string): boolean {
  if (elapsedMs(state.phaseStartedAt, at) < soakMs) return false;
  if (gate.dryRun) return true;
  return state.streak?.verdict === "pass" && state.streak.length >= gate.passLimit;
}

function awaitsWebhooks(state: OpenState, at: string): boolean {
  const phase = phaseOf(state);
  if (phase === undefined) return state.status === "preparing" && hasBegun(state);
  return state.status === "running" && gatePassed(state, phase, at);
}

/** Whether what is judged has passed; where nothing is, whether the release was checked. */
function stagePassed(state: OpenState, at: string): boolean {
  const stage = stageOf(state);
  return stage === undefined ? hasBegun(state) : gatePassed(state, stage, at);
}

/**
 * Webhooks to ask now: those before phase 1 once the rollout has begun, those of a phase
 * when its gate has passed. A webhook that did not agree is due again after `resume`.
 * @param at ISO 8601
 */
export function dueWebhooks(state: RolloutState, at: string): readonly GateWebhook[] {
  return isOpen(state) && awaitsWebhooks(state, at) ? awaitedWebhooks(state) : [];
}

/** Into a phase, where nothing is known of it yet. */
function enter(state: OpenState, phase: number, { shares }: PhasePlan, because: Because): OpenState {
  return move(
    state,
    {
      status: "running",
      phase,
      shares,
      pause: null,
      agreed: [],
      judgement: null,
      streak: null,
      phaseStartedAt: because.at,
    },
    because,
  );
}

/** Whether the next phase is entered only after an approval that nobody has given yet. */
export function needsApproval({ plan, phase, approved }: OpenState): boolean {
  return plan.phases[phase]?.approval === true && !approved.includes(phase + 1);
}

/**
 * Out of a phase that is over, to what stands behind it: the phase to stop at,
 * the promotion, an approval, or the next phase.
 */
export function leave(state: OpenState, reason: string, { at, by }: Cause): OpenState {
  const { phase, plan, upTo } = state;
  const because = { at, by, reason };
  if (upTo !== null && phase >= upTo) {
    const missing = `phase ${upTo} is the one to stop at`;
    return move(state, { status: "paused", pause: { why: "reached", missing } }, because);
  }
  const next = plan.phases[phase];
  if (next === undefined) return move(state, { status: "promoting", pause: null }, because);
  if (needsApproval(state)) {
    const missing = `phase ${phase + 1} is entered only after an approval`;
    return move(state, { status: "paused", pause: { why: "approval", missing } }, because);
  }
  return enter(state, phase + 1, next, because);
}

/** Goes on after a pause behind a phase that is over; while it fails, its gate has to pass again. */
export function leavePause(state: OpenState, reason: string, cause: Cause): OpenState {
  if (!isFailing(state)) return leave(state, reason, cause);
  const missing = `${reason}, but phase ${state.phase} fails and must pass again`;
  const patch = { status: goingOn(state), pause: null, ...startedOver(state, cause.at) };
  return move(state, patch, { ...cause, reason: missing });
}

/** Why a phase that has not passed in its longest time is held; `null` while it may wait. */
function overlong(state: OpenState, { gate, maxWaitMs }: StagePlan, at: string): string | null {
  if (gate.dryRun || elapsedMs(state.phaseStartedAt, at) < maxWaitMs) return null;
  // A `resume`, or a verdict that ended a pause, gives it another `maxWaitMs`.
  if (elapsedMs(state.transitions.at(-1)?.at ?? null, at) < maxWaitMs) return null;
  const { judgement } = state;
  if (judgement === null) return "it was not judged yet";
  return judgement.missing.length > 0 ? judgement.missing.join("; ") : judgement.reason;
}

/** What has passed, in words. */
function passedText({ phase, plan }: OpenState): string {
  if (phase > 0) return `phase ${phase} has passed`;
  return plan.mirror === null
    ? "the release was checked"
    : "the release was checked, and its answers to copies of reads have passed";
}

/** What time and agreement make of it; the very state when they make nothing. */
export function progress(state: OpenState, cause: Cause): OpenState {
  if (state.status !== "preparing" && state.status !== "running") return state;
  if (stagePassed(state, cause.at)) {
    return awaitedWebhooks(state).length > 0 ? state : leave(state, passedText(state), cause);
  }
  const stage = stageOf(state);
  const missing = stage === undefined ? null : overlong(state, stage, cause.at);
  if (missing === null) return state;
  const verdict = state.judgement?.verdict ?? "inconclusive";
  const why =
    verdict === "inconclusive"
      ? `too little was seen in ${stageText(state)}`
      : `${stageText(state)} ${state.phase === 0 ? "have not passed in their" : "has not passed in its"} longest time, the newest verdict is ${verdict}`;
  const reason = `${why}: ${missing}`;
  return move(state, { status: "paused", pause: { why: "inconclusive", missing } }, { ...cause, reason });
}
