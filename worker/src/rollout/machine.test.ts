import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PHASE_SHARES, type CountsByLane, type RolloutPhase, type RolloutState } from "./contract.ts";
import { NO_COUNTS } from "./counts.ts";
import { DEFAULT_GATE } from "./gate.ts";
import { apply, IDLE_STATE, KEPT_TRANSITIONS, type Command, type Outcome } from "./machine.ts";

const AT = "2026-11-22T08:00:00.000Z";
const LATER = "2026-11-22T08:05:00.000Z";
const RELEASE = { tag: "r-3f2a9c01d4e5", canaryVersion: "canary-1", stableVersion: "hub-1" };

const start = (id = "a"): Command => ({ kind: "start", id, release: RELEASE, gate: DEFAULT_GATE });
const phase = (to: 1 | 2 | 3, id = "a"): Command => ({ kind: "phase", id, phase: to });
const promote = (id = "a"): Command => ({ kind: "promote", id, hubVersion: "hub-2" });
const rollback = (id = "a"): Command => ({ kind: "rollback", id, reason: "the operator said so" });

function canary(requests: number, errors: number): CountsByLane {
  return { ...NO_COUNTS, canary: { ...NO_COUNTS.canary, read: { requests, errors } } };
}
const report = (of: RolloutPhase, counts: CountsByLane, id = "a"): Command => ({
  kind: "report",
  id,
  phase: of,
  counts,
});

function after(...commands: readonly Command[]): RolloutState {
  return commands.reduce((state, command) => apply(state, command, AT).state, IDLE_STATE);
}

describe("a rollout", () => {
  it("begins at 0 % with empty counts", () => {
    expect(after(start())).toMatchObject({
      id: "a",
      status: "active",
      phase: 0,
      shares: { read: 0, write: 0 },
      release: RELEASE,
      counts: NO_COUNTS,
      startedAt: AT,
      endedAt: null,
    });
  });

  it("goes through the phases with their shares, each counted from zero", () => {
    const one = after(start(), phase(1), report(1, canary(10, 0)));
    expect(one).toMatchObject({ phase: 1, shares: { read: 10, write: 0 }, counts: canary(10, 0) });
    const two = apply(one, phase(2), LATER).state;
    expect(two).toMatchObject({
      phase: 2,
      shares: { read: 100, write: 10 },
      counts: NO_COUNTS,
      phaseStartedAt: LATER,
    });
    expect(apply(two, phase(3), LATER).state.shares).toEqual({ read: 100, write: 100 });
  });

  it("is promoted from phase 3 only, and then sends nothing to the canary", () => {
    expect(apply(after(start(), phase(2)), promote(), AT)).toMatchObject({
      kind: "refused",
      reason: "phase-too-low",
    });
    expect(after(start(), phase(3), promote())).toMatchObject({
      status: "promoted",
      phase: 3,
      shares: { read: 0, write: 0 },
      endedAt: AT,
      reason: "promoted: the hub runs version hub-2",
    });
  });

  it("is taken back from any phase", () => {
    for (const to of [1, 2, 3] as const) {
      const state = after(start(), phase(to), rollback());
      expect(state).toMatchObject({ status: "rolled-back", phase: to, shares: { read: 0, write: 0 } });
    }
  });

  it("is not started while another one is active", () => {
    const state = after(start(), phase(1));
    expect(apply(state, start("b"), AT)).toEqual({ kind: "refused", reason: "active", state });
  });

  it("may start after another one has ended, with nothing left of it but its transitions", () => {
    const state = after(start(), phase(1), report(1, canary(60, 30)), start("b"));
    expect(state).toMatchObject({
      id: "b",
      phase: 0,
      firstErrorAt: null,
      endedAt: null,
      reason: null,
      counts: NO_COUNTS,
    });
    expect(state.transitions.map(({ status }) => status)).toEqual([
      "active",
      "active",
      "rolled-back",
      "active",
    ]);
  });

  it("is not steered by the id of another one", () => {
    const state = after(start(), phase(1));
    for (const command of [phase(2, "b"), promote("b"), rollback("b")]) {
      expect(apply(state, command, AT)).toEqual({ kind: "refused", reason: "unknown", state });
    }
  });

  it("never goes back to an earlier phase", () => {
    const state = after(start(), phase(2));
    expect(apply(state, phase(1), AT)).toEqual({ kind: "refused", reason: "backward", state });
  });
});

describe("the gate in the machine", () => {
  it("takes the canary back within the very report that shows it bad", () => {
    const state = after(start(), phase(1), report(1, canary(40, 0)));
    const outcome = apply(state, report(1, canary(10, 2)), LATER);
    expect(outcome.state).toMatchObject({
      status: "rolled-back",
      shares: { read: 0, write: 0 },
      counts: canary(50, 2),
      firstErrorAt: LATER,
      endedAt: LATER,
      reason: "gate: 2 of 50 canary requests failed (4 %, at most 2 % allowed)",
    });
  });

  it("notes when the canary's first error was counted, once for the whole rollout", () => {
    const first = apply(after(start(), phase(1)), report(1, canary(1, 1)), AT).state;
    const second = apply(apply(first, phase(2), LATER).state, report(2, canary(1, 1)), LATER).state;
    expect(second.firstErrorAt).toBe(AT);
  });

  it("drops a late report of an earlier phase or of another rollout", () => {
    const state = after(start(), phase(2));
    expect(apply(state, report(1, canary(100, 100)), AT)).toEqual({ kind: "unchanged", state });
    expect(apply(state, report(2, canary(100, 100), "b"), AT)).toEqual({ kind: "unchanged", state });
  });

  it("drops reports after the end", () => {
    const state = after(start(), phase(3), promote());
    expect(apply(state, report(3, canary(100, 100)), AT)).toEqual({ kind: "unchanged", state });
  });
});

