import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  NO_SHARES,
  ROLLOUT_STATUSES,
  ROLLOUT_WORKERS,
  type GateSettings,
  type RolloutState,
  type RolloutStatus,
  type RolloutWorker,
} from "../contract.ts";
import { reread, script, tell, type Told } from "./arbitrary.ts";
import { inARow, ledger, type Entry } from "./ledger.ts";
import { apply, IDLE_STATE, isOpen, transitionsSince, type Command } from "./machine.ts";

const RUNS = 150;
const IN_A_PHASE: ReadonlySet<RolloutStatus> = new Set(["running", "paused", "promoting", "frozen"]);
const JUDGED: ReadonlySet<RolloutStatus> = new Set(["preparing", "running", "paused", "promoting"]);

const states = ({ before, command, outcome }: Told) => ({ command, before, after: outcome.state });

/** What is wrong in the shortest story found that has something wrong; nothing when there is none. */
function wrongIn<T>(
  read: (told: readonly Told[]) => readonly T[],
  isWrong: (one: T) => boolean,
): readonly T[] {
  const holds = fc.property(script, (said) => !read(tell(said)).some(isWrong));
  const [shortest] = fc.check(holds, { numRuns: RUNS }).counterexample ?? [];
  return shortest === undefined ? [] : read(tell(shortest)).filter(isWrong);
}

/** Steps that must not be, whatever is told. */
function steps(isWrong: (told: Told) => boolean): readonly unknown[] {
  return wrongIn((told) => told, isWrong).map(states);
}

/** The same, where it depends on what was said before. */
function entries(isWrong: (entry: Entry) => boolean): readonly unknown[] {
  return wrongIn(ledger, isWrong).map((entry) => ({ ...entry, told: states(entry.told) }));
}

/** The gate of the phase that a step was told in, or of the copies before the first. */
function gateOf({ before: { plan, phase, phaseStartedAt } }: Told): GateSettings | undefined {
  if (phase === 0) return phaseStartedAt === null ? undefined : plan?.mirror?.gate;
  return plan?.phases[phase - 1]?.gate;
}

const isBehind = ({ pause }: RolloutState): boolean => pause?.why === "approval" || pause?.why === "reached";

/** Whether a step led out of a phase, forward, or to the pause behind it. */
function wentForward({ before, outcome: { state } }: Told): boolean {
  if (!isOpen(before) || before.status === "frozen") return false;
  const promoting = state.status === "promoting" && before.status !== "promoting";
  return state.phase > before.phase || promoting || (isBehind(state) && !isBehind(before));
}

