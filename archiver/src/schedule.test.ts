import { describe, expect, it } from "vitest";
import { runSteps } from "./schedule.ts";

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
    await runSteps([named("archive", done), named("retain", done)]);
    expect(done).toEqual(["archive", "retain"]);
  });

  it("goes on after a step that failed, and fails in the end with what it threw", async () => {
    const done: string[] = [];
    const error = new Error("D1_ERROR: Network connection lost.");
    const run = runSteps([named("archive", done, error), named("retain", done)]);
    await expect(run).rejects.toMatchObject({ message: "1 of 2 steps failed", errors: [error] });
    expect(done).toEqual(["archive", "retain"]);
  });
});
