import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ROLLOUT_WORKERS, type RolloutState } from "../contract.ts";
import { script, tell } from "./arbitrary.ts";
import { judgement, MAX_WAIT_MS } from "./example.ts";
import { apply, dueWebhooks, IDLE_STATE, isOpen, type Command, type OpenState } from "./machine.ts";

const RUNS = 200;
const BOUND = 100;

/** Where a story ends that was told to any length. */
const anyEnd = script.map((said) => tell(said).at(-1));

interface Given {
  readonly id: string;
  readonly by: string;
}

/** What is left to do of a rollback. */
function returning(state: OpenState, given: Given): readonly Command[] {
  return [
    ...state.toReturn.map((worker): Command => ({ kind: "returned", ...given, worker })),
    { kind: "background-confirmed", ...given, revision: state.revision },
  ];
}

/** What a good release, its webhooks and its operators say next. */
function goingOn(state: OpenState, given: Given, at: string): readonly Command[] {
  const { status, phase } = state;
  if (status === "rolling-back") return returning(state, given);
  if (status === "promoting") {
    const promoting = ROLLOUT_WORKERS.map((worker): Command => ({ kind: "promoting", ...given, worker }));
    const versions = { archiver: "archiver-2", hub: "hub-2" };
    return [...promoting, { kind: "complete", ...given, versions }];
  }
  const agreed = dueWebhooks(state, at).map(({ name }): Command => ({
    kind: "webhook",
    ...given,
    phase,
    name,
    outcome: "agreed",
    detail: "200 OK",
  }));
  return [
    { kind: "begin", ...given },
    { kind: "go-on", ...given, upTo: null },
    { kind: "approve", ...given, phase: phase + 1 },
    { kind: "resume", ...given, phase, force: true },
    { kind: "judged", ...given, phase, judgement: judgement("pass") },
    ...agreed,
    { kind: "tick", ...given },
  ];
}

/** Says what `next` names, over again, until the rollout has ended. */
function untilEnded(
  from: RolloutState,
  since: string,
  next: (state: OpenState, given: Given, at: string) => readonly Command[],
): RolloutState {
  let state = from;
  for (let turn = 1; turn <= BOUND && isOpen(state); turn += 1) {
    const at = new Date(Date.parse(since) + turn * MAX_WAIT_MS).toISOString();
    for (const command of next(state, { id: state.id, by: "ada" }, at)) {
      state = apply(state, command, at).state;
    }
  }
  return state;
}

describe("from wherever a rollout has come", () => {
  it("a forced rollback and what it asks for end in rolled back", () => {
    fc.assert(
      fc.property(anyEnd, (last) => {
        const { state } = last?.outcome ?? { state: IDLE_STATE };
        fc.pre(last !== undefined && isOpen(state));
        const rollback: Command = {
          kind: "rollback",
          id: state.id ?? "",
          by: "bo",
          reason: "customers complain",
          force: true,
        };
        const back = apply(state, rollback, last.at).state;
        expect(back.shares).toEqual({ read: 0, write: 0, background: 0 });
        expect(untilEnded(back, last.at, returning).status).toBe("rolled-back");
      }),
      { numRuns: RUNS },
    );
  });

  it("a release that is good and approved arrives, unless it is being returned already", () => {
    fc.assert(
      fc.property(anyEnd, (last) => {
        const { state } = last?.outcome ?? { state: IDLE_STATE };
        fc.pre(last !== undefined && isOpen(state));
        const expected = state.status === "rolling-back" ? "rolled-back" : "done";
        expect(untilEnded(state, last.at, goingOn).status).toBe(expected);
      }),
      { numRuns: RUNS },
    );
  });
});
