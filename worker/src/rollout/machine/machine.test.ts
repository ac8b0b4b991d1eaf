import { describe, expect, it } from "vitest";
import {
  after,
  alarm,
  approve,
  begin,
  errorSeen,
  goOn,
  hold,
  ID,
  judged,
  LOAD,
  MAX_WAIT_MS,
  outcomeOf,
  passed,
  PLAN,
  FIRST,
  SECOND,
  THIRD,
  resume,
  type Step,
  planWith,
  PRE,
  REASONS,
  rollback,
  SOAK_MS,
  start,
  tick,
  time,
  webhook,
} from "./example.ts";
import { dueWebhooks, KEPT_TRANSITIONS, transitionsSince } from "./machine.ts";

describe("a rollout", () => {
  it("opens at 0 %, with nothing known of it yet", () => {
    expect(after(start())).toMatchObject({
      id: ID,
      status: "preparing",
      phase: 0,
      shares: { read: 0, write: 0, background: 0 },
      plan: PLAN,
      startedAt: time(0),
      phaseStartedAt: null,
      judgement: null,
      revision: 1,
      reason: "started: r-3f2a9c01d4e5",
    });
  });

  it("goes through the phases with their shares, then is promoted", () => {
    const one = [start(), 1_000, begin];
    expect(after(...one)).toMatchObject({
      status: "running",
      phase: 1,
      shares: { read: 10, write: 0, background: 0 },
      phaseStartedAt: time(1_000),
    });
    const two = [...one, ...passed(1)];
    expect(after(...two)).toMatchObject({
      status: "running",
      phase: 2,
      shares: { write: 10, background: 10 },
    });
    const three = [...two, ...passed(2)];
    expect(after(...three)).toMatchObject({ status: "running", phase: 3, shares: { write: 100 } });
    expect(after(...three, ...passed(3))).toMatchObject({
      status: "promoting",
      phase: 3,
      shares: { read: 100, write: 100, background: 100 },
    });
  });

  it("begins every phase with no verdict", () => {
    expect(after(start(), begin, ...passed(1))).toMatchObject({ phase: 2, judgement: null, streak: null });
  });

  it("stays in a phase until its soak is over, however often it passes", () => {
    const short = [start(), begin, SOAK_MS - 1, judged(1, "pass"), judged(1, "pass"), judged(1, "pass")];
    expect(after(...short)).toMatchObject({ status: "running", phase: 1 });
    expect(after(...short, 1, tick)).toMatchObject({ phase: 2 });
  });

  it("stays in a phase until it has passed often enough in a row", () => {
    const mixed = [start(), begin, SOAK_MS, judged(1, "pass"), judged(1, "inconclusive"), judged(1, "pass")];
    expect(after(...mixed)).toMatchObject({ phase: 1, streak: { verdict: "pass", length: 1 } });
    expect(after(...mixed, judged(1, "pass"))).toMatchObject({ phase: 2 });
  });

  it("is not started by a plan that is wrong, and says what is", () => {
    const plan = planWith({ phases: [FIRST, SECOND] });
    expect(outcomeOf(start({ plan }))).toMatchObject({
      kind: "refused",
      refusal: {
        kind: "invalid-plan",
        faults: [{ path: "/phases/1/shares/write" }, { path: "/phases/1/shares/background" }],
      },
    });
  });

  it.each([0, 4, 1.5])("is not started to stop at phase %d of three", (upTo) => {
    expect(outcomeOf(start({ upTo }))).toMatchObject({
      refusal: { kind: "wrong-phase", asked: upTo, phases: 3 },
    });
  });

  it("is not started while another one is open", () => {
    expect(outcomeOf(start(), begin, start({}, "rollout-2"))).toMatchObject({
      kind: "refused",
      refusal: { kind: "active", id: ID, status: "running" },
    });
  });

  it("may start after another one has ended, with nothing of it left but the count of transitions", () => {
    const state = after(start(), begin, judged(1, "fail"), rollback(), start({}, "rollout-2"));
    expect(state).toMatchObject({
      id: "rollout-2",
      status: "preparing",
      phase: 0,
      judgement: null,
      endedAt: null,
      closedAt: null,
      revision: 4,
    });
    expect(state.transitions).toHaveLength(1);
  });

  it("never begins a second time by its old id", () => {
    expect(outcomeOf(start(), rollback(), start())).toMatchObject({
      refusal: { kind: "not-open", status: "rolled-back" },
    });
  });

  it("keeps a bounded number of transitions, the newest", () => {
    const held = Array.from({ length: KEPT_TRANSITIONS }, (_, index) => goOn((index % 2) + 2));
    const state = after(start(), begin, ...held);
    expect(state.revision).toBe(KEPT_TRANSITIONS + 2);
    expect(state.transitions).toHaveLength(KEPT_TRANSITIONS);
    expect(transitionsSince(KEPT_TRANSITIONS + 1, state)).toEqual([
      { ...state.transitions.at(-1), revision: KEPT_TRANSITIONS + 2 },
    ]);
  });
});

