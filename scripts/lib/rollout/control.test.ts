import { describe, expect, it } from "vitest";
import { CliError, EXIT } from "../exit.ts";
import type { FakeCloud } from "../test/fake-cloud.ts";
import { failure, OPTIONS, released } from "../test/released.ts";
import { release } from "../release/release.ts";
import { control, type Control, type ControlOptions } from "./control.ts";

/** A cloud whose rollout is in phase 1, and goes on by itself. */
async function running(): Promise<FakeCloud> {
  const { cloud } = await released();
  cloud.rollouts.judge = () => "inconclusive";
  await release(await cloud.context(), "all", { ...OPTIONS, detach: true });
  return cloud;
}

async function steer(cloud: FakeCloud, command: Control, options: ControlOptions = {}) {
  return control(await cloud.context(), command, options);
}

describe("a rollout that is steered", () => {
  it("is held, with who and why in its history, and let go", async () => {
    const cloud = await running();
    const held = await steer(cloud, "hold", { reason: "lunch" });
    expect(held).toMatchObject({ status: "paused", pause: { why: "operator" } });
    expect(held.transitions.at(-1)?.reason).toContain("lunch");
    expect((await steer(cloud, "resume")).status).toBe("running");
  });

  it("is promoted by one phase", async () => {
    const cloud = await running();
    expect(await steer(cloud, "promote", { reason: "seen enough" })).toMatchObject({
      status: "running",
      phase: 2,
    });
  });

  it("enters a phase that was approved before it came there", async () => {
    const cloud = await running();
    expect((await steer(cloud, "approve")).approved).toEqual([2]);
    expect((await steer(cloud, "approve", { phase: 3 })).approved).toEqual([2, 3]);
  });

  it("is not moved by a command for a phase that it has left", async () => {
    const cloud = await running();
    await steer(cloud, "promote");
    const before = cloud.rollouts.state;
    for (const command of ["promote", "hold", "resume"] as const) {
      expect(await steer(cloud, command, { phase: 1 })).toMatchObject({ revision: before.revision });
    }
  });

  it("obeys a command once when its answer is lost and it is sent again", async () => {
    const cloud = await running();
    const context = await cloud.context({
      interfere: ({ call }) => (call === "promote" && cloud.rollouts.state.phase === 1 ? "lose" : null),
    });
    await control(context, "promote");
    expect(context.run.points.filter(({ call }) => call === "promote")).toHaveLength(2);
    expect(cloud.rollouts.state.phase).toBe(2);
  });

  it("is not promoted while it fails, in the hub's words", async () => {
    const cloud = await running();
    cloud.rollouts.judge = () => "fail";
    const error = await failure(steer(cloud, "promote"));
    expect(error.exitCode).toBe(EXIT.failed);
    expect(error.message).toContain("failing");
    expect(cloud.rollouts.state.phase).toBe(1);
  });

  it("goes on out of a freeze with force only", async () => {
    const cloud = await running();
    const { state } = cloud.rollouts;
    cloud.rollouts.state = { ...state, status: "frozen", reason: "it was bad" };
    expect((await failure(steer(cloud, "resume"))).exitCode).toBe(EXIT.failed);
    expect((await steer(cloud, "resume", { force: true })).status).toBe("running");
  });

  it("is not moved when the command is not confirmed, and the question names it", async () => {
    const cloud = await running();
    const asked: string[] = [];
    const confirm = (what: string): Promise<never> => {
      asked.push(what);
      return Promise.reject(new CliError(EXIT.cancelled, "no"));
    };
    expect((await failure(steer(cloud, "hold", { confirm }))).exitCode).toBe(EXIT.cancelled);
    expect(asked.join()).toContain("hold phase 1 of the rollout");
    expect(cloud.rollouts.state.status).toBe("running");
  });

  it("must be open", async () => {
    const { cloud } = await released();
    const error = await failure(steer(cloud, "hold"));
    expect(error.exitCode).toBe(EXIT.failed);
    expect(error.message).toBe("No rollout is open");
  });
});
