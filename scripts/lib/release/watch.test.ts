import { describe, expect, it } from "vitest";
import type { RolloutState } from "../../../worker/src/rollout/contract.ts";
import { IDLE_STATE } from "../../../worker/src/rollout/machine/machine.ts";
import { EXIT } from "../exit.ts";
import { FakeCloud } from "../test/fake-cloud.ts";
import { failure, PLAN } from "../test/released.ts";
import type { RolloutClient } from "../rollout/client.ts";
import { progressText, watchPhase } from "./watch.ts";

const state = (change: Partial<RolloutState>): RolloutState => ({
  ...IDLE_STATE,
  id: "one",
  status: "running",
  phase: 1,
  plan: PLAN,
  revision: 1,
  ...change,
});

/** A hub that is in these states, one after the other, the last one for ever. */
function hubIn(states: readonly RolloutState[]): RolloutClient {
  const left = [...states];
  const refuse = (): Promise<never> => Promise.reject(new Error("it only looks"));
  return {
    state: async () => (left.length > 1 ? left.shift() : left[0]) ?? IDLE_STATE,
    start: refuse,
    command: refuse,
    health: refuse,
    ask: refuse,
  };
}

async function watch(states: readonly RolloutState[], options: { wait?: boolean } = {}) {
  const cloud = new FakeCloud();
  const heard: RolloutState[] = [];
  const passed = watchPhase(await cloud.context(), hubIn(states), {
    id: "one",
    phase: 1,
    wait: options.wait ?? false,
    pollMs: 100,
    onState: (read) => heard.push(read),
  });
  return { passed, heard, cloud };
}

const paused = (why: NonNullable<RolloutState["pause"]>["why"], phase = 1): RolloutState =>
  state({ status: "paused", phase, pause: { why, missing: `because of ${why}` } });

describe("a phase that is watched", () => {
  it.each<readonly [string, RolloutState]>([
    ["the next one has begun", state({ phase: 2 })],
    ["every phase has passed", state({ status: "promoting" })],
    ["the rollout is done", state({ status: "done" })],
    ["the hub has stopped behind it, as it was told", paused("reached")],
    ["the next one waits for something", paused("operator", 2)],
  ])("is passed when %s", async (_, last) => {
    const { passed, heard } = await watch([state({}), state({}), last]);
    await expect(passed).resolves.toBeTypeOf("string");
    expect(heard).toHaveLength(3);
  });

  it.each(["operator", "approval", "inconclusive", "error", "webhook"] as const)(
    "ends with code 7 when it is paused for %s, and says what is missing and what to do",
    async (why) => {
      const { passed } = await watch([state({}), paused(why)]);
      const error = await failure(passed);
      expect(error.exitCode).toBe(EXIT.held);
      expect(error.message).toContain(`because of ${why}`);
      expect(error.hints.join("\n")).toMatch(/npm run release:(approve|resume|promote)/);
      expect(error.data["rollout"]).toMatchObject({ status: "paused" });
    },
  );

  it("says in which phase the release was taken back, or that nobody has met it", async () => {
    for (const [phase, said, hint] of [
      [2, "taken back in phase 2: bad", "All traffic is on the stable version again."],
      [0, "taken back before phase 1: bad", "No user was answered by it."],
    ] as const) {
      const { passed } = await watch([state({ status: "rolled-back", phase, reason: "bad" })]);
      const error = await failure(passed);
      expect(error.exitCode).toBe(EXIT.rolledBack);
      expect(error.message).toContain(said);
      expect(error.hints).toEqual([hint]);
    }
  });

  it("is waited for when it is paused, if that was asked for", async () => {
    const { passed, heard } = await watch([paused("operator"), paused("operator"), state({ phase: 2 })], {
      wait: true,
    });
    await passed;
    expect(heard).toHaveLength(3);
  });

  it.each<readonly [RolloutState["status"], number]>([
    ["rolled-back", EXIT.rolledBack],
    ["rolling-back", EXIT.rolledBack],
    ["frozen", EXIT.frozen],
  ])("ends when the hub has %s it, with code %i and the reason", async (status, exitCode) => {
    const { passed } = await watch([state({}), state({ status, reason: "12 of 200 reads failed" })], {
      wait: true,
    });
    const error = await failure(passed);
    expect(error.exitCode).toBe(exitCode);
    expect(error.message).toContain("12 of 200 reads failed");
  });

  it("ends when another rollout has taken its place", async () => {
    const { passed } = await watch([state({}), state({ id: "two" })]);
    expect((await failure(passed)).message).toContain("Another rollout");
  });

  it("is told about once a second, and at every transition", async () => {
    const still = Array.from({ length: 30 }, () => state({}));
    const { passed, cloud } = await watch([...still, state({ phase: 2, revision: 2 })]);
    await passed;
    const told = cloud.events.filter(({ type }) => type === "rollout");
    // 3 s of looking every 100 ms, and the end.
    expect(told).toHaveLength(4);
  });
});

describe("a line of progress", () => {
  it("says what is left of the soak and why it is paused", () => {
    const now = Date.parse("2026-11-22T08:00:05Z");
    const line = progressText(state({ phaseStartedAt: "2026-11-22T08:00:00Z" }), now);
    expect(line).toBe("3 s left");
    expect(progressText(paused("operator"), now)).toBe("paused (operator): because of operator");
    expect(progressText(state({ status: "promoting", plan: null }), now)).toBe("promoting");
  });
});
