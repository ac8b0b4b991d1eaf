import { describe, expect, it } from "vitest";
import { isSuspicious, readReport, type Report } from "./report.ts";
import { series } from "./test-world.ts";

const reportOf = (list: readonly unknown[]) => ({
  reporter: "isolate-1",
  sequence: 1,
  rolloutId: "rollout-1",
  phase: 1,
  series: list,
});
const number = (sum: number) => ({ count: 1, sum, histogram: [[3, 1]] });

describe("a report that is read", () => {
  it("loses a faulty series alone, and says why", () => {
    const { report, refused } = readReport(reportOf([series({}), series({ errors: -1 }), series({})]));
    expect(report?.series).toHaveLength(2);
    expect(refused).toHaveLength(1);
    expect(refused[0]).toMatch(/^series\/1\/errors: /);
  });

  it("loses a faulty number alone: errors beside it count", () => {
    const numbers = { good: number(3), endless: number(Infinity), huge: number(1e308), odd: 7 };
    const broken = { ...series({ errors: 4 }), numbers };
    const { report, refused } = readReport(reportOf([broken]));
    expect(report?.series).toMatchObject([{ errors: 4, numbers: { good: { sum: 3 } } }]);
    expect(Object.keys(report?.series[0]?.numbers ?? {})).toEqual(["good"]);
    expect(refused[0]).toMatch(/^series\/0\/numbers\/endless\/sum: /);
  });

  it("is nothing without its head", () => {
    expect(readReport({ ...reportOf([]), sequence: -1 })).toMatchObject({ report: null });
    expect(readReport(null)).toMatchObject({ report: null });
  });

  it("keeps who was concerned, up to the last of 32 groups, and no more", () => {
    const clients = { seen: 0xff_ff_ff_ff, failed: 2 ** 31, answers: { "2xx none": 1 } };
    expect(readReport(reportOf([series({ clients })])).report?.series[0]?.clients).toEqual(clients);
    for (const seen of [2 ** 32, -1, 0.5]) {
      const wrong = series({ clients: { ...clients, seen } });
      expect(readReport(reportOf([wrong])).report?.series).toEqual([]);
    }
  });

  it("of a version that tells of no clients counts", () => {
    const { clients: _, ...former } = series({});
    expect(readReport(reportOf([former])).report?.series[0]).toEqual(series({}));
  });
});

describe("a batch", () => {
  const suspicious = (one: Parameters<typeof series>[0]) =>
    isSuspicious(reportOf([series(one)]) as unknown as Report);

  it("is suspicious with failures and refusals of the canary, and with nothing else", () => {
    expect(suspicious({ answers: { "2xx application/json": 5, "json → 3xx none": 1 } })).toBe(false);
    expect(suspicious({ lane: "stable", errors: 3, answers: { "5xx none": 3 } })).toBe(false);
    for (const one of [
      { errors: 1 },
      { exceptions: 1 },
      { overdue: 1 },
      { answers: { "json → 4xx none": 1 } },
    ]) {
      expect(suspicious(one)).toBe(true);
    }
  });
});
