import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CountsByLane } from "./contract.ts";
import { NO_COUNTS } from "./counts.ts";
import { DEFAULT_GATE, judge } from "./gate.ts";

function canaryReads(requests: number, errors: number): CountsByLane {
  return { ...NO_COUNTS, canary: { ...NO_COUNTS.canary, read: { requests, errors } } };
}

describe("the gate", () => {
  it("gives no verdict below the sample, however bad the canary is", () => {
    expect(judge(canaryReads(49, 49), DEFAULT_GATE).kind).toBe("inconclusive");
    expect(judge(canaryReads(50, 49), DEFAULT_GATE).kind).toBe("fail");
  });

  it("fails above the share, and passes at it", () => {
    expect(judge(canaryReads(100, 2), DEFAULT_GATE).kind).toBe("pass");
    expect(judge(canaryReads(100, 3), DEFAULT_GATE).kind).toBe("fail");
  });

  it("says in numbers why it failed", () => {
    expect(judge(canaryReads(60, 20), DEFAULT_GATE)).toEqual({
      kind: "fail",
      reason: "gate: 20 of 60 canary requests failed (33.33 %, at most 2 % allowed)",
    });
  });

  it("counts reads and writes of the canary together", () => {
    const half = { requests: 25, errors: 1 };
    const counts = { ...NO_COUNTS, canary: { read: half, write: half } };
    expect(judge(counts, DEFAULT_GATE).kind).toBe("fail");
  });

  it("never looks at the stable lane", () => {
    const stable = { requests: 1_000, errors: 1_000 };
    const counts = { ...canaryReads(100, 0), stable: { read: stable, write: stable } };
    expect(judge(counts, DEFAULT_GATE).kind).toBe("pass");
  });

  it("has no opinion on nothing, even when no sample is asked for", () => {
    expect(judge(NO_COUNTS, { maxErrorShare: 0, minSample: 0 }).kind).toBe("inconclusive");
  });

  it("never turns from fail to pass when one more request fails", () => {
    fc.assert(
      fc.property(fc.nat(1_000), fc.nat(1_000), (ok, errors) => {
        fc.pre(judge(canaryReads(ok + errors, errors), DEFAULT_GATE).kind === "fail");
        expect(judge(canaryReads(ok + errors + 1, errors + 1), DEFAULT_GATE).kind).toBe("fail");
      }),
    );
  });
});
