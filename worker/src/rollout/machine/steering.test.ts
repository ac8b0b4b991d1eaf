import { describe, expect, it } from "vitest";
import {
  after,
  alarm,
  approve,
  begin,
  complete,
  FIRST,
  goOn,
  hold,
  judged,
  LOAD,
  MAX_WAIT_MS,
  outcomeOf,
  passed,
  planWith,
  PRE,
  promote,
  promoting,
  REASONS,
  resume,
  rollback,
  SECOND,
  SOAK_MS,
  start,
  THIRD,
  tick,
  time,
  webhook,
  type Step,
} from "./example.ts";

const running = [start(), begin];
const unsafe = start({ rollback: { safe: false, why: "the old hub cannot read the new rows" } });
const approved = start({ plan: planWith({ phases: [FIRST, { ...SECOND, approval: true }, THIRD] }) });

describe("begin", () => {
  it("is obeyed once: a repeat changes nothing", () => {
    const begun = after(...running);
    expect(outcomeOf(...running, begin)).toEqual({ kind: "unchanged", state: begun });
  });

  it("does not lead out of a hold: that takes `resume`", () => {
    const held = [start(), hold(0), begin];
    expect(after(...held)).toMatchObject({ status: "paused", phase: 0, pause: { why: "operator" } });
    expect(after(...held, resume(0), tick)).toMatchObject({ status: "running", phase: 1 });
  });

  it("is what a resumed rollout still waits for when it was not said", () => {
    expect(after(start(), hold(0), resume(0), tick)).toMatchObject({ status: "preparing" });
  });
});

describe("the phase to stop at", () => {
  const stopped = [start({ upTo: 1 }), begin, ...passed(1)];

  it("is stopped at when it has passed, with its shares", () => {
    expect(after(...stopped)).toMatchObject({
      status: "paused",
      phase: 1,
      shares: { read: 10 },
      pause: { why: "reached", missing: "phase 1 is the one to stop at" },
    });
  });

  it("is left by naming a later one", () => {
    expect(after(...stopped, goOn(2))).toMatchObject({ status: "running", phase: 2, upTo: 2 });
    expect(after(...stopped, goOn(2), ...passed(2))).toMatchObject({ status: "paused", phase: 2 });
  });

  it("is left for good by naming none", () => {
    const through = [...stopped, goOn(null), ...passed(2), ...passed(3)];
    expect(after(...through)).toMatchObject({ status: "promoting", upTo: null });
  });

  it.each([
    ["promote", promote],
    ["resume", resume],
  ])("is left for one phase by `%s`", (_, command) => {
    expect(after(...stopped, command(1))).toMatchObject({ status: "running", phase: 2, upTo: 2 });
    const last = [start({ upTo: 3 }), begin, ...passed(1), ...passed(2), ...passed(3)];
    expect(after(...last)).toMatchObject({ status: "paused", phase: 3 });
    expect(after(...last, command(3))).toMatchObject({ status: "promoting", upTo: null });
  });

  it("is not left while the canary fails: its phase has to pass again", () => {
    const failing = [...stopped, judged(1, "fail")];
    expect(outcomeOf(...failing, promote(1))).toMatchObject({ refusal: { kind: "failing" } });
    expect(after(...failing, goOn(null))).toMatchObject({ status: "running", phase: 1, upTo: null });
  });

  it("may be changed on the way, but not to a phase behind or to one that there is not", () => {
    expect(after(start({ upTo: 3 }), begin, goOn(1), ...passed(1))).toMatchObject({
      status: "paused",
      phase: 1,
    });
    expect(outcomeOf(...running, ...passed(1), goOn(1))?.kind).toBe("unchanged");
    expect(outcomeOf(...running, goOn(4))).toMatchObject({
      refusal: { kind: "wrong-phase", asked: 4, phase: 1, phases: 3 },
    });
  });
});

