import { describe, expect, it } from "vitest";
import type { RolloutState } from "../../../worker/src/rollout/contract.ts";
import { definePlan } from "../../../worker/src/rollout/plan.ts";
import { CliError, EXIT } from "../exit.ts";
import { FakeCloud, source } from "../test/fake-cloud.ts";
import type { Interfere } from "../test/fake-run.ts";
import { failure, OPTIONS, PLAN_WITH_COPIES, PLAN, released } from "../test/released.ts";
import { release } from "./release.ts";
import { rollback } from "./rollback.ts";

/** Does something to the cloud once, when a call has had its effect. */
function after(call: string, work: () => void): Interfere {
  let done = false;
  let seen = false;
  return (point) => {
    if (seen && !done) {
      done = true;
      work();
    }
    seen ||= point.call === call;
    return null;
  };
}

const set = (cloud: FakeCloud, change: Partial<RolloutState>): void => {
  cloud.rollouts.state = { ...cloud.rollouts.state, ...change };
};

const UNSAFE = { safe: false, why: "a contract migration went in" } as const;

describe("a canary that is worse", () => {
  it("ends with code 5 and the judge's reason; the stable scripts have not moved", async () => {
    const { cloud, v1 } = await released();
    cloud.rollouts.judge = ({ phase }) => (phase === 2 ? "fail" : "pass");
    const error = await failure(release(await cloud.context(), "all", OPTIONS));
    expect(error.exitCode).toBe(EXIT.rolledBack);
    expect(error.message).toContain("20 of 60 canary requests failed");
    expect(cloud.tags).toMatchObject({ hub: v1.hub, archiver: v1.archiver });
    expect(cloud.rollouts.state).toMatchObject({ status: "rolled-back", phase: 2 });
    expect(cloud.violations).toEqual([]);
  });

  it("ends with code 8 where it may not be taken back, and keeps its share", async () => {
    const { cloud } = await released();
    cloud.rollouts.judge = ({ phase }) => (phase === 2 ? "fail" : "pass");
    const interfere = after("begin", () => set(cloud, { rollback: UNSAFE }));
    const error = await failure(release(await cloud.context({ interfere }), "all", OPTIONS));
    expect(error.exitCode).toBe(EXIT.frozen);
    expect(error.hints.join("\n")).toContain("rollback -- --force");
    expect(cloud.rollouts.state).toMatchObject({ status: "frozen", shares: PLAN.phases[1]?.shares });
  });

  it("ends with code 8 where the plan says to freeze", async () => {
    const { cloud } = await released();
    cloud.rollouts.judge = () => "fail";
    const error = await failure(
      release(await cloud.context(), "hub", { ...OPTIONS, plan: { ...PLAN, onFail: "freeze" } }),
    );
    expect(error.exitCode).toBe(EXIT.frozen);
    expect((await failure(release(await cloud.context(), "hub", OPTIONS))).exitCode).toBe(EXIT.frozen);
  });
});

describe("a rollout that waits", () => {
  const plan = (change: object) =>
    definePlan({
      phases: [
        { shares: { read: 10 }, soakMs: 8_000 },
        { shares: { read: 100, write: 100, background: 100 }, soakMs: 8_000, ...change },
      ],
    });

  it("for an approval ends with code 7 and says how to give it; then the same release goes on", async () => {
    const { cloud } = await released();
    const options = { ...OPTIONS, plan: plan({ approval: true }) };
    const error = await failure(release(await cloud.context(), "hub", options));
    expect(error.exitCode).toBe(EXIT.held);
    expect(error.hints.join("\n")).toContain("release:approve -- --phase 2");
    const id = cloud.rollouts.state.id ?? "";
    cloud.rollouts.tell({ kind: "approve", id, by: "ada", phase: 2 });
    expect((await release(await cloud.context(), "hub", options)).outcome).toBe("released");
  });

  it("is waited for with --wait", async () => {
    const { cloud } = await released();
    const context = await cloud.context({
      onEvent: (event) => {
        if (event.type !== "rollout" || event.state.pause?.why !== "approval") return;
        const id = cloud.rollouts.state.id ?? "";
        cloud.rollouts.tell({ kind: "approve", id, by: "ada", phase: 2 });
      },
    });
    const options = { ...OPTIONS, plan: plan({ approval: true }), wait: true };
    expect((await release(context, "hub", options)).outcome).toBe("released");
  });

  it("for its sample ends with code 7, stays open, and says what is missing", async () => {
    const { cloud } = await released();
    cloud.rollouts.judge = () => "inconclusive";
    const error = await failure(release(await cloud.context(), "hub", OPTIONS));
    expect(error.exitCode).toBe(EXIT.held);
    expect(error.message).toContain("40 more reads");
    expect(error.hints.join("\n")).toContain("release:promote");
    expect(cloud.rollouts.state).toMatchObject({ status: "paused", phase: 1 });
    cloud.rollouts.judge = () => "pass";
    expect((await release(await cloud.context(), "hub", OPTIONS)).outcome).toBe("released");
  });

  it("because someone holds it ends with code 7, and goes on when it is let go", async () => {
    const { cloud } = await released();
    const interfere = after("begin", () => {
      const id = cloud.rollouts.state.id ?? "";
      cloud.rollouts.tell({ kind: "hold", id, by: "ada", phase: 1 });
    });
    const error = await failure(release(await cloud.context({ interfere }), "hub", OPTIONS));
    expect(error.exitCode).toBe(EXIT.held);
    expect(error.message).toContain("ada holds it");
  });
});

