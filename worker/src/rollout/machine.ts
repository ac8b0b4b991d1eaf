/**
 * The rollout as a pure state machine. At most one rollout is active; its
 * phase only grows; its shares are those of its phase; an end is final, and a
 * command that was already obeyed changes nothing.
 */
import {
  PHASE_SHARES,
  type CountsByLane,
  type GateSettings,
  type ReleaseIdentity,
  type RolloutPhase,
  type RolloutState,
  type RolloutStatus,
} from "./contract.ts";
import { addCounts, NO_COUNTS } from "./counts.ts";
import { canaryTotal, DEFAULT_GATE, judge } from "./gate.ts";

/** Transitions that the state carries; older ones are in the history only. */
export const KEPT_TRANSITIONS = 50;

export type Command =
  | {
      readonly kind: "start";
      readonly id: string;
      readonly release: ReleaseIdentity;
      readonly gate: GateSettings;
    }
  | { readonly kind: "phase"; readonly id: string; readonly phase: 1 | 2 | 3 }
  | { readonly kind: "promote"; readonly id: string; readonly hubVersion: string }
  | { readonly kind: "rollback"; readonly id: string; readonly reason: string }
  | {
      readonly kind: "report";
      readonly id: string;
      readonly phase: RolloutPhase;
      readonly counts: CountsByLane;
    };

export type Refusal = "active" | "unknown" | "not-active" | "backward" | "phase-too-low";

export type Outcome =
  | { readonly kind: "changed"; readonly state: RolloutState }
  | { readonly kind: "unchanged"; readonly state: RolloutState }
  | { readonly kind: "refused"; readonly reason: Refusal; readonly state: RolloutState };

/** The state before any rollout. */
export const IDLE_STATE: RolloutState = {
  id: null,
  status: "idle",
  phase: 0,
  shares: PHASE_SHARES[0],
  release: null,
  gate: DEFAULT_GATE,
  counts: NO_COUNTS,
  startedAt: null,
  phaseStartedAt: null,
  updatedAt: null,
  firstErrorAt: null,
  endedAt: null,
  reason: null,
  transitions: [],
};

type Of<K extends Command["kind"]> = Extract<Command, { kind: K }>;

const changed = (state: RolloutState): Outcome => ({ kind: "changed", state });
const unchanged = (state: RolloutState): Outcome => ({ kind: "unchanged", state });
const refused = (state: RolloutState, reason: Refusal): Outcome => ({ kind: "refused", reason, state });

/** The state with a transition to what it now says. */
function transition(state: RolloutState, at: string, reason: string): RolloutState {
  const { status, phase, shares } = state;
  const transitions = [...state.transitions, { at, status, phase, shares, reason }].slice(-KEPT_TRANSITIONS);
  return { ...state, updatedAt: at, transitions };
}

function end(
  state: RolloutState,
  status: Extract<RolloutStatus, "promoted" | "rolled-back">,
  at: string,
  reason: string,
): RolloutState {
  return transition({ ...state, status, shares: PHASE_SHARES[0], endedAt: at, reason }, at, reason);
}

function start(state: RolloutState, { id, release, gate }: Of<"start">, at: string): Outcome {
  if (state.status === "active") return refused(state, "active");
  const begun: RolloutState = {
    ...IDLE_STATE,
    id,
    status: "active",
    release,
    gate,
    startedAt: at,
    phaseStartedAt: at,
    transitions: state.transitions,
  };
  return changed(transition(begun, at, `started: ${release.tag}`));
}

function setPhase(state: RolloutState, { phase }: Of<"phase">, at: string): Outcome {
  if (state.status !== "active") return refused(state, "not-active");
  if (phase === state.phase) return unchanged(state);
  if (phase < state.phase) return refused(state, "backward");
  const shares = PHASE_SHARES[phase];
  const next: RolloutState = { ...state, phase, shares, counts: NO_COUNTS, phaseStartedAt: at };
  return changed(transition(next, at, `phase ${phase}`));
}

function promote(state: RolloutState, { hubVersion }: Of<"promote">, at: string): Outcome {
  if (state.status === "promoted") return unchanged(state);
  if (state.status !== "active") return refused(state, "not-active");
  if (state.phase !== 3) return refused(state, "phase-too-low");
  return changed(end(state, "promoted", at, `promoted: the hub runs version ${hubVersion}`));
}

function rollBack(state: RolloutState, { reason }: Of<"rollback">, at: string): Outcome {
  if (state.status === "rolled-back") return unchanged(state);
  if (state.status !== "active") return refused(state, "not-active");
  return changed(end(state, "rolled-back", at, reason));
}

/** A report of another phase says nothing about this one and is dropped. */
function report(state: RolloutState, { phase, counts }: Of<"report">, at: string): Outcome {
  if (state.status !== "active" || phase !== state.phase) return unchanged(state);
  const failed = canaryTotal(counts).errors > 0;
  const counted: RolloutState = {
    ...state,
    counts: addCounts(state.counts, counts),
    firstErrorAt: state.firstErrorAt ?? (failed ? at : null),
    updatedAt: at,
  };
  const verdict = judge(counted.counts, counted.gate);
  return changed(verdict.kind === "fail" ? end(counted, "rolled-back", at, verdict.reason) : counted);
}

/**
 * What a command makes of a state.
 * @param at ISO 8601
 */
export function apply(state: RolloutState, command: Command, at: string): Outcome {
  if (command.kind === "start") return start(state, command, at);
  if (command.id !== state.id) {
    return command.kind === "report" ? unchanged(state) : refused(state, "unknown");
  }
  switch (command.kind) {
    case "phase":
      return setPhase(state, command, at);
    case "promote":
      return promote(state, command, at);
    case "rollback":
      return rollBack(state, command, at);
    case "report":
      return report(state, command, at);
  }
}
