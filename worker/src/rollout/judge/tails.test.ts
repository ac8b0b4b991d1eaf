import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { binomialLower, binomialUpper, hypergeometricUpper, normalUpper } from "./tails.ts";

function choose(n: number, k: number): bigint {
  let result = 1n;
  for (let i = 0; i < k; i += 1) result = (result * BigInt(n - i)) / BigInt(i + 1);
  return k < 0 || k > n ? 0n : result;
}

const error = (found: number, exact: number): number => Math.abs(found / exact - 1);

describe("the tails", () => {
  it("are the exact sums of the hypergeometric distribution", () => {
    fc.assert(
      fc.property(fc.nat(60), fc.nat(60), fc.nat(60), fc.nat(60), (group, rest, marked, x) => {
        const all = group + rest;
        fc.pre(marked <= all && x > (group * marked) / Math.max(1, all) && x <= Math.min(group, marked));
        let sum = 0n;
        for (let k = x; k <= marked; k += 1) sum += choose(group, k) * choose(rest, marked - k);
        const exact = Number(sum) / Number(choose(all, marked));
        expect(error(hypergeometricUpper(x, group, marked, all), exact)).toBeLessThan(1e-8);
      }),
    );
  });

  it("are the exact sums of the binomial distribution", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 80 }),
        fc.nat(80),
        fc.double({ min: 0.01, max: 0.9, noNaN: true }),
        (n, x, p) => {
          fc.pre(x <= n && x > n * p);
          let sum = 0;
          for (let k = x; k <= n; k += 1) sum += Number(choose(n, k)) * p ** k * (1 - p) ** (n - k);
          expect(error(binomialUpper(x, n, p), sum)).toBeLessThan(1e-8);
        },
      ),
    );
  });

  it("hold for large samples, and at their ends", () => {
    // Of 1,000,000 coins, 5 standard deviations above the mean: the normal tail, nearly.
    expect(binomialUpper(502_500, 1_000_000, 0.5) / normalUpper(4.999)).toBeCloseTo(1, 1);
    expect(binomialUpper(11, 10, 0.5)).toBe(0);
    expect(binomialUpper(0, 10, 0.5)).toBe(1);
    expect(binomialLower(0, 44, 0.1)).toBeCloseTo(0.9 ** 44, 8);
    expect(hypergeometricUpper(0, 0, 0, 0)).toBe(1);
  });

  it("are those of the standard normal distribution", () => {
    for (const [z, exact] of [
      [0, 0.5],
      [1.959964, 0.025],
      [4, 3.167124e-5],
      [6, 9.865876e-10],
    ] as const) {
      expect(normalUpper(z) / exact).toBeCloseTo(1, 5);
    }
    expect(normalUpper(-4)).toBeCloseTo(1, 4);
  });
});