describe("whatever is said, in whatever order, by two operators, the judge and late reports", () => {
  it("there is never a second open rollout: an open one keeps its id until it ends", () => {
    expect(steps(({ before, outcome: { state } }) => isOpen(before) && state.id !== before.id)).toEqual([]);
  });

  it("shares are those of the phase that it is in, or 0 %", () => {
    expect(
      steps(({ outcome: { state } }) => {
        const { status, plan, phase, shares } = state;
        const expected = (IN_A_PHASE.has(status) ? plan?.phases[phase - 1]?.shares : undefined) ?? NO_SHARES;
        return JSON.stringify(shares) !== JSON.stringify(expected);
      }),
    ).toEqual([]);
  });

  it("phases are entered one after another, and never again", () => {
    expect(
      steps(
        ({ before, outcome: { state } }) =>
          state.id === before.id && state.phase !== before.phase && state.phase !== before.phase + 1,
      ),
    ).toEqual([]);
  });

  it("a phase is never left forward while its newest verdict is fail", () => {
    expect(
      entries(({ told, verdicts }) => {
        return wentForward(told) && verdicts.at(-1) === "fail" && gateOf(told)?.dryRun === false;
      }),
    ).toEqual([]);
  });

  it("without an explicit word a phase is left only when it has passed often enough in a row", () => {
    expect(
      entries(({ told, verdicts }) => {
        const gate = gateOf(told);
        if (gate === undefined || gate.dryRun || !wentForward(told)) return false;
        if (told.command.kind === "promote" || isBehind(told.before)) return false;
        return inARow(verdicts, "pass") < gate.passLimit;
      }),
    ).toEqual([]);
  });

  it("without an explicit word a phase lasts as long as its soak, and all its webhooks agree", () => {
    expect(
      entries(({ told, enteredAt, agreed }) => {
        const { before, command, at } = told;
        if (!wentForward(told) || command.kind === "promote" || isBehind(before) || before.plan === null) {
          return false;
        }
        const { webhooks, soakMs } = before.plan.phases[before.phase - 1] ?? {
          webhooks: before.plan.pre,
          soakMs: before.plan.mirror?.soakMs ?? 0,
        };
        const refusing = webhooks.filter(({ name }) => !agreed.has(name));
        return refusing.length > 0 || Date.parse(at) - Date.parse(enteredAt) < soakMs;
      }),
    ).toEqual([]);
  });

  it("a phase that asks for an approval is entered only after somebody gave it", () => {
    expect(
      entries(
        ({
          told: {
            before,
            outcome: { state },
          },
          approved,
        }) => {
          const asks = state.plan?.phases[state.phase - 1]?.approval === true;
          return asks && state.phase !== before.phase && !approved.has(state.phase);
        },
      ),
    ).toEqual([]);
  });

  it("the phase to stop at is passed only after somebody allowed another", () => {
    expect(
      entries(
        ({
          told: {
            outcome: { state },
          },
          limit,
        }) => {
          return limit !== null && (state.phase > limit || state.status === "promoting");
        },
      ),
    ).toEqual([]);
  });

  it("so many failures in a row always take it out of the judge's sight, and not one less", () => {
    expect(
      entries(({ told, sinceThaw }) => {
        const { command, before, outcome } = told;
        const gate = gateOf(told);
        if (command.kind !== "judged" || outcome.kind !== "changed" || !JUDGED.has(before.status)) {
          return false;
        }
        const fails = gate === undefined || gate.dryRun ? false : inARow(sinceThaw, "fail") >= gate.failLimit;
        return JUDGED.has(outcome.state.status) === fails;
      }),
    ).toEqual([]);
  });

  it("errors beyond doubt do so at once", () => {
    expect(
      steps((told) => {
        const { command, before, outcome } = told;
        const heard = command.kind === "alarm" && command.id === before.id && command.phase === before.phase;
        return (
          heard &&
          gateOf(told)?.dryRun === false &&
          JUDGED.has(before.status) &&
          JUDGED.has(outcome.state.status)
        );
      }),
    ).toEqual([]);
  });

  it("a dry run is never taken back, frozen or held by what was measured", () => {
    expect(
      steps((told) => {
        const {
          before,
          command,
          outcome: { state },
        } = told;
        const measured = command.kind === "judged" || command.kind === "alarm" || command.kind === "tick";
        const dryRun = before.plan?.phases[0]?.gate.dryRun === true;
        return dryRun && measured && !wentForward(told) && state.status !== before.status;
      }),
    ).toEqual([]);
  });

  it("a rollout that is not safe to take back loses its shares by force or by its completion only", () => {
    expect(
      steps(({ before, command, outcome: { state } }) => {
        if (!isOpen(before) || before.rollback.safe || isOpen(state)) return false;
        const forced = command.kind === "rollback" && command.force === true;
        return !forced && command.kind !== "complete" && before.status !== "rolling-back";
      }),
    ).toEqual([]);
  });

  it("an end is final: until another rollout begins only the archiver's confirmation is noted", () => {
    expect(
      steps(({ before, command, outcome: { state } }) => {
        if (isOpen(before) || command.kind === "start") return false;
        const { backgroundConfirmed, updatedAt } = state;
        return JSON.stringify({ ...before, backgroundConfirmed, updatedAt }) !== JSON.stringify(state);
      }),
    ).toEqual([]);
  });

  it("a rollback is over only when every promoted script was returned and the archiver has confirmed", () => {
    expect(
      entries(
        ({
          told: {
            before,
            outcome: { state },
          },
          returned,
        }) => {
          if (state.status !== "rolled-back" || before.status === "rolled-back") return false;
          return !state.backgroundConfirmed || !state.promoted.every((worker) => returned.has(worker));
        },
      ),
    ).toEqual([]);
  });

  it("only a rollback has scripts to return, and only a pause misses something", () => {
    expect(
      steps(
        ({
          outcome: {
            state: { status, toReturn, pause },
          },
        }) => {
          return (
            (status !== "rolling-back" && toReturn.length > 0) || (status === "paused") !== (pause !== null)
          );
        },
      ),
    ).toEqual([]);
  });

  it("the archiver is believed only about the shares that it was told", () => {
    expect(
      steps(({ before, command, outcome: { state } }) => {
        const { background } = state.shares;
        const told = command.kind === "background-confirmed" && command.revision === before.revision;
        const still = background === before.shares.background && before.backgroundConfirmed;
        return (
          state.backgroundConfirmed !==
          (still || (told && command.id === before.id && !before.backgroundConfirmed))
        );
      }),
    ).toEqual([]);
  });

  it("scripts get the release in the order of their dependency, each that has new code", () => {
    expect(
      steps(
        ({
          outcome: {
            state: { promoted, release, status },
          },
        }) => {
          const changed = ROLLOUT_WORKERS.filter((worker) => release?.workers[worker].changed);
          const given = promoted.filter((worker) => changed.includes(worker));
          const expected: readonly RolloutWorker[] =
            status === "done" ? changed : changed.slice(0, given.length);
          return given.join(" ") !== expected.join(" ");
        },
      ),
    ).toEqual([]);
  });

  it("a command that was just obeyed changes nothing when it is repeated, at once or an hour later", () => {
    const counted = new Set<Command["kind"]>(["judged", "tick"]);
    expect(
      steps(({ command, at, outcome: { kind, state } }) => {
        if (kind !== "changed" || counted.has(command.kind)) return false;
        const later = new Date(Date.parse(at) + 3_600_000).toISOString();
        return [at, later].some((when) => apply(state, command, when).kind !== "unchanged");
      }),
    ).toEqual([]);
  });

  it("a refusal, and what is of no consequence, leave the very same state", () => {
    expect(
      steps(({ before, outcome }) => (outcome.kind === "changed") === (outcome.state === before)),
    ).toEqual([]);
  });

  it("a process may end between any two commands: what is read again goes on the same", () => {
    expect(
      steps(({ before, command, at, outcome }) => {
        return JSON.stringify(apply(reread(before), command, at)) !== JSON.stringify(outcome);
      }),
    ).toEqual([]);
  });

  it("every change of standing is a transition, and says what then stands", () => {
    const standing = (state: RolloutState) => {
      const { id, status, phase, shares, pause, upTo, approved, promoted, toReturn } = state;
      return JSON.stringify([id, status, phase, shares, pause?.why, upTo, approved, promoted, toReturn]);
    };
    expect(
      steps(({ before, outcome: { state } }) => {
        const newest = state.transitions.at(-1) ?? state;
        const told =
          newest.status === state.status && newest.phase === state.phase && newest.shares === state.shares;
        const moved = standing(state) !== standing(before);
        return !told || (moved && state.revision === before.revision);
      }),
    ).toEqual([]);
  });

  it("revisions grow by one with each transition, over all rollouts", () => {
    expect(
      steps(({ before, outcome: { state } }) => {
        const news = transitionsSince(before.revision, state).map(({ revision }) => revision);
        const grown = Array.from(
          { length: state.revision - before.revision },
          (_, index) => before.revision + 1 + index,
        );
        return news.join(" ") !== grown.join(" ");
      }),
    ).toEqual([]);
  });

  it("what is told by a verdict or an answer that moves nothing is no transition", () => {
    expect(
      steps(({ before, command, outcome: { state } }) => {
        const silent = ["judged", "alarm", "error-seen", "tick", "webhook", "background-confirmed"].includes(
          command.kind,
        );
        const moved =
          state.status !== before.status || state.phase !== before.phase || state.pause !== before.pause;
        return silent && !moved && state.revision !== before.revision;
      }),
    ).toEqual([]);
  });
});

