import { describe, expect, it } from "vitest";
import { nextRun } from "./crons.ts";

const MONDAY = Date.UTC(2026, 10, 23, 10, 7, 30);

describe("the next run of a cron trigger", () => {
  it.each([
    ["* * * * *", Date.UTC(2026, 10, 23, 10, 8)],
    ["*/15 * * * *", Date.UTC(2026, 10, 23, 10, 15)],
    ["0 0 1 * *", Date.UTC(2026, 11, 1)],
    ["30 9 * * 1", Date.UTC(2026, 10, 29, 9, 30)],
    ["30 9 * * SUN", Date.UTC(2026, 10, 29, 9, 30)],
    ["30 9 * * 7", Date.UTC(2026, 10, 28, 9, 30)],
  ])("of %s is in UTC, with Sunday as the first day of the week", (cron, expected) => {
    expect(nextRun(cron, MONDAY)).toBe(expected);
  });

  it("does not exist for an expression with a field too many or too few", () => {
    expect(() => nextRun("* * * * * *", MONDAY)).toThrow("exactly 5 parts");
    expect(() => nextRun("* * * *", MONDAY)).toThrow("invalid configuration format");
  });
});
