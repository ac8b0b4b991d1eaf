import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PHASE_SHARES, type RolloutState } from "../../worker/src/rollout/contract.ts";
import { readGate } from "./gate.ts";
import { DEFAULT_GATE, type GatePolicy, type TrafficPhase } from "./release-events.ts";

const ID = "rollout-1";
const NONE = { read: { requests: 0, errors: 0 }, write: { requests: 0, errors: 0 } };

function state(change: Partial<RolloutState>, reads = 0, writes = 0): RolloutState {
  return {
    id: ID,
    status: "active",
    phase: 1,
    shares: PHASE_SHARES[1],
    release: null,
    gate: { maxErrorShare: 0.02, minSample: 50 },
    counts: {
      stable: NONE,
      canary: { read: { requests: reads, errors: 0 }, write: { requests: writes, errors: 0 } },
    },
    startedAt: null,
    phaseStartedAt: null,
    updatedAt: null,
    firstErrorAt: null,
    endedAt: null,
    reason: null,
    transitions: [],
    ...change,
  };
}

const read = (
  rollout: RolloutState,
  elapsedMs: number,
  policy: GatePolicy = DEFAULT_GATE,
  phase: TrafficPhase = 1,
) => readGate(rollout, ID, phase, policy, 1_000, 1_000 + elapsedMs);

describe("a gate", () => {
  it("passes with the sample and the interval, not with one of them", () => {
    expect(read(state({}, 50), DEFAULT_GATE.intervalMs).verdict).toBe("pass");
    expect(read(state({}, 49), DEFAULT_GATE.intervalMs).verdict).toBe("waiting");
    expect(read(state({}, 50), DEFAULT_GATE.intervalMs - 1).verdict).toBe("waiting");
  });

  it("tells what it waits for: the sample, and the time that must pass at least", () => {
    const policy = { ...DEFAULT_GATE, intervalMs: 2_000, minSample: 400 };
    expect(read(state({}, 12), 3_000, policy).reason).toBe(
      "12 canary requests, 0 errors (0.0 %); 400 needed, 3 s (at least 2 s)",
    );
  });

  it("counts reads and writes together", () => {
    expect(read(state({}, 20, 30), DEFAULT_GATE.intervalMs)).toMatchObject({ verdict: "pass", requests: 50 });
  });

  it("is inconclusive when the sample does not come in time", () => {
    expect(read(state({}, 49), DEFAULT_GATE.maxWaitMs).verdict).toBe("inconclusive");
  });

  it("waits for the interval even when that is longer than the longest wait", () => {
    const policy = { ...DEFAULT_GATE, intervalMs: 60_000, maxWaitMs: 10_000 };
    expect(read(state({}, 0), 10_000, policy).verdict).toBe("waiting");
  });

  it("fails with the hub's reason when the hub has taken the release back, however many requests were seen", () => {
    const reading = read(state({ status: "rolled-back", reason: "gate: 20 of 60" }, 10_000), 1e9);
    expect(reading).toMatchObject({ verdict: "fail", reason: "gate: 20 of 60" });
  });

  it("fails when another rollout has taken its place", () => {
    expect(read(state({ id: "rollout-2" }, 100), 1e9).verdict).toBe("fail");
  });

  it("passes when someone else has moved the rollout on", () => {
    expect(read(state({ phase: 2 }), 0).verdict).toBe("pass");
    expect(read(state({ status: "promoted", phase: 3 }), 0).verdict).toBe("pass");
  });

  it("comes to a verdict in bounded time, whatever is counted", () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.nat(),
        fc.nat(1e7),
        fc.nat(1e6),
        fc.nat(1e7),
        (reads, minSample, intervalMs, wait, over) => {
          const policy = { ...DEFAULT_GATE, intervalMs, minSample, maxWaitMs: wait };
          const { verdict } = read(state({}, reads), Math.max(intervalMs, wait) + over, policy);
          expect(verdict).toBe(reads >= minSample ? "pass" : "inconclusive");
        },
      ),
    );
  });
});
