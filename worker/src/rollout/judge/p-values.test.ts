import { describe, expect, it } from "vitest";
import { bucketOf, addHistograms } from "./histogram.ts";
import type { Histogram } from "../contract.ts";
import { equalSharesP, exceedance, greaterNumbersP, marginP, smallerNumbersP } from "./p-values.ts";
import type { Split } from "./split.ts";
import { Random } from "./testbed/random.ts";
import { histogramOf } from "./testbed/simulation.ts";

const split = (canary: readonly [number, number], stable: readonly [number, number]): Split => ({
  canary: { hits: canary[0], trials: canary[1] },
  stable: { hits: stable[0], trials: stable[1] },
});

const draw = (count: number, make: () => number): number[] => Array.from({ length: count }, make);

describe("the test of equal shares", () => {
  it("is Fisher's for one route: his lady tasting tea", () => {
    expect(equalSharesP([split([4, 4], [0, 4])])).toBeCloseTo(1 / 70, 10);
    expect(equalSharesP([split([3, 4], [1, 4])])).toBeCloseTo(17 / 70, 10);
  });

  it("sees no difference where only the mix of routes differs", () => {
    const mixed = [split([45, 90], [5, 10]), split([0, 10], [0, 890])];
    expect(equalSharesP(mixed)).toBeGreaterThan(0.1);
    expect(equalSharesP([split([45, 100], [5, 900])])).toBeLessThan(1e-9);
  });

  it("rejects seldom when the lanes are equal: no more often than it says", () => {
    const random = new Random(5);
    const runs = 4_000;
    const hits = (trials: number, share: number): number =>
      draw(trials, () => (random.chance(share) ? 1 : 0)).reduce((a, b) => a + b, 0);
    let rejected = 0;
    for (let run = 0; run < runs; run += 1) {
      const routes = [0.02, 0.2].map((share) => split([hits(20, share), 20], [hits(80, share), 80]));
      if (equalSharesP(routes) <= 0.05) rejected += 1;
    }
    // Three standard deviations above 5 %.
    expect(rejected / runs).toBeLessThan(0.05 + 3 * Math.sqrt((0.05 * 0.95) / runs));
  });
});

describe("the test at a margin", () => {
  it("allows what the margin allows, and no more", () => {
    expect(marginP(split([60, 10_000], [100, 90_000]), 0.005)).toBeGreaterThan(0.1);
    expect(marginP(split([110, 10_000], [100, 90_000]), 0.005)).toBeLessThan(1e-6);
  });

  it("stays near the exact tail for few errors", () => {
    const exact = 1.7e-4; // P(X ≥ 5) for a Poisson mean of 0.5
    const found = marginP(split([5, 1_000], [500, 1_000_000]), 0);
    expect(found / exact).toBeGreaterThan(0.5);
    expect(found / exact).toBeLessThan(3);
  });
});

describe("the test of a quantile", () => {
  const allowed = (stable: number): number => Math.max(stable * 1.25, stable + 50);

  it("asks how many are above what is allowed", () => {
    const pair = {
      canary: histogramOf([320, 330, 340, 20]),
      stable: histogramOf(Array.from({ length: 100 }, (_, i) => i + 1)),
    };
    expect(exceedance(pair, 0.95, allowed)?.canary).toEqual({ hits: 3, trials: 4 });
    expect(exceedance(pair, 0.95, allowed)?.stable.trials).toBe(100);
  });

  it("rejects seldom at the edge of what is allowed, whatever the quantile", () => {
    const random = new Random(11);
    const runs = 1_000;
    for (const q of [0.5, 0.95, 0.99]) {
      let rejected = 0;
      for (let run = 0; run < runs; run += 1) {
        const value = (): number => random.logNormal(30, 0.6);
        const pair = {
          canary: histogramOf(draw(30, () => allowed(value()))),
          stable: histogramOf(draw(200, value)),
        };
        const found = exceedance(pair, q, allowed);
        if (found !== null && equalSharesP([found]) <= 0.05) rejected += 1;
      }
      expect(rejected / runs).toBeLessThan(0.05 + 3 * Math.sqrt((0.05 * 0.95) / runs));
    }
  });

  it("is not asked of a lane without values", () => {
    expect(exceedance({ canary: [], stable: [[90, 5]] }, 0.5, allowed)).toBeNull();
    expect(exceedance({ canary: [[90, 5]], stable: [] }, 0.5, allowed)).toBeNull();
  });
});

describe("the test of a feature's numbers", () => {
  const random = new Random(3);
  const rows = (count: number, factor: number): Histogram =>
    histogramOf(draw(count, () => factor * random.logNormal(40, 0.8)));
  const rate = (count: number, hits: number): Histogram => [
    [0, count - hits],
    [bucketOf(1), hits],
  ];

  it("sees three times as much in long tails", () => {
    expect(greaterNumbersP({ canary: rows(60, 3), stable: rows(500, 1) }, 1.5)).toBeLessThan(1e-4);
  });

  it("allows the factor", () => {
    expect(greaterNumbersP({ canary: rows(400, 1.3), stable: rows(4_000, 1) }, 1.5)).toBeGreaterThan(0.5);
  });

  it("sees a rate of hits fall", () => {
    expect(smallerNumbersP({ canary: rate(100, 40), stable: rate(900, 800) }, 1.25)).toBeLessThan(1e-6);
    expect(smallerNumbersP({ canary: rate(100, 80), stable: rate(900, 800) }, 1.25)).toBeGreaterThan(0.1);
  });

  it("is not swayed by one wild value", () => {
    const wild = addHistograms(rows(50, 1), [[200, 1]]);
    expect(greaterNumbersP({ canary: wild, stable: rows(500, 1) }, 1.5)).toBeGreaterThan(0.01);
  });
});