describe("the judge's word", () => {
  it("takes the canary back when it has failed often enough in a row", () => {
    const once = [start(), begin, judged(1, "fail")];
    expect(after(...once)).toMatchObject({ status: "running", shares: { read: 10 } });
    expect(after(...once, 5_000, judged(1, "fail"))).toMatchObject({
      status: "rolled-back",
      phase: 1,
      shares: { read: 0, write: 0, background: 0 },
      reason: REASONS.fail,
      closedAt: time(5_000),
      endedAt: time(5_000),
    });
  });

  it("forgives a single failure between passes", () => {
    const state = after(start(), begin, judged(1, "fail"), judged(1, "pass"), judged(1, "fail"));
    expect(state).toMatchObject({ status: "running", streak: { verdict: "fail", length: 1 } });
  });

  it("takes it back at once when the errors are beyond doubt", () => {
    expect(after(start(), begin, alarm(1))).toMatchObject({
      status: "rolled-back",
      reason: "9 of 10 reads threw",
    });
  });

  it("says nothing about another phase or another rollout", () => {
    const state = after(start(), begin, ...passed(1));
    const late = [judged(1, "fail"), alarm(1), alarm(3), { ...alarm(2), id: "rollout-0" }];
    for (const command of late) {
      expect(outcomeOf(start(), begin, ...passed(1), command)).toEqual({ kind: "unchanged", state });
    }
  });

  it("freezes it where the plan says so", () => {
    const frozen = after(start({ plan: planWith({ onFail: "freeze" }) }), begin, alarm(1));
    expect(frozen).toMatchObject({
      status: "frozen",
      shares: { read: 10 },
      reason: "9 of 10 reads threw; the plan says to freeze",
    });
  });

  it("freezes it where the stable versions do not work on the schema, and says why", () => {
    const why = "the old hub does not know column `kind`";
    const frozen = after(
      start({ rollback: { safe: false, why } }),
      begin,
      judged(1, "fail"),
      judged(1, "fail"),
    );
    expect(frozen).toMatchObject({
      status: "frozen",
      shares: { read: 10 },
      reason: `${REASONS.fail}; not taken back: ${why}`,
    });
  });

  it("says when a rollback leaves a newer schema", () => {
    const state = after(start({ rollback: { safe: true, newerSchema: true } }), begin, alarm(1));
    expect(state.reason).toBe("9 of 10 reads threw; the schema stays newer");
  });

  it("still holds in a pause: a failing canary goes, a passing one stays where it is", () => {
    const held = [start(), begin, hold(1), SOAK_MS];
    expect(after(...held, judged(1, "pass"), judged(1, "pass"), tick)).toMatchObject({
      status: "paused",
      phase: 1,
      pause: { why: "operator" },
    });
    expect(after(...held, judged(1, "fail"), judged(1, "fail"))).toMatchObject({ status: "rolled-back" });
  });

  it("notes once when the canary's first error was counted", () => {
    const state = after(start(), begin, 2_000, errorSeen(1), 3_000, errorSeen(1));
    expect(state).toMatchObject({ firstErrorAt: time(2_000), revision: 2 });
  });

  it("does nothing in a dry run: the phase is left when its soak is over", () => {
    const dry = start({ plan: planWith({ gate: { dryRun: true } }) });
    const bad = [dry, begin, judged(1, "fail"), judged(1, "fail"), judged(1, "fail"), alarm(1)];
    expect(after(...bad)).toMatchObject({ status: "running", phase: 1, streak: { length: 3 } });
    expect(after(...bad, SOAK_MS, tick)).toMatchObject({ status: "running", phase: 2 });
  });
});