describe("a canary that does not answer well", () => {
  it.each([
    ["that answers nothing", source("hub 2", "dead@hub-canary")],
    ["whose binding does not answer", source("hub 2", "sick@hub-canary")],
    ["that leaves out a field of the stable answer", source("hub 2", "misshapen@hub-canary")],
  ])("%s closes the rollout at 0 %%, before any client meets it", async (_, code) => {
    const { cloud, v1 } = await released();
    cloud.sources.hub = code;
    const error = await failure(release(await cloud.context(), "all", OPTIONS));
    expect(error.exitCode).toBe(EXIT.rolledBack);
    expect(error.hints.join("\n")).toContain("no client met the release");
    expect(cloud.rollouts.state).toMatchObject({ status: "rolled-back", phase: 0 });
    expect(cloud.tags.hub).toBe(v1.hub);
    expect(cloud.violations).toEqual([]);
  });

  it("as the archiver's is seen through the hub's canary, which calls it", async () => {
    const { cloud } = await released();
    cloud.sources.archiver = source("archiver 2", "dead@archiver-canary");
    const context = await cloud.context();
    const addressless = {
      ...context,
      url: async (worker: string) => (worker === "hub" ? "http://hub.test" : null),
    };
    const error = await failure(release(addressless, "archiver", OPTIONS));
    expect(error.exitCode).toBe(EXIT.rolledBack);
    expect(error.message).toContain("ARCHIVER: unreachable");
  });

  it("is frozen at 0 %, and said to be, where it may not be taken back", async () => {
    const { cloud } = await released();
    cloud.sources.hub = source("hub 2", "misshapen@hub-canary");
    const interfere = after("start", () => set(cloud, { rollback: UNSAFE }));
    const context = await cloud.context({ interfere });
    const error = await failure(release(context, "hub", OPTIONS));
    expect(error.exitCode).toBe(EXIT.frozen);
    expect(error.hints.join("\n")).not.toContain("was closed");
    expect(cloud.rollouts.state.status).toBe("frozen");
  });
});

describe("a promotion that goes wrong", () => {
  it.each([
    ["does not answer", source("hub 2", "dead@hub")],
    ["has a binding that does not answer", source("hub 2", "sick@hub")],
  ])("returns every script when the promoted hub %s", async (_, code) => {
    const { cloud, v1 } = await released();
    cloud.sources.hub = code;
    const error = await failure(release(await cloud.context(), "all", OPTIONS));
    expect(error.exitCode).toBe(EXIT.rolledBack);
    expect(cloud.tags).toMatchObject({ hub: v1.hub, archiver: v1.archiver });
    expect(cloud.rollouts.state).toMatchObject({ status: "rolled-back", toReturn: [] });
    expect(cloud.violations).toEqual([]);
  });

  it("returns the archiver when the promoted one does not answer; the hub has not moved", async () => {
    const { cloud, v1 } = await released();
    cloud.sources.archiver = source("archiver 2", "dead@archiver");
    const error = await failure(release(await cloud.context(), "all", OPTIONS));
    expect(error.exitCode).toBe(EXIT.rolledBack);
    expect(cloud.tags).toMatchObject({ hub: v1.hub, archiver: v1.archiver });
    expect(cloud.calls).not.toContain("upload hub");
    expect(cloud.violations).toEqual([]);
  });

  it("ends with code 6 when the return fails too, and a rollback finishes it", async () => {
    const { cloud, v1 } = await released();
    cloud.sources.hub = source("hub 2", "sick@hub");
    let deploys = 0;
    const interfere: Interfere = ({ call }) => {
      if (call === "deploy hub") deploys += 1;
      return call === "deploy hub" && deploys > 1 ? "refuse" : null;
    };
    const error = await failure(release(await cloud.context({ interfere }), "all", OPTIONS));
    expect(error.exitCode).toBe(EXIT.rollbackFailed);
    expect(error.hints.join("\n")).toContain("npm run rollback");
    await rollback(await cloud.context());
    expect(cloud.tags).toMatchObject({ hub: v1.hub, archiver: v1.archiver });
    expect(cloud.rollouts.state.status).toBe("rolled-back");
  });

  it.each(["upload archiver", "deploy archiver", "promoting", "upload hub", "deploy hub"])(
    "ends with code 5 and returns what was promoted when the judge takes it back after `%s`",
    async (call) => {
      const { cloud, v1 } = await released();
      const interfere = after(call, () => {
        const { id, phase } = cloud.rollouts.state;
        if (id !== null) {
          cloud.rollouts.tell({ kind: "alarm", id, phase, reason: "9 of 10 threw", by: "judge" });
        }
      });
      const error = await failure(release(await cloud.context({ interfere }), "all", OPTIONS));
      expect(error.exitCode).toBe(EXIT.rolledBack);
      expect(error.message).toContain("9 of 10 threw");
      expect(cloud.tags).toMatchObject({ hub: v1.hub, archiver: v1.archiver });
      expect(cloud.rollouts.state.status).toBe("rolled-back");
      expect(cloud.violations).toEqual([]);
    },
  );

  it("ends with code 8 when it freezes in the middle, and goes on after `resume --force`", async () => {
    const { cloud } = await released();
    const interfere = after("deploy archiver", () => {
      set(cloud, { rollback: UNSAFE });
      const { id, phase } = cloud.rollouts.state;
      if (id !== null) cloud.rollouts.tell({ kind: "alarm", id, phase, reason: "it threw", by: "judge" });
    });
    const error = await failure(release(await cloud.context({ interfere }), "all", OPTIONS));
    expect(error.exitCode).toBe(EXIT.frozen);
    const { id, phase } = cloud.rollouts.state;
    cloud.rollouts.tell({ kind: "resume", id: id ?? "", phase, force: true, by: "ada" });
    expect((await release(await cloud.context(), "all", OPTIONS)).outcome).toBe("released");
  });

  it("does not overwrite what someone else deploys meanwhile", async () => {
    const { cloud } = await released();
    let theirs = "";
    const interfere = after("upload hub", () => {
      const version = { source: source("theirs"), tag: "theirs", message: "by hand", secrets: {} };
      theirs = cloud.scripts.upload("hub", version);
      cloud.scripts.deploy("hub", [{ versionId: theirs, percentage: 100 }], "by hand");
    });
    const error = await failure(release(await cloud.context({ interfere }), "hub", OPTIONS));
    expect(error.message).toContain(theirs);
    expect(cloud.calls).not.toContain("deploy hub");
  });
});

