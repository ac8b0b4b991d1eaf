import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_TIME_MS, MIN_TIME_MS, parseTime, timeFault } from "./time.ts";

describe("parseTime", () => {
  it("reads every integer of milliseconds that a date can hold", () => {
    fc.assert(
      fc.property(fc.integer({ min: MIN_TIME_MS, max: MAX_TIME_MS }), (ms) => {
        const digits = String(Math.abs(ms)).padStart(5, "0");
        expect(parseTime(ms < 0 ? `-${digits}` : digits)).toBe(ms);
      }),
    );
    expect(parseTime("0")).toBe(0);
  });

  it("reads every ISO 8601 instant of the years 0000 to 9999", () => {
    const date = fc.date({
      min: new Date("0000-01-01T00:00:00Z"),
      max: new Date("9999-12-31T23:59:59Z"),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(date, (instant) => {
        expect(parseTime(instant.toISOString())).toBe(instant.getTime());
      }),
    );
  });

  it.each([
    ["2026-11-22", "2026-11-22T00:00:00.000Z"],
    ["2026-11-22T08:00Z", "2026-11-22T08:00:00.000Z"],
    ["2026-11-22T08:00:00+02:00", "2026-11-22T06:00:00.000Z"],
    ["2024-02-29T00:00:00.5Z", "2024-02-29T00:00:00.500Z"],
  ])("reads %s as %s", (text, instant) => {
    expect(new Date(parseTime(text) ?? Number.NaN).toISOString()).toBe(instant);
  });

  it.each([
    "",
    "now",
    "2026-11-22T08:00:00",
    "2026-02-30",
    "2026-02-30T00:00:00Z",
    "2026-13-01",
    "2026-11-22T25:00:00Z",
    "2026-11-22T08:00:00 02:00",
    "1.5",
    "1e3",
    "8640000000000001",
    "99999999999999999",
    "2002",
    "-500",
    "1",
    "9999",
  ])("refuses %j", (text) => {
    expect(parseTime(text)).toBeNull();
  });
});

describe("timeFault", () => {
  it.each([
    ["2002", "2002-01-01"],
    ["2026-11-22T08:00:00 02:00", "%2B"],
    ["2026-11-22T08:00:00.5 02:00", "%2B"],
    ["yesterday", "ISO 8601"],
    ["2026-02-30", "ISO 8601"],
  ])("says of %s how to write it: %s", (text, hint) => {
    expect(timeFault(text)).toContain(hint);
  });
});