describe("a phase that is not seen enough", () => {
  const waited = [start(), begin, judged(1, "inconclusive"), MAX_WAIT_MS, tick];

  it("is held when its wait is over, and says what is missing", () => {
    expect(after(...waited.slice(0, 3), MAX_WAIT_MS - 1, tick)).toMatchObject({ status: "running" });
    expect(after(...waited)).toMatchObject({
      status: "paused",
      shares: { read: 10 },
      pause: { why: "inconclusive", missing: "180 more reads on the canary" },
    });
  });

  it("is held too when it was never judged", () => {
    expect(after(start(), begin, MAX_WAIT_MS, tick)).toMatchObject({
      pause: { why: "inconclusive", missing: "it was not judged yet" },
    });
  });

  it("goes on by itself once it passes as often as it has to", () => {
    const passing = [judged(1, "pass"), judged(1, "pass")];
    expect(after(...waited, ...passing.slice(1))).toMatchObject({ status: "paused", phase: 1 });
    expect(after(...waited, ...passing)).toMatchObject({ status: "running", phase: 2, pause: null });
  });

  it("waits as long again before it is held again", () => {
    const again = [...waited, resume(1), judged(1, "inconclusive")];
    expect(after(...again, MAX_WAIT_MS - 1, tick)).toMatchObject({ status: "running" });
    expect(after(...again, MAX_WAIT_MS, tick)).toMatchObject({ status: "paused" });
  });

  it.each(["error", "fail"] as const)("is held, too, when it passes and is called %s in turn", (verdict) => {
    const turns = Array.from({ length: 40 }, () => [MAX_WAIT_MS / 20, judged(1, verdict), judged(1, "pass")]);
    const state = after(start(), begin, ...turns.slice(0, 30).flat());
    expect(state).toMatchObject({ status: "paused", phase: 1, pause: { why: "inconclusive" } });
    expect(state.pause?.missing).toBe(REASONS[verdict]);
    expect(after(start(), begin, ...turns.flat()).transitions.at(-1)).toEqual(state.transitions.at(-1));
  });

  it("is held when nothing could be measured so many times, until something can", () => {
    const blind = [start(), begin, judged(1, "error"), judged(1, "error"), judged(1, "error")];
    expect(after(...blind.slice(0, -1))).toMatchObject({ status: "running" });
    expect(after(...blind)).toMatchObject({
      status: "paused",
      pause: { why: "error", missing: REASONS.error },
    });
    expect(after(...blind, judged(1, "pass"))).toMatchObject({ status: "running" });
  });
});

