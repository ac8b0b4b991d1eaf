/** What operators and the release program say to a rollout on its way through the phases. */
import type { Pause, RolloutStatus } from "../contract.ts";
import { takeBack } from "./back.ts";
import { changed, refused, unchanged, type CommandOf, type Outcome } from "./command.ts";
import { leave, leavePause, needsApproval, progress } from "./forward.ts";
import { goingOn, hasBegun, isFailing, move, startedOver, type Cause, type OpenState } from "./transition.ts";

const ON_ITS_WAY: ReadonlySet<RolloutStatus> = new Set(["preparing", "running", "paused", "promoting"]);

function notOpen(state: OpenState): Outcome {
  return refused(state, { kind: "not-open", status: state.status });
}

function outOfOrder(state: OpenState, why: string): Outcome {
  return refused(state, { kind: "out-of-order", why });
}

function frozen(state: OpenState): Outcome {
  return refused(state, { kind: "not-safe", why: state.reason ?? "it is frozen" });
}

/** Why it cannot be steered at all: it is frozen, or being returned; `null` when it can. */
function immovable(state: OpenState): Outcome | null {
  if (ON_ITS_WAY.has(state.status)) return null;
  return state.status === "frozen" ? frozen(state) : notOpen(state);
}

function notThere(state: OpenState, asked: number): Outcome {
  const { phase, plan } = state;
  return refused(state, { kind: "wrong-phase", asked, phase, phases: plan.phases.length });
}

/** The outcome for a phase that is not the present one: behind changes nothing, ahead is refused. */
function elsewhere(state: OpenState, phase: number): Outcome | null {
  if (state.status === "rolling-back") return notOpen(state);
  if (phase < state.phase) return unchanged(state);
  return phase === state.phase ? null : notThere(state, phase);
}

function withWords(reason: string, words: string | undefined): string {
  return words === undefined || words === "" ? reason : `${reason}: ${words}`;
}

/** The release was checked. A rollout that is held goes on from here after `resume`. */
export function begin(state: OpenState, { by }: CommandOf<"begin">, at: string): Outcome {
  if (state.status === "rolling-back") return notOpen(state);
  if (hasBegun(state)) return unchanged(state);
  const still = immovable(state);
  if (still !== null) return still;
  const { pre, mirror } = state.plan;
  const awaited = [...(mirror === null ? [] : ["copies of reads"]), ...pre.map(({ name }) => name)];
  const waits = state.status === "paused" || awaited.length > 0;
  if (!waits) return changed(progress({ ...state, phaseStartedAt: at }, { at, by }));
  const reason =
    state.status === "paused"
      ? "the release was checked; it is held"
      : `the release was checked; waits for ${awaited.join(", ")}`;
  return changed(move(state, { phaseStartedAt: at }, { at, by, reason }));
}

/** Sets the phase to stop at. Behind the former one it goes on. */
export function goOn(state: OpenState, { upTo, by }: CommandOf<"go-on">, at: string): Outcome {
  const { phase, pause } = state;
  if (state.status === "rolling-back") return notOpen(state);
  if (upTo === state.upTo || (upTo !== null && upTo < phase)) return unchanged(state);
  const still = immovable(state);
  if (still !== null) return still;
  if (upTo !== null && !isPhase(state, upTo)) return notThere(state, upTo);
  if (state.status === "promoting") {
    return outOfOrder(state, "every phase has passed: there is none to stop at");
  }
  const reason = upTo === null ? "goes through to the promotion" : `stops at phase ${upTo}`;
  const told: OpenState = { ...state, upTo };
  if (pause?.why === "reached") return changed(leavePause(told, reason, { at, by }));
  return changed(move(told, {}, { at, by, reason }));
}

function isPhase({ plan }: OpenState, phase: number): boolean {
  return Number.isInteger(phase) && phase >= 1 && phase <= plan.phases.length;
}

/** One phase further than the one to stop at; behind the last there is the promotion. */
function oneFurther(state: OpenState): OpenState {
  const { phase, plan } = state;
  return { ...state, upTo: phase < plan.phases.length ? phase + 1 : null };
}

/**
 * Ends the phase: its soak, a sample that is too small, webhooks that did not agree.
 * It never passes a `fail`, an approval, or the phase to stop at; only where it has
 * stopped there, it goes on for one phase.
 */