describe("the stories that are told here", () => {
  const told = fc.sample(script, { numRuns: 1_000, seed: 5 }).flatMap(tell);

  it("come to every status, in every phase", () => {
    const statuses = new Set([IDLE_STATE.status, ...told.map(({ outcome }) => outcome.state.status)]);
    expect([...statuses].sort()).toEqual([...ROLLOUT_STATUSES].sort());
    const running = told.flatMap(({ outcome: { state } }) =>
      state.status === "running" ? [state.phase] : [],
    );
    expect([...new Set(running)].sort()).toEqual([1, 2, 3]);
  });

  it("come to every pause", () => {
    const pauses = told.flatMap(({ outcome: { state } }) => (state.pause === null ? [] : [state.pause.why]));
    expect([...new Set(pauses)].sort()).toEqual([
      "approval",
      "error",
      "inconclusive",
      "operator",
      "reached",
      "webhook",
    ]);
  });

  it("are refused for every reason but a plan that is wrong", () => {
    const reasons = told.flatMap(({ outcome }) => (outcome.kind === "refused" ? [outcome.refusal.kind] : []));
    expect([...new Set(reasons)].sort()).toEqual([
      "active",
      "failing",
      "needs-approval",
      "not-open",
      "not-promoting",
      "not-safe",
      "out-of-order",
      "unknown",
      "wrong-phase",
    ]);
  });
});
