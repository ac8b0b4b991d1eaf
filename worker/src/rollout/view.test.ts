import { describe, expect, it } from "vitest";
import type { RolloutState, WorkerRelease } from "./contract.ts";
import { IDLE_STATE } from "./machine/machine.ts";
import { completePlan } from "./plan.ts";
import { CLOSED_VIEW, viewOf } from "./view.ts";

const SHARES = { read: 100, write: 10, background: 10 };

function open(archiverChanged: boolean): RolloutState {
  const worker = (changed: boolean): WorkerRelease => ({
    tag: "r-000000000001",
    stableVersion: "stable",
    canaryVersion: "canary",
    changed,
  });
  return {
    ...IDLE_STATE,
    id: "rollout",
    status: "running",
    phase: 1,
    shares: SHARES,
    plan: completePlan({ phases: [{ shares: SHARES }, { shares: { write: 100, background: 100 } }] }),
    release: { tag: "r-1", workers: { archiver: worker(archiverChanged), hub: worker(true) } },
  };
}

describe("what an isolate knows of a rollout", () => {
  it("is its shares, while its lane is open", () => {
    expect(viewOf(open(true))).toMatchObject({ id: "rollout", shares: SHARES, canaryVersion: "canary" });
    expect(viewOf({ ...open(true), status: "rolled-back" })).toBe(CLOSED_VIEW);
  });

  it("copies reads in phase 0 once the release was checked, and only while it waits for what they show", () => {
    const plan = completePlan({
      mirror: { read: 40 },
      phases: [{ shares: { read: 100, write: 100, background: 100 } }],
    });
    const before: RolloutState = { ...open(true), status: "preparing", phase: 0, plan };
    const begun = { ...before, phaseStartedAt: "2026-11-22T08:00:00.000Z" };
    const held = (why: "inconclusive" | "approval" | "operator"): RolloutState => ({
      ...begun,
      status: "paused",
      pause: { why, missing: "" },
    });
    const copied = [before, begun, held("inconclusive"), held("approval"), held("operator")];
    expect(copied.map((state) => viewOf(state).mirrorReads)).toEqual([0, 40, 40, 0, 0]);
    expect(viewOf({ ...begun, status: "running", phase: 1 }).mirrorReads).toBe(0);
    expect(viewOf({ ...begun, status: "frozen" }).mirrorReads).toBe(0);
  });

  it("gives the canary archiver no work where the release brings no new archiver", () => {
    expect(viewOf(open(false)).shares).toEqual({ ...SHARES, background: 0 });
  });
});
