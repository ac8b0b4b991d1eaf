/**
 * The rollout as a pure state machine: idle → preparing → running ↔ paused → promoting →
 * done, and from any of them rolling back → rolled back, or frozen. At most one rollout
 * is open; its phase only grows; its shares are those of its phase or 0; an end is final,
 * and a command that was already obeyed changes nothing.
 */
import { NO_SHARES, type RolloutState } from "../contract.ts";
import { planFaults } from "../plan.ts";
import { changed, refused, unchanged, type Command, type Outcome, type StartCommand } from "./command.ts";
import { alarmed, backgroundTold, errorSeen, judged, ticked, webhookAnswered } from "./findings.ts";
import { complete, promoting, returned } from "./promotion.ts";
import { approve, begin, goOn, hold, promote, resume, rollBack } from "./steering.ts";
import { IDLE_STATE, isOpen, move, type OpenState } from "./transition.ts";

export type { Command, OperatorCommand, Outcome, Refusal } from "./command.ts";
export { dueWebhooks } from "./forward.ts";
export {
  IDLE_STATE,
  isOpen,
  KEPT_TRANSITIONS,
  stageOf,
  transitionsSince,
  type OpenState,
} from "./transition.ts";

const FINDINGS: ReadonlySet<Command["kind"]> = new Set([
  "judged",
  "alarm",
  "error-seen",
  "tick",
  "webhook",
  "background-confirmed",
]);

function start(state: RolloutState, command: StartCommand, at: string): Outcome {
  const { id, by, release, plan, upTo, rollback } = command;
  if (isOpen(state)) {
    return state.id === id
      ? unchanged(state)
      : refused(state, { kind: "active", id: state.id, status: state.status });
  }
  if (state.id === id) return refused(state, { kind: "not-open", status: state.status });
  const faults = planFaults(plan);
  if (faults.length > 0) return refused(state, { kind: "invalid-plan", faults });
  const phases = plan.phases.length;
  if (upTo !== null && !(Number.isInteger(upTo) && upTo >= 1 && upTo <= phases)) {
    return refused(state, { kind: "wrong-phase", asked: upTo, phase: 0, phases });
  }
  const { revision, backgroundConfirmed } = state;
  const fresh: RolloutState = {
    ...IDLE_STATE,
    id,
    release,
    plan,
    upTo,
    rollback,
    revision,
    backgroundConfirmed,
  };
  const begun = { status: "preparing", shares: NO_SHARES, startedAt: at } as const;
  return changed(move(fresh, begun, { at, by, reason: `started: ${release.tag}` }));
}

/** An end is final. A command that led to it, or that is of no consequence, may be repeated. */
function atEnd(state: RolloutState, command: Exclude<Command, StartCommand>, at: string): Outcome {
  const { kind } = command;
  if (kind === "background-confirmed" && command.revision === state.revision && !state.backgroundConfirmed) {
    return changed({ ...state, backgroundConfirmed: true, updatedAt: at });
  }
  const obeyed = state.status === "done" ? kind === "complete" : kind === "rollback" || kind === "returned";
  if (FINDINGS.has(kind) || obeyed) return unchanged(state);
  return refused(state, { kind: "not-open", status: state.status });
}

function obey(state: OpenState, command: Exclude<Command, StartCommand>, at: string): Outcome {
  switch (command.kind) {
    case "begin":
      return begin(state, command, at);
    case "go-on":
      return goOn(state, command, at);
    case "promote":
      return promote(state, command, at);
    case "hold":
      return hold(state, command, at);
    case "resume":
      return resume(state, command, at);
    case "approve":
      return approve(state, command, at);
    case "rollback":
      return rollBack(state, command, at);
    case "promoting":
      return promoting(state, command, at);
    case "complete":
      return complete(state, command, at);
    case "returned":
      return returned(state, command, at);
    case "judged":
      return judged(state, command, at);
    case "alarm":
      return alarmed(state, command, at);
    case "error-seen":
      return errorSeen(state, at);
    case "tick":
      return ticked(state, at);
    case "webhook":
      return webhookAnswered(state, command, at);
    case "background-confirmed":
      return backgroundTold(state, command, at);
  }
}

/**
 * What a command makes of a state. The same for a state that was written as JSON and read again.
 * @param at ISO 8601
 */
export function apply(state: RolloutState, command: Command, at: string): Outcome {
  if (command.kind === "start") return start(state, command, at);
  if (command.id !== state.id) {
    return FINDINGS.has(command.kind) ? unchanged(state) : refused(state, { kind: "unknown", id: state.id });
  }
  return isOpen(state) ? obey(state, command, at) : atEnd(state, command, at);
}
