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

  it("gives the canary archiver no work where the release brings no new archiver", () => {
    expect(viewOf(open(false)).shares).toEqual({ ...SHARES, background: 0 });
  });
});