export function promote(state: OpenState, { phase, reason, by }: CommandOf<"promote">, at: string): Outcome {
  const other = elsewhere(state, phase);
  if (other !== null) return other;
  const { status, pause, upTo } = state;
  if (status === "promoting" || pause?.why === "approval") return unchanged(state);
  const still = immovable(state);
  if (still !== null) return still;
  if (!hasBegun(state)) return outOfOrder(state, "the release is not checked yet: `begin` comes first");
  if (isFailing(state)) {
    return refused(state, {
      kind: "failing",
      reason: state.judgement?.reason ?? "the newest verdict is fail",
    });
  }
  const words = withWords(
    phase === 0 ? "goes on without waiting for webhooks or copies" : `phase ${phase} was promoted`,
    reason,
  );
  if (pause?.why === "reached") return changed(leave(oneFurther(state), words, { at, by }));
  if (phase === upTo) {
    return outOfOrder(state, `phase ${phase} is the one to stop at: name a later one with \`go-on\` first`);
  }
  return changed(leave(state, words, { at, by }));
}

/** Holds firmly: a pause that could end by itself or by another command becomes an operator's. */
export function hold(state: OpenState, { phase, reason, by }: CommandOf<"hold">, at: string): Outcome {
  const other = elsewhere(state, phase);
  if (other !== null) return other;
  if (state.pause?.why === "operator") return unchanged(state);
  const still = immovable(state);
  if (still !== null) return still;
  if (state.status === "promoting") {
    return outOfOrder(state, "every phase has passed: a promotion is completed or rolled back");
  }
  const pause: Pause = { why: "operator", missing: `${by} holds it until \`resume\`` };
  const words = withWords(`held in phase ${phase}`, reason);
  return changed(move(state, { status: "paused", pause }, { at, by, reason: words }));
}

/** Where a frozen or held rollout was, without the streak that had stopped it. */
function wentOn(state: OpenState, reason: string, cause: Cause): OpenState {
  const streak = state.status === "frozen" || state.streak?.verdict === "error" ? null : state.streak;
  const status = state.promoted.length > 0 ? "promoting" : goingOn(state);
  // Copies go on while too little was seen of them.
  const anew = state.pause?.why === "inconclusive" ? {} : startedOver(state, cause.at);
  return move(state, { status, pause: null, streak, ...anew }, { ...cause, reason });
}

/** Goes on after a pause; behind the phase to stop at, for one phase more. */
export function resume(
  state: OpenState,
  { phase, force = false, by }: CommandOf<"resume">,
  at: string,
): Outcome {
  const other = elsewhere(state, phase);
  if (other !== null) return other;
  const { status, pause } = state;
  const cause = { at, by };
  if (status === "frozen") {
    return force ? changed(wentOn(state, `resumed in phase ${phase}, by force`, cause)) : frozen(state);
  }
  if (pause === null) return unchanged(state);
  if (pause.why !== "reached" && pause.why !== "approval") {
    return changed(wentOn(state, `resumed in phase ${phase}`, cause));
  }
  if (needsApproval(state)) return refused(state, { kind: "needs-approval", phase: phase + 1 });
  return changed(leavePause(oneFurther(state), `resumed behind phase ${phase}`, cause));
}

/** Lets it enter a phase, now or when it comes to it. */
export function approve(state: OpenState, { phase, by }: CommandOf<"approve">, at: string): Outcome {
  if (state.status === "rolling-back") return notOpen(state);
  if (phase <= state.phase || state.approved.includes(phase)) return unchanged(state);
  const still = immovable(state);
  if (still !== null) return still;
  if (!isPhase(state, phase)) return notThere(state, phase);
  const reason = `phase ${phase} was approved`;
  const told: OpenState = { ...state, approved: [...state.approved, phase] };
  const awaited = state.pause?.why === "approval" && phase === state.phase + 1;
  return changed(awaited ? leavePause(told, reason, { at, by }) : move(told, {}, { at, by, reason }));
}

/** To 0 % at once, or frozen where that is not safe. */
export function rollBack(state: OpenState, command: CommandOf<"rollback">, at: string): Outcome {
  const { reason, phase = state.phase, force = false, by } = command;
  if (state.status === "rolling-back" || phase < state.phase) return unchanged(state);
  if (phase > state.phase) return notThere(state, phase);
  if (state.status === "frozen" && !state.rollback.safe && !force) return unchanged(state);
  return changed(takeBack(state, { at, by, reason }, force));
}