const ids = fc.constantFrom("a", "b");
const counted = fc
  .record({ requests: fc.nat(80), bad: fc.nat(80) })
  .map(({ requests, bad }) => canary(requests, Math.min(requests, bad)));
const commands = fc.array(
  fc.oneof(
    ids.map(start),
    fc.tuple(fc.constantFrom<1 | 2 | 3>(1, 2, 3), ids).map(([to, id]) => phase(to, id)),
    ids.map(promote),
    ids.map(rollback),
    fc
      .tuple(fc.constantFrom<RolloutPhase>(0, 1, 2, 3), counted, ids)
      .map(([of, counts, id]) => report(of, counts, id)),
  ),
  { maxLength: 40 },
);

interface Step {
  readonly before: RolloutState;
  readonly command: Command;
  readonly outcome: Outcome;
}

/** Every rollout gets an id of its own, as the object gives it. */
function run(script: readonly Command[]): readonly Step[] {
  let state = IDLE_STATE;
  let started = 0;
  return script.map((command) => {
    const before = state;
    const named = command.kind === "start" ? { ...command, id: `${command.id}${started}` } : command;
    const outcome = apply(
      before,
      named.kind === "start" ? named : { ...named, id: before.id ?? named.id },
      AT,
    );
    if (named.kind === "start" && outcome.kind === "changed") started += 1;
    state = outcome.state;
    return { before, command: named, outcome };
  });
}

describe("for every sequence of commands", () => {
  const holds = (check: (steps: readonly Step[]) => void): void => {
    fc.assert(
      fc.property(commands, (script) => {
        check(run(script));
      }),
      { numRuns: 300 },
    );
  };

  it("there is never a second active rollout: an active one keeps its id until it ends", () => {
    holds((steps) => {
      const active = steps.filter(({ before }) => before.status === "active");
      expect(active.map(({ outcome }) => outcome.state.id)).toEqual(active.map(({ before }) => before.id));
    });
  });

  it("shares are those of the phase while active, and 0 % otherwise", () => {
    holds((steps) => {
      const expected = steps.map(
        ({ outcome: { state } }) => PHASE_SHARES[state.status === "active" ? state.phase : 0],
      );
      expect(steps.map(({ outcome }) => outcome.state.shares)).toEqual(expected);
    });
  });

  it("phases of a rollout only go forward", () => {
    holds((steps) => {
      const backward = steps.filter(
        ({ before, outcome: { state } }) => state.id === before.id && state.phase < before.phase,
      );
      expect(backward).toEqual([]);
    });
  });

  it("an end is final: it stays as it is until another rollout begins, at phase 0", () => {
    holds((steps) => {
      const ended = steps.filter(
        ({ before }) => before.status === "rolled-back" || before.status === "promoted",
      );
      const moved = ended.filter(({ before, outcome }) => outcome.state !== before);
      expect(
        moved.map(({ command, outcome: { state } }) => [command.kind, state.status, state.phase]),
      ).toEqual(moved.map(() => ["start", "active", 0]));
    });
  });

  it("an operator's command that was just obeyed is a no-op when repeated, except a start, which is refused", () => {
    holds((steps) => {
      const obeyed = steps.filter(
        ({ command, outcome }) => outcome.kind === "changed" && command.kind !== "report",
      );
      const again = obeyed.map(({ command, outcome: { state } }) =>
        apply(state, { ...command, id: state.id ?? "" }, LATER),
      );
      expect(again.map(({ kind }) => kind)).toEqual(
        obeyed.map(({ command }) => (command.kind === "start" ? "refused" : "unchanged")),
      );
      expect(again.map(({ state }) => state)).toEqual(obeyed.map(({ outcome }) => outcome.state));
    });
  });

  it("a refusal changes nothing", () => {
    holds((steps) => {
      const still = steps.filter(({ outcome }) => outcome.kind !== "changed");
      expect(still.every(({ before, outcome }) => outcome.state === before)).toBe(true);
    });
  });

  it("what changes status, phase or rollout is a transition, and nothing else is", () => {
    holds((steps) => {
      const entered = ({ id, status, phase: of }: RolloutState) => [id, status, of].join(" ");
      for (const { before, outcome } of steps) {
        const isNew = outcome.state.transitions !== before.transitions;
        expect(isNew).toBe(entered(outcome.state) !== entered(before));
        const { status, phase: of, shares, transitions } = outcome.state;
        expect(transitions.at(-1) ?? IDLE_STATE).toMatchObject({ status, phase: of, shares });
      }
    });
  });

  it("a bounded number of transitions is kept, the newest", () => {
    const script = Array.from({ length: KEPT_TRANSITIONS }, (_, index) => [
      start(`${index}`),
      rollback(`${index}`),
    ]);
    const { transitions } = after(...script.flat());
    expect(transitions).toHaveLength(KEPT_TRANSITIONS);
    expect(transitions.at(-1)?.status).toBe("rolled-back");
  });
});
