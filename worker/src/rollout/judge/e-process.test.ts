import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { logEvidence, logEvidenceAbove } from "./e-process.ts";
import { nearestNull, type Split } from "./split.ts";

const split = (canary: readonly [number, number], stable: readonly [number, number]): Split => ({
  canary: { hits: canary[0], trials: canary[1] },
  stable: { hits: stable[0], trials: stable[1] },
});

const part = fc.double({ min: 0.001, max: 0.999, noNaN: true });

describe("the nearest explanation by chance", () => {
  it("makes one request worth at most 1 in the mean, whatever allowed pair of coins is true", () => {
    fc.assert(
      fc.property(part, part, part, part, fc.constantFrom(0, 0.005, 0.05), (high, low, truth, q, margin) => {
        fc.pre(high > low + margin + 1e-3 && truth + margin < 1);
        const stable = nearestNull(high, low, q, margin);
        const canary = stable + margin;
        const worth = (p: number, bad: number, good: number): number =>
          (p * bad) / good + ((1 - p) * (1 - bad)) / (1 - good);
        for (const canaryTruth of [truth, truth + margin]) {
          const mean = q * worth(canaryTruth, high, canary) + (1 - q) * worth(truth, low, stable);
          expect(mean).toBeLessThanOrEqual(1 + 1e-4);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("evidence", () => {
  it("is beyond 20,000 when four of four fail beside three dozen good ones", () => {
    expect(Math.exp(logEvidence([split([4, 4], [0, 36])], 0.1, 0.005))).toBeGreaterThan(20_000);
  });

  it("is none when both lanes fail alike", () => {
    expect(logEvidence([split([50, 100], [450, 900])], 0.1, 0.005)).toBeLessThan(0);
  });

  it("is none for a canary that is asked more often for a route that always fails", () => {
    const broken = split([40, 40], [10, 10]);
    const good = split([0, 60], [0, 890]);
    expect(logEvidence([broken, good], 0.1, 0.005)).toBeLessThan(0);
  });

  it("does not grow with good answers of the canary", () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 20 }), fc.nat(200), fc.nat(500), (bad, good, stable) => {
        const less = logEvidence([split([bad, bad + good], [0, stable + 20])], 0.1, 0.005);
        const more = logEvidence([split([bad, bad + good + 50], [0, stable + 20])], 0.1, 0.005);
        expect(Math.max(0, more)).toBeLessThanOrEqual(Math.max(0, less));
      }),
      { numRuns: 500 },
    );
  });

  it("is none for fewer than three, where one client's bad luck explains it", () => {
    expect(logEvidence([split([2, 2], [0, 1_000])], 0.1, 0.005)).toBe(-Infinity);
    expect(logEvidenceAbove({ hits: 2, trials: 2 }, 0.02)).toBe(-Infinity);
  });

  it("grows above a limit where there is no lane to compare with, and not at it", () => {
    expect(Math.exp(logEvidenceAbove({ hits: 4, trials: 4 }, 0.02))).toBeGreaterThan(20_000);
    expect(logEvidenceAbove({ hits: 20, trials: 1_000 }, 0.02)).toBeLessThan(0);
  });
});
