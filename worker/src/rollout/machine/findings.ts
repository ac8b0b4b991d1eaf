/** What the judge, the webhooks and the archiver find, and what it makes of a rollout. */
import type { GateSettings, RolloutStatus } from "../contract.ts";
import { backgroundConfirmed, freeze, takeBack } from "./back.ts";
import { changed, unchanged, type CommandOf, type Outcome } from "./command.ts";
import { progress } from "./forward.ts";
import {
  goingOn,
  lengthened,
  move,
  phaseOf,
  stageOf,
  stageText,
  type Because,
  type Cause,
  type OpenState,
} from "./transition.ts";

/** Whose word a transition is that nobody gave: the rollout object's own. */
const JUDGE = "judge";

/** Statuses in which the canary is judged, and taken back when it is bad. */
const JUDGED: ReadonlySet<RolloutStatus> = new Set(["preparing", "running", "paused", "promoting"]);

const outcome = (before: OpenState, after: OpenState): Outcome =>
  after === before ? unchanged(before) : changed(after);

/** A bad canary goes, unless the plan wants it frozen. */
function condemn(state: OpenState, because: Because): OpenState {
  if (state.plan.onFail === "roll-back") return takeBack(state, because);
  return freeze(state, { ...because, reason: `${because.reason}; the plan says to freeze` });
}

function actOnVerdict(state: OpenState, gate: GateSettings, cause: Cause): OpenState {
  const { judgement, streak, status, pause, phase } = state;
  if (judgement === null || streak === null || gate.dryRun || !JUDGED.has(status)) return state;
  const { verdict, reason } = judgement;
  if (verdict === "fail" && streak.length >= gate.failLimit) return condemn(state, { ...cause, reason });
  if (verdict === "error" && status === goingOn(state) && streak.length >= gate.errorLimit) {
    const held = `${stageText(state)} could not be judged: ${reason}`;
    return move(
      state,
      { status: "paused", pause: { why: "error", missing: reason } },
      { ...cause, reason: held },
    );
  }
  // One good verdict between bad ones would let it go on for another `maxWaitMs`, for ever.
  const passesAgain = streak.length >= (pause?.why === "inconclusive" ? gate.passLimit : 1);
  if (verdict === "pass" && passesAgain && (pause?.why === "inconclusive" || pause?.why === "error")) {
    return move(
      state,
      { status: goingOn(state), pause: null },
      { ...cause, reason: `${phase === 0 ? "it" : `phase ${phase}`} passes again` },
    );
  }
  return state;
}

/** Keeps the verdict, and acts on it. One of another phase says nothing about this one. */
export function judged(state: OpenState, { phase, judgement, by }: CommandOf<"judged">, at: string): Outcome {
  const stage = stageOf(state);
  const heard = JUDGED.has(state.status) || state.status === "frozen";
  if (phase !== state.phase || stage === undefined || !heard) return unchanged(state);
  const streak = lengthened(state.streak, judgement);
  const told = { ...state, judgement, streak, updatedAt: at };
  return changed(progress(actOnVerdict(told, stage.gate, { at, by }), { at, by }));
}

/** Errors beyond doubt: the canary goes without another verdict. */
export function alarmed(state: OpenState, { phase, reason, by }: CommandOf<"alarm">, at: string): Outcome {
  const stage = stageOf(state);
  if (phase !== state.phase || stage === undefined || stage.gate.dryRun || !JUDGED.has(state.status)) {
    return unchanged(state);
  }
  return changed(condemn(state, { at, by, reason }));
}

/** Once for the whole rollout, whatever phase it is in by now. */
export function errorSeen(state: OpenState, at: string): Outcome {
  return state.firstErrorAt === null
    ? changed({ ...state, firstErrorAt: at, updatedAt: at })
    : unchanged(state);
}

export function ticked(state: OpenState, at: string): Outcome {
  return outcome(state, progress(state, { at, by: JUDGE }));
}

/** A webhook's answer. What it says while somebody else holds the rollout is kept only if it agrees. */
export function webhookAnswered(
  state: OpenState,
  { phase, name, outcome: answer, detail, by }: CommandOf<"webhook">,
  at: string,
): Outcome {
  const { webhooks } = phaseOf(state) ?? { webhooks: state.plan.pre };
  const known = webhooks.some((webhook) => webhook.name === name) && !state.agreed.includes(name);
  const waits = state.status === "preparing" || state.status === "running";
  if (phase !== state.phase || !known || (!waits && state.status !== "paused")) return unchanged(state);
  if (answer === "agreed") {
    const agreed = { ...state, agreed: [...state.agreed, name], updatedAt: at };
    return changed(progress(agreed, { at, by }));
  }
  if (!waits) return unchanged(state);
  const reason = `webhook ${name} ${answer === "refused" ? "refused" : "did not answer"}: ${detail}`;
  if (answer === "refused" && phase === 0) return changed(takeBack(state, { at, by, reason }));
  return changed(
    move(state, { status: "paused", pause: { why: "webhook", missing: reason } }, { at, by, reason }),
  );
}

export function backgroundTold(
  state: OpenState,
  { revision }: CommandOf<"background-confirmed">,
  at: string,
): Outcome {
  if (revision !== state.revision || state.backgroundConfirmed) return unchanged(state);
  return changed(backgroundConfirmed(state, { at, by: JUDGE }));
}
