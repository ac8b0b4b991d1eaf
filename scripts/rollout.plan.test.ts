import { describe, expect, it } from "vitest";
import { planFaults } from "../worker/src/rollout/plan.ts";
import plan from "./rollout.plan.ts";

describe("the rollout plan that comes with the blueprint", () => {
  it("has three phases: a tenth of reads; all reads and a tenth of the rest; everything", () => {
    expect(plan.phases.map(({ shares }) => shares)).toEqual([
      { read: 10, write: 0, background: 0 },
      { read: 100, write: 10, background: 10 },
      { read: 100, write: 100, background: 100 },
    ]);
  });

  it("is valid, and takes a bad release back", () => {
    expect(planFaults(plan)).toEqual([]);
    expect(plan.onFail).toBe("roll-back");
    expect(plan.phases.filter(({ gate }) => gate.dryRun)).toEqual([]);
  });

  it("soaks each phase for some minutes, through more verdicts than it needs", () => {
    for (const { soakMs, gate } of plan.phases) {
      expect(soakMs).toBeGreaterThanOrEqual(2 * 60_000);
      expect(soakMs / plan.intervalMs).toBeGreaterThan(gate.passLimit);
    }
  });
});
