import { describe, expect, it } from "vitest";
import type { PlanEvent } from "./release/events.ts";
import { besideJson, durationFlag, numberFlag, withEnvironment } from "./program.ts";

describe("a duration on the command line", () => {
  it("has a unit", () => {
    expect(["500ms", "10s", "1.5m", "1h"].map(durationFlag)).toEqual([500, 10_000, 90_000, 3_600_000]);
  });

  it.each(["10", "s", "-1s", "10 s", "1d", ""])("is refused as %j", (value) => {
    expect(() => durationFlag(value)).toThrow("Write a duration");
  });
});

describe("a number on the command line", () => {
  it("is refused outside of its range, with a fraction, and when it is none", () => {
    const phase = numberFlag(1, 3);
    expect(phase("2")).toBe(2);
    for (const value of ["0", "4", "1.5", "", "two", "NaN"]) {
      expect(() => phase(value)).toThrow("from 1 to 3");
    }
    expect(numberFlag(0, 1, false)("0.05")).toBe(0.05);
  });
});

describe("a hint", () => {
  it("can be copied: its command carries the environment", () => {
    expect(withEnvironment("See it: npm run status", "staging")).toBe(
      "See it: npm run status -- --env staging",
    );
    expect(withEnvironment("npm run release:archiver first", "local")).toBe(
      "npm run release:archiver -- --env local first",
    );
    expect(withEnvironment("npm run archive:dead-letters -- list", "local")).toBe(
      "npm run archive:dead-letters -- --env local list",
    );
    expect(withEnvironment("npm run archive:reindex -- --env local", "local")).toBe(
      "npm run archive:reindex -- --env local",
    );
    expect(withEnvironment("npm run rehearse -- --keep", "local")).toBe("npm run rehearse -- --keep");
  });
});

describe("a plan as data", () => {
  const plan: PlanEvent = {
    type: "plan",
    environment: "local",
    target: "hub",
    tag: "v1",
    dryRun: true,
    steps: [],
  };

  it("is told to people, too, when a dry run has nothing to do", () => {
    expect(besideJson(plan)).toBe("hub v1 → local: nothing to do, it serves already");
  });

  it("is left to the data when there is something to do, or when it is done", () => {
    expect(besideJson({ ...plan, steps: [{ id: "deploy-hub", title: "Deploy" }] })).toBeNull();
    expect(besideJson({ ...plan, dryRun: false })).toBeNull();
  });
});