describe("a first release that does not answer well", () => {
  it("says that there is nothing to return to", async () => {
    const cloud = new FakeCloud();
    cloud.sources.hub = source("hub 1", "sick@hub");
    const error = await failure(release(await cloud.context(), "all", OPTIONS));
    expect(error.exitCode).toBe(EXIT.failed);
    expect(error.hints.join("\n")).toContain("no version to return to");
    expect(cloud.violations).toEqual([]);
  });
});

describe("a direct release that does not answer well", () => {
  it("is returned", async () => {
    const { cloud, v1 } = await released();
    cloud.sources.hub = source("hub 2", "sick@hub");
    const error = await failure(release(await cloud.context(), "hub", { ...OPTIONS, direct: true }));
    expect(error.exitCode).toBe(EXIT.rolledBack);
    expect(cloud.tags.hub).toBe(v1.hub);
  });
});

describe("Ctrl-C", () => {
  it.each(["start", "deploy hub-canary"])(
    "after `%s` closes the rollout at 0 %%: it has no traffic yet",
    async (call) => {
      const { cloud } = await released();
      const context = await cloud.context({
        interfere: (point) => (point.call === call ? "stop" : null),
      });
      const error = await failure(release(context, "hub", OPTIONS));
      expect(error.exitCode).toBe(EXIT.cancelled);
      expect(cloud.rollouts.state).toMatchObject({ status: "rolled-back", phase: 0 });
    },
  );

  it("while reads are copied leaves it to the hub, which goes on by itself", async () => {
    const { cloud } = await released();
    const context = await cloud.context({
      interfere: ({ call }) =>
        call === "state" && cloud.rollouts.state.phaseStartedAt !== null ? "stop" : null,
    });
    const error = await failure(release(context, "hub", { ...OPTIONS, plan: PLAN_WITH_COPIES }));
    expect(error.exitCode).toBe(EXIT.cancelled);
    expect(error.hints.join("\n")).toContain("It stays open");
    expect(cloud.rollouts.state).toMatchObject({ status: "preparing", phase: 0 });
    for (let looks = 0; looks < 2; looks += 1) cloud.rollouts.look();
    expect(cloud.rollouts.state).toMatchObject({ status: "running", phase: 1 });
  });

  it("in a phase leaves it to the hub, and says in what state things are", async () => {
    const { cloud } = await released();
    const context = await cloud.context({
      interfere: ({ call }) => (call === "state" && cloud.rollouts.state.phase === 2 ? "stop" : null),
    });
    const error = await failure(release(context, "hub", OPTIONS));
    expect(error.exitCode).toBe(EXIT.cancelled);
    expect(error.hints.join("\n")).toContain("phase 2");
    expect(error.hints.join("\n")).toContain("npm run rollback");
    expect(cloud.rollouts.state.status).toBe("running");
  });

  it("between two scripts of a promotion says that one has the release already", async () => {
    const { cloud } = await released();
    const context = await cloud.context({
      interfere: ({ call }) => (call === "deploy archiver" ? "stop" : null),
    });
    const error = await failure(release(context, "all", OPTIONS));
    expect(error).toBeInstanceOf(CliError);
    expect(error.exitCode).toBe(EXIT.cancelled);
    expect(error.hints.join("\n")).toContain("Some stable scripts have the release already");
    expect(cloud.rollouts.state.status).toBe("promoting");
  });
});
