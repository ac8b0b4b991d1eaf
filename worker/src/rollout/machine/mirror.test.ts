import { describe, expect, it } from "vitest";
import {
  after,
  alarm,
  approve,
  begin,
  FIRST,
  hold,
  judged,
  MAX_WAIT_MS,
  outcomeOf,
  planWith,
  PRE,
  promote,
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
import { dueWebhooks } from "./machine.ts";

const MIRROR = { soakMs: SOAK_MS, maxWaitMs: MAX_WAIT_MS };
const plan = planWith({ mirror: MIRROR });
const opened: readonly Step[] = [start({ plan }), begin];
const copied: readonly Step[] = [judged(0, "pass"), SOAK_MS, judged(0, "pass")];

describe("copies of reads before phase 1", () => {
  it("are waited for at 0 %, and passed like a phase", () => {
    expect(after(...opened)).toMatchObject({ status: "preparing", phase: 0, shares: { read: 0 } });
    expect(after(...opened, ...copied)).toMatchObject({
      status: "running",
      phase: 1,
      shares: { read: 10 },
      judgement: null,
      streak: null,
      reason: "the release was checked, and its answers to copies of reads have passed",
    });
  });

  it("are judged only once the release was checked", () => {
    expect(outcomeOf(start({ plan }), judged(0, "fail"))?.kind).toBe("unchanged");
    expect(outcomeOf(start({ plan }), alarm(0))?.kind).toBe("unchanged");
    expect(outcomeOf(start(), begin, judged(0, "fail"))?.kind).toBe("unchanged");
  });

  it("take a bad canary back before anybody has met it", () => {
    for (const bad of [[alarm(0)], [judged(0, "fail"), judged(0, "fail")]]) {
      expect(after(...opened, ...bad)).toMatchObject({ status: "rolled-back", phase: 0 });
    }
  });

  it("freeze one that is not safe to take back", () => {
    const unsafe = { safe: false, why: "the old hub cannot read the new rows" } as const;
    const frozen = [start({ plan, rollback: unsafe }), begin, alarm(0)];
    expect(after(...frozen)).toMatchObject({ status: "frozen", phase: 0 });
    expect(after(...frozen, resume(0, true))).toMatchObject({ status: "preparing", phase: 0, streak: null });
  });

  it("are held when too little was seen, and go on by themselves, but after as many passes as a phase needs", () => {
    const held = [...opened, judged(0, "inconclusive"), MAX_WAIT_MS, tick];
    expect(after(...held)).toMatchObject({
      status: "paused",
      pause: { why: "inconclusive" },
      reason: expect.stringContaining("too little was seen in the copies of reads"),
    });
    expect(after(...held, judged(0, "pass"))).toMatchObject({ status: "paused", phase: 0 });
    expect(after(...held, judged(0, "pass"), judged(0, "pass"))).toMatchObject({
      status: "running",
      phase: 1,
    });
  });

  it("are ended by a word, unless they fail", () => {
    expect(after(...opened, promote(0))).toMatchObject({ status: "running", phase: 1 });
    expect(outcomeOf(...opened, judged(0, "fail"), promote(0))).toMatchObject({
      refusal: { kind: "failing" },
    });
  });

  it("stop while somebody holds the rollout, and begin anew with it", () => {
    const held = [...opened, judged(0, "pass"), judged(0, "pass"), 1_000, hold(0), SOAK_MS];
    expect(after(...held, ...copied)).toMatchObject({ status: "paused", phase: 0 });
    const resumed = [...held, resume(0)];
    expect(after(...resumed)).toMatchObject({
      status: "preparing",
      phaseStartedAt: time(SOAK_MS + 1_000),
      judgement: null,
      streak: null,
    });
    expect(after(...resumed, tick)).toMatchObject({ status: "preparing", phase: 0 });
    expect(after(...resumed, ...copied)).toMatchObject({ status: "running", phase: 1 });
  });

  it("begin with the rollout that was held before it was checked", () => {
    const held = [start({ plan }), hold(0), begin, SOAK_MS, resume(0)];
    expect(after(...held)).toMatchObject({ status: "preparing", phaseStartedAt: time(SOAK_MS) });
    const unchecked = [start({ plan }), hold(0), resume(0)];
    expect(after(...unchecked)).toMatchObject({ status: "preparing", phaseStartedAt: null });
  });

  it("are told of in the history", () => {
    expect(after(...opened).reason).toBe("the release was checked; waits for copies of reads");
  });

  it("are no reason to ask before phase 1 later, or not to ask", () => {
    const asking = planWith({ mirror: MIRROR, pre: [PRE] });
    const waits = [start({ plan: asking }), begin];
    expect(dueWebhooks(after(...waits), time(0)).map(({ name }) => name)).toEqual([PRE.name]);
    expect(after(...waits, ...copied)).toMatchObject({ status: "preparing", phase: 0 });
    expect(after(...waits, ...copied, webhook(0, PRE.name, "agreed"))).toMatchObject({ phase: 1 });
    expect(after(...waits, webhook(0, PRE.name, "agreed"), SOAK_MS, tick)).toMatchObject({ phase: 0 });
  });

  it("stand before an approval of phase 1", () => {
    const first = { ...FIRST, approval: true };
    const steps = [
      start({ plan: planWith({ mirror: MIRROR, phases: [first, SECOND, THIRD] }) }),
      begin,
      ...copied,
    ];
    expect(after(...steps)).toMatchObject({ status: "paused", phase: 0, pause: { why: "approval" } });
    expect(after(...steps, approve(1))).toMatchObject({ status: "running", phase: 1 });
    const failing = [...steps, judged(0, "fail"), approve(1)];
    expect(after(...failing)).toMatchObject({ status: "preparing", phase: 0, streak: null });
  });

  it("are passed by a dry run when their soak is over", () => {
    const dry = planWith({ mirror: { ...MIRROR, gate: { dryRun: true } } });
    const failing = [start({ plan: dry }), begin, alarm(0), judged(0, "fail"), judged(0, "fail")];
    expect(after(...failing)).toMatchObject({ status: "preparing", phase: 0 });
    expect(after(...failing, SOAK_MS, tick)).toMatchObject({ status: "running", phase: 1 });
  });

  it("may be given up by anybody", () => {
    expect(after(...opened, rollback())).toMatchObject({ status: "rolled-back", phase: 0 });
  });
});
