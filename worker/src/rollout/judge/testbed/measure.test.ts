import { describe, expect, it } from "vitest";
import { BAD_CASES, GOOD_CASES } from "./cases.ts";
import { measureBad, measureGood, placed, TESTED_GATE, upperBound, type Setting } from "./measure.ts";

const SETTING: Setting = { phaseMs: 30_000, intervalMs: 2_000, runs: 2, seed: 77, rule: "strata" };

describe("the judge beside lanes whose truth is known", () => {
  it.each(GOOD_CASES.map((one) => [one.name, one] as const))("takes back no good release: %s", (_, one) => {
    const found = measureGood(one, SETTING);
    expect(found.map(({ reason }) => reason)).toEqual([null, null]);
  });

  it("says how much so few phases leave open, and so does the bench of more", () => {
    expect(upperBound(0, GOOD_CASES.length * SETTING.runs)).toBeLessThan(0.09);
    expect(upperBound(0, 2_994)).toBeCloseTo(0.001, 5);
  });

  it.each(BAD_CASES.filter(({ weak }) => weak !== true).map((one) => [one.defect.name, one] as const))(
    "takes back, each time: %s",
    (_, one) => {
      const found = measureBad(one, 200, { ...SETTING, phaseMs: 60_000, runs: 2 });
      expect(found.filter(({ reason }) => reason === null)).toEqual([]);
    },
  );

  it("takes back within three seconds what fails everything, at a tenth of 100 requests a second", () => {
    const everything = BAD_CASES.filter(({ defect }) => defect.name === "500 on everything");
    const found = everything.flatMap((one) => measureBad(one, 100, { ...SETTING, runs: 20 }));
    expect(
      placed(
        found.map(({ atMs }) => atMs),
        0.95,
      ),
    ).toBeLessThanOrEqual(3_000);
    expect(
      placed(
        found.map(({ harmed }) => harmed),
        0.95,
      ),
    ).toBeLessThanOrEqual(20);
  });

  it("sees a canary that fails two of a hundred requests, given the requests", () => {
    const two = BAD_CASES.filter(({ defect }) => defect.name === "500 on 2 % of requests");
    const found = two.flatMap((one) => measureBad(one, 500, { ...SETTING, phaseMs: 60_000, runs: 3 }));
    expect(found.every(({ reason }) => reason?.includes("failed") === true)).toBe(true);
    expect(found.length).toBe(3);
    expect(TESTED_GATE.errorTolerance).toBeLessThan(0.02);
  });
});
