import { describe, expect, it } from "vitest";
import { bucketOf } from "./histogram.ts";

describe("the bucket of a duration", () => {
  it("is the one that the hub's judge gives it", () => {
    const durations = [-1, 0, 0.01, 0.011, 1, 1.5, 10, 99, 100, 250, 1_000, 5_000, 60_000, 4_900_000, 1e9];
    expect(durations.map(bucketOf)).toEqual([0, 0, 0, 1, 47, 51, 70, 92, 93, 102, 116, 132, 156, 200, 200]);
    expect(bucketOf(Number.NaN)).toBe(0);
  });

  it("tells a duration within 5 %", () => {
    const gamma = 1.05 / 0.95;
    for (let ms = 0.02; ms < 4_000_000; ms *= 1.013) {
      const told = ((2 * 0.01) / (gamma + 1)) * gamma ** bucketOf(ms);
      expect(Math.abs(told - ms) / ms).toBeLessThanOrEqual(0.05 + 1e-9);
    }
  });
});