describe("promote", () => {
  it("ends the soak, and accepts that nothing was seen", () => {
    expect(after(...running, promote(1))).toMatchObject({ status: "running", phase: 2 });
    expect(after(...running, MAX_WAIT_MS, tick, promote(1))).toMatchObject({ status: "running", phase: 2 });
  });

  it("does not wait for a webhook that did not agree", () => {
    const guarded = start({
      plan: planWith({ pre: [PRE], phases: [{ ...FIRST, webhooks: [LOAD] }, SECOND, THIRD] }),
    });
    const silent = [guarded, begin, webhook(0, PRE.name, "unreachable"), promote(0)];
    expect(after(...silent)).toMatchObject({ status: "running", phase: 1 });
    expect(after(...silent, ...passed(1), webhook(1, LOAD.name, "unreachable"), promote(1))).toMatchObject({
      phase: 2,
    });
  });

  it("changes nothing for a phase that is behind, and is refused for one that is ahead", () => {
    const second = [...running, promote(1)];
    expect(outcomeOf(...second, promote(1))).toEqual({ kind: "unchanged", state: after(...second) });
    expect(outcomeOf(...second, promote(3))).toMatchObject({
      refusal: { kind: "wrong-phase", asked: 3, phase: 2 },
    });
  });

  it("is refused while the newest verdict is fail", () => {
    expect(outcomeOf(...running, judged(1, "fail"), promote(1))).toMatchObject({
      refusal: { kind: "failing", reason: REASONS.fail },
    });
    expect(after(...running, judged(1, "fail"), judged(1, "error"), promote(1))).toMatchObject({ phase: 2 });
  });

  it("stops before a phase that needs an approval, and does not give it", () => {
    const waiting = [approved, begin, promote(1)];
    expect(after(...waiting)).toMatchObject({ status: "paused", phase: 1, pause: { why: "approval" } });
    expect(outcomeOf(...waiting, promote(1))?.kind).toBe("unchanged");
  });

  it("is refused in the phase to stop at until that has passed, so that a repeat cannot lead past it", () => {
    expect(outcomeOf(start({ upTo: 1 }), begin, promote(1))).toMatchObject({
      refusal: { kind: "out-of-order" },
    });
  });

  it("does not stand in for `begin`", () => {
    expect(outcomeOf(start(), promote(0))).toMatchObject({ refusal: { kind: "out-of-order" } });
  });
});

describe("hold and resume", () => {
  const held = [...running, { ...hold(1), reason: "the office is empty" }];

  it("hold keeps the shares and says who holds it and why", () => {
    expect(after(...held)).toMatchObject({
      status: "paused",
      shares: { read: 10 },
      pause: { why: "operator", missing: "ada holds it until `resume`" },
      reason: "held in phase 1: the office is empty",
    });
  });

  it("resume goes on where it was; what passed in the pause counts", () => {
    const passing = [...held, judged(1, "pass"), SOAK_MS, judged(1, "pass"), resume(1)];
    expect(after(...passing)).toMatchObject({ status: "running", phase: 1 });
    expect(after(...passing, tick)).toMatchObject({ status: "running", phase: 2 });
  });

  it("a repeat of either changes nothing", () => {
    expect(outcomeOf(...held, hold(1))?.kind).toBe("unchanged");
    expect(outcomeOf(...held, resume(1), resume(1))?.kind).toBe("unchanged");
  });

  it("a hold makes a pause firm that would have ended by itself, or by another's command", () => {
    const inconclusive = [...running, MAX_WAIT_MS, tick, hold(1), judged(1, "pass"), judged(1, "pass")];
    expect(after(...inconclusive)).toMatchObject({ status: "paused", pause: { why: "operator" } });
    const awaiting = [approved, begin, ...passed(1), hold(1), approve(2)];
    expect(after(...awaiting)).toMatchObject({ status: "paused", phase: 1, approved: [2] });
    expect(after(...awaiting, resume(1), tick)).toMatchObject({ status: "running", phase: 2 });
  });

  it("resume gives a phase without its sample as long again", () => {
    const again: readonly Step[] = [
      ...running,
      judged(1, "inconclusive"),
      MAX_WAIT_MS,
      tick,
      1_000,
      resume(1),
    ];
    expect(after(...again, MAX_WAIT_MS - 1, tick)).toMatchObject({ status: "running" });
    expect(after(...again, MAX_WAIT_MS, tick)).toMatchObject({ status: "paused" });
  });

  it("resume lets errors be counted anew", () => {
    const blind = [judged(1, "error"), judged(1, "error"), judged(1, "error")];
    const again = [...running, ...blind, resume(1), judged(1, "error"), judged(1, "error")];
    expect(after(...again)).toMatchObject({ status: "running" });
    expect(after(...again, judged(1, "error"))).toMatchObject({ status: "paused" });
  });

  it("resume does not give an approval", () => {
    expect(outcomeOf(approved, begin, ...passed(1), resume(1))).toMatchObject({
      refusal: { kind: "needs-approval", phase: 2 },
    });
    const stopped = { ...approved, upTo: 1 };
    expect(outcomeOf(stopped, begin, ...passed(1), resume(1))).toMatchObject({
      refusal: { kind: "needs-approval", phase: 2 },
    });
  });

  it("a promotion cannot be held: it is completed or taken back", () => {
    const promoted = [...running, promote(1), promote(2), promote(3)];
    expect(outcomeOf(...promoted, hold(3))).toMatchObject({ refusal: { kind: "out-of-order" } });
  });
});

