import { describe, expect, it } from "vitest";
import { expectSuccess, runSteps } from "./schedule.ts";

describe("a cron", () => {
  const named = (name: string, done: string[], error?: Error) => ({
    name,
    run: async () => {
      done.push(name);
      if (error !== undefined) throw error;
    },
  });

  it("does its steps in their order", async () => {
    const done: string[] = [];
    expect(await runSteps([named("archive", done), named("retain", done)])).toEqual([]);
    expect(done).toEqual(["archive", "retain"]);
  });

  it("goes on after a step that failed, and fails in the end with what it threw", async () => {
    const done: string[] = [];
    const error = new Error("D1_ERROR: Network connection lost.");
    const failed = await runSteps([named("archive", done, error), named("retain", done)]);
    expect(failed).toEqual([{ step: "archive", error }]);
    expect(done).toEqual(["archive", "retain"]);
    expect(() => expectSuccess(failed)).toThrow(
      expect.objectContaining({ message: "steps failed: archive", errors: [error] }),
    );
  });

  it("succeeds when no step failed", () => {
    expect(() => expectSuccess([])).not.toThrow();
  });
});
