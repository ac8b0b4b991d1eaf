import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Histogram } from "../contract.ts";
import {
  addHistograms,
  bucketOf,
  countAbove,
  countOf,
  edgeOf,
  LAST_BUCKET,
  LOWEST_VALUE,
  quantile,
  RELATIVE_ERROR,
} from "./histogram.ts";

const histogramOf = (values: readonly number[]): Histogram =>
  values.reduce<Histogram>((sum, value) => addHistograms(sum, [[bucketOf(value), 1]]), []);

const millis = fc.double({ min: 0.02, max: 600_000, noNaN: true });
const q = fc.double({ min: 0, max: 1, noNaN: true });

describe("a histogram", () => {
  it("tells every quantile within its relative error of the exact one", () => {
    fc.assert(
      fc.property(fc.array(millis, { minLength: 1, maxLength: 200 }), q, (values, q) => {
        const exact = values.toSorted((a, b) => a - b)[Math.floor(q * (values.length - 1))] ?? NaN;
        const told = quantile(histogramOf(values), q) ?? NaN;
        expect(Math.abs(told - exact) / exact).toBeLessThanOrEqual(RELATIVE_ERROR + 1e-9);
      }),
    );
  });

  it("is the same whether values are counted together or added later", () => {
    fc.assert(
      fc.property(fc.array(millis), fc.array(millis), (left, right) => {
        expect(addHistograms(histogramOf(left), histogramOf(right))).toEqual(
          histogramOf([...left, ...right]),
        );
      }),
    );
  });

  it("covers from below a millisecond to over an hour in 201 buckets", () => {
    expect(edgeOf(0)).toBe(LOWEST_VALUE);
    expect(edgeOf(LAST_BUCKET)).toBeGreaterThan(3_600_000);
    expect(bucketOf(edgeOf(LAST_BUCKET) * 2)).toBe(LAST_BUCKET);
  });

  it("puts what is no latency into its ends", () => {
    expect([Number.NaN, -5, 0, -Infinity].map(bucketOf)).toEqual([0, 0, 0, 0]);
    expect(bucketOf(Infinity)).toBe(LAST_BUCKET);
    expect(quantile([[0, 3]], 0.5)).toBe(0);
  });

  it("counts as above only what is surely above", () => {
    fc.assert(
      fc.property(fc.array(millis, { maxLength: 50 }), millis, (values, limit) => {
        const above = countAbove(histogramOf(values), limit);
        expect(above).toBeLessThanOrEqual(values.filter((value) => value > limit).length);
        const wide = limit * (1 + 2.2 * RELATIVE_ERROR);
        expect(above).toBeGreaterThanOrEqual(values.filter((value) => value > wide).length);
      }),
    );
  });

  it("has no quantile without a value", () => {
    expect(quantile([], 0.5)).toBeNull();
    expect(countOf([])).toBe(0);
  });
});