describe("rollback", () => {
  it("takes everything back at once, whatever the phase", () => {
    expect(after(...running, rollback())).toMatchObject({
      status: "rolled-back",
      phase: 1,
      shares: { read: 0, write: 0, background: 0 },
      reason: "customers complain",
    });
    expect(after(start(), rollback())).toMatchObject({ status: "rolled-back", phase: 0 });
  });

  it("that names a phase is obeyed only while it is in that phase", () => {
    expect(after(...running, rollback({ phase: 1 }))).toMatchObject({ status: "rolled-back" });
    const second = [...running, promote(1)];
    expect(outcomeOf(...second, rollback({ phase: 1 }))).toEqual({
      kind: "unchanged",
      state: after(...second),
    });
    expect(outcomeOf(...running, rollback({ phase: 2 }))).toMatchObject({
      refusal: { kind: "wrong-phase", asked: 2, phase: 1 },
    });
  });

  it("freezes a rollout that is not safe to take back, and keeps its shares", () => {
    const frozen = [unsafe, begin, rollback()];
    expect(after(...frozen)).toMatchObject({
      status: "frozen",
      shares: { read: 10 },
      closedAt: null,
      reason: "customers complain; not taken back: the old hub cannot read the new rows",
    });
    expect(outcomeOf(...frozen, rollback())?.kind).toBe("unchanged");
  });

  it("is forced all the same, and then says what that leaves", () => {
    expect(after(unsafe, begin, alarm(1), rollback({ force: true }))).toMatchObject({
      status: "rolled-back",
      reason: "customers complain; forced although the old hub cannot read the new rows",
    });
  });

  it("needs no force where only the plan has frozen it", () => {
    const frozen = [start({ plan: planWith({ onFail: "freeze" }) }), begin, alarm(1)];
    expect(after(...frozen, rollback())).toMatchObject({ status: "rolled-back" });
  });
});

describe("a frozen rollout", () => {
  const frozen = [unsafe, begin, judged(1, "fail"), judged(1, "fail")];

  it("is left by force only", () => {
    expect(after(...frozen)).toMatchObject({ status: "frozen" });
    for (const command of [resume(1), hold(1), promote(1), approve(2), goOn(2)]) {
      expect(outcomeOf(...frozen, command)).toMatchObject({ refusal: { kind: "not-safe" } });
    }
    expect(after(...frozen, resume(1, true))).toMatchObject({ status: "running", phase: 1, streak: null });
  });

  it("is still judged for whoever watches it, and no verdict moves it", () => {
    const better = after(...frozen, judged(1, "pass"), judged(1, "pass"), SOAK_MS, tick);
    expect(better).toMatchObject({ status: "frozen", judgement: { verdict: "pass" }, revision: 3 });
  });

  it("may not be promoted after it was resumed until it no longer fails", () => {
    const resumed = [...frozen, resume(1, true)];
    expect(outcomeOf(...resumed, promote(1))).toMatchObject({ refusal: { kind: "failing" } });
    expect(after(...resumed, judged(1, "inconclusive"), promote(1))).toMatchObject({ phase: 2 });
  });

  it("goes back into the promotion that it was frozen in", () => {
    const promotion = [unsafe, begin, promote(1), promote(2), promote(3), promoting("archiver"), alarm(3)];
    expect(after(...promotion)).toMatchObject({ status: "frozen", promoted: ["archiver"] });
    expect(after(...promotion, resume(3, true))).toMatchObject({ status: "promoting" });
  });
});

describe("the history", () => {
  it("has every transition with when, who and why", () => {
    const state = after(start(), 1_000, begin, ...passed(1), { ...hold(2), by: "bo" });
    expect(
      state.transitions.map(({ at, status, phase, by, reason }) => [at, status, phase, by, reason]),
    ).toEqual([
      [time(0), "preparing", 0, "ada", "started: r-3f2a9c01d4e5"],
      [time(1_000), "running", 1, "ada", "the release was checked"],
      [time(1_000 + SOAK_MS), "running", 2, "judge", "phase 1 has passed"],
      [time(1_000 + SOAK_MS), "paused", 2, "bo", "held in phase 2"],
    ]);
    expect(state.revision).toBe(4);
  });

  it("knows a command that came for another rollout, and refuses it", () => {
    expect(outcomeOf(...running, { ...complete, id: "rollout-0" })).toMatchObject({
      refusal: { kind: "unknown", id: "rollout-1" },
    });
  });
});