describe("webhooks", () => {
  const asked = start({ plan: planWith({ pre: [PRE, LOAD] }) });
  const guarded = start({
    plan: planWith({ phases: [{ ...FIRST, webhooks: [PRE, LOAD] }, SECOND, THIRD] }),
  });
  const names = (...steps: readonly Step[]): readonly string[] =>
    dueWebhooks(after(...steps), time(MAX_WAIT_MS)).map(({ name }) => name);

  it("are asked before phase 1 once the release is checked, and must all agree", () => {
    expect(names(asked)).toEqual([]);
    const begun = [asked, begin];
    expect(names(...begun)).toEqual([PRE.name, LOAD.name]);
    const half = [...begun, webhook(0, LOAD.name, "agreed")];
    expect(after(...half)).toMatchObject({ status: "preparing", phase: 0 });
    expect(names(...half)).toEqual([PRE.name]);
    expect(after(...half, webhook(0, PRE.name, "agreed"))).toMatchObject({ status: "running", phase: 1 });
  });

  it("take a release back that one of them refuses before phase 1", () => {
    expect(after(asked, begin, webhook(0, PRE.name, "refused"))).toMatchObject({
      status: "rolled-back",
      reason: "webhook change-window refused: 409 Conflict",
    });
  });

  it("hold a release when one does not answer; `resume` asks again", () => {
    const silent = [asked, begin, webhook(0, PRE.name, "unreachable")];
    expect(after(...silent)).toMatchObject({
      status: "paused",
      phase: 0,
      pause: { why: "webhook", missing: "webhook change-window did not answer: 409 Conflict" },
    });
    expect(names(...silent)).toEqual([]);
    const again = [...silent, resume(0)];
    expect(after(...again)).toMatchObject({ status: "preparing" });
    expect(names(...again)).toEqual([PRE.name, LOAD.name]);
  });

  it("are asked when the gate of their phase has passed, and not before", () => {
    expect(names(guarded, begin, judged(1, "pass"))).toEqual([]);
    const through = [guarded, begin, ...passed(1)];
    expect(after(...through)).toMatchObject({ status: "running", phase: 1 });
    expect(names(...through)).toEqual([PRE.name, LOAD.name]);
    const agreed = [...through, webhook(1, PRE.name, "agreed"), webhook(1, LOAD.name, "agreed")];
    expect(after(...agreed)).toMatchObject({ phase: 2, agreed: [] });
  });

  it("hold their phase when one of them refuses, whatever the judge says later", () => {
    const refusing = [guarded, begin, ...passed(1), webhook(1, LOAD.name, "refused")];
    expect(after(...refusing, judged(1, "pass"), judged(1, "pass"))).toMatchObject({
      status: "paused",
      phase: 1,
      pause: { why: "webhook" },
    });
  });

  it("are not heard twice, nor by a name or for a phase that the plan does not know", () => {
    const agreed = [guarded, begin, webhook(1, PRE.name, "agreed")];
    for (const late of [
      webhook(1, PRE.name, "refused"),
      webhook(0, PRE.name, "refused"),
      webhook(1, "other", "refused"),
    ]) {
      expect(outcomeOf(...agreed, late)?.kind).toBe("unchanged");
    }
  });
});

describe("an approval", () => {
  const guarded = (phase: number) =>
    start({
      plan: planWith({
        phases: [FIRST, SECOND, THIRD].map((of, index) => ({ ...of, approval: index === phase - 1 })),
      }),
    });

  it("is waited for before phase 1", () => {
    const waiting = [guarded(1), begin];
    expect(after(...waiting)).toMatchObject({ status: "paused", phase: 0, pause: { why: "approval" } });
    expect(after(...waiting, approve(1))).toMatchObject({ status: "running", phase: 1 });
  });

  it("is waited for behind a phase that has passed", () => {
    const waiting = [guarded(2), begin, ...passed(1)];
    expect(after(...waiting)).toMatchObject({ status: "paused", phase: 1, pause: { why: "approval" } });
    expect(after(...waiting, approve(2))).toMatchObject({ status: "running", phase: 2 });
  });

  it("may be given beforehand", () => {
    expect(after(guarded(2), approve(2), begin, ...passed(1))).toMatchObject({ status: "running", phase: 2 });
  });

  it("does not lead a failing canary forward: its phase has to pass again", () => {
    const failing = [guarded(2), begin, ...passed(1), judged(1, "fail"), approve(2)];
    expect(after(...failing)).toMatchObject({ status: "running", phase: 1, approved: [2] });
    expect(after(...failing, judged(1, "pass"), judged(1, "pass"))).toMatchObject({ phase: 2 });
  });
});
