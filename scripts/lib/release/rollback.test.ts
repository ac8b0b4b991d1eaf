import { describe, expect, it } from "vitest";
import { CliError, EXIT } from "../exit.ts";
import { FakeCloud, source } from "../test/fake-cloud.ts";
import type { Interfere } from "../test/fake-run.ts";
import { failure, OPTIONS, released } from "../test/released.ts";
import { release } from "./release.ts";
import { rollback } from "./rollback.ts";

/** Another release, of both Workers. */
async function releaseAgain(cloud: FakeCloud, name: string): Promise<FakeCloud["tags"]> {
  cloud.sources.hub = source(`hub ${name}`);
  cloud.sources.archiver = source(`archiver ${name}`);
  await release(await cloud.context(), "all", OPTIONS);
  cloud.clock.pass(60_000);
  return cloud.tags;
}

async function promoted(): Promise<{ readonly cloud: FakeCloud; readonly v1: FakeCloud["tags"] }> {
  const world = await released();
  await release(await world.cloud.context(), "all", OPTIONS);
  world.cloud.calls.length = 0;
  return world;
}

const stable = ({ hub, archiver }: FakeCloud["tags"]) => ({ hub, archiver });
const unreachable: Interfere = ({ part }) => (part === "hub" ? "refuse" : null);

describe("a rollback of an open rollout", () => {
  it.each([1, 2, 3])("sends phase %i to 0 %% at once, and says who wanted it", async (phase) => {
    const { cloud, v1 } = await released();
    await release(await cloud.context(), "all", { ...OPTIONS, phase });
    const report = await rollback(await cloud.context(), { reason: "customers complain", phase });
    expect(report).toMatchObject({ kind: "lane", returned: [], rolloutId: cloud.rollouts.state.id });
    expect(cloud.rollouts.state).toMatchObject({ status: "rolled-back", shares: { read: 0 } });
    expect(cloud.rollouts.state.reason).toContain("customers complain");
    expect(stable(cloud.tags)).toEqual(stable(v1));
    expect(cloud.violations).toEqual([]);
  });

  it("leaves it alone when it is in another phase than asked for", async () => {
    const { cloud } = await released();
    await release(await cloud.context(), "all", { ...OPTIONS, phase: 2 });
    const error = await failure(rollback(await cloud.context(), { phase: 1 }));
    expect(error.exitCode).toBe(EXIT.failed);
    expect(error.message).toContain("in phase 2, not in phase 1");
    expect(cloud.rollouts.state.status).toBe("paused");
  });

  it("returns what a promotion has given the release, the hub before the archiver that it calls", async () => {
    const { cloud, v1 } = await released();
    const interfere: Interfere = ({ call }) => (call === "complete" ? "kill-before" : null);
    await release(await cloud.context({ interfere }), "all", OPTIONS).catch(() => null);
    expect(cloud.rollouts.state).toMatchObject({ status: "promoting", promoted: ["archiver", "hub"] });
    cloud.calls.length = 0;
    const report = await rollback(await cloud.context());
    expect(cloud.calls).toEqual(["rollback", "deploy hub", "returned", "deploy archiver", "returned"]);
    expect(report.returned.map(({ worker }) => worker)).toEqual(["hub", "archiver"]);
    expect(cloud.rollouts.state).toMatchObject({ status: "rolled-back", toReturn: [] });
    expect(stable(cloud.tags)).toEqual(stable(v1));
    expect(cloud.violations).toEqual([]);
  });

  it("waits until the archiver has confirmed, and says so when it does not", async () => {
    const { cloud } = await released();
    await release(await cloud.context(), "all", { ...OPTIONS, phase: 2 });
    cloud.rollouts.archiverAnswers = false;
    expect((await rollback(await cloud.context())).kind).toBe("lane");
    expect(cloud.rollouts.state.status).toBe("rolling-back");
    const notes = cloud.events.flatMap((event) => (event.type === "note" ? [event.message] : []));
    expect(notes.join()).toContain("has not confirmed");
    cloud.rollouts.archiverAnswers = true;
    cloud.rollouts.look();
    expect(cloud.rollouts.state.status).toBe("rolled-back");
  });

  it("ends with code 8 where it is not safe, keeps its shares, and is done with --force", async () => {
    const { cloud, v1 } = await released();
    await release(await cloud.context(), "all", { ...OPTIONS, phase: 2 });
    const { state } = cloud.rollouts;
    cloud.rollouts.state = { ...state, rollback: { safe: false, why: "a contract migration went in" } };
    const error = await failure(rollback(await cloud.context()));
    expect(error.exitCode).toBe(EXIT.frozen);
    expect(error.message).toContain("a contract migration went in");
    expect(cloud.rollouts.state).toMatchObject({ status: "frozen", shares: state.shares });
    await rollback(await cloud.context(), { force: true });
    expect(cloud.rollouts.state.status).toBe("rolled-back");
    expect(stable(cloud.tags)).toEqual(stable(v1));
  });

  it("changes nothing when it is not confirmed", async () => {
    const { cloud } = await released();
    await release(await cloud.context(), "all", { ...OPTIONS, phase: 1 });
    const confirm = () => Promise.reject(new CliError(EXIT.cancelled, "no"));
    expect((await failure(rollback(await cloud.context(), { confirm }))).exitCode).toBe(EXIT.cancelled);
    expect(cloud.rollouts.state.status).toBe("paused");
  });

  it("refuses the canary scripts while they serve traffic", async () => {
    const { cloud } = await released();
    await release(await cloud.context(), "all", { ...OPTIONS, phase: 1 });
    const error = await failure(rollback(await cloud.context(), { target: "canary" }));
    expect(error.exitCode).toBe(EXIT.failed);
  });

  it("never touches the good versions when the hub cannot be asked whether a rollout is open", async () => {
    const { cloud } = await promoted();
    const v2 = cloud.tags;
    cloud.sources.hub = source("hub 3");
    cloud.sources.archiver = source("archiver 3");
    await release(await cloud.context(), "all", { ...OPTIONS, phase: 1 });
    const error = await failure(rollback(await cloud.context({ interfere: unreachable })));
    expect(error.message).toContain("cannot be reached");
    expect(error.hints.join("\n")).toContain("--force");
    expect(stable(cloud.tags)).toEqual(stable(v2));
  });
});

describe("a rollback without a rollout", () => {
  it("returns both scripts of a promoted release, and a second one finds nothing", async () => {
    const { cloud, v1 } = await promoted();
    const report = await rollback(await cloud.context());
    expect(report.kind).toBe("version");
    expect(cloud.calls).toEqual(["deploy hub", "deploy archiver"]);
    expect(stable(cloud.tags)).toEqual(stable(v1));
    const error = await failure(rollback(await cloud.context()));
    expect(error.exitCode).toBe(EXIT.failed);
    expect(error.message).toContain("nothing to roll back to");
  });

  it("returns only what the newest release changed", async () => {
    const { cloud } = await promoted();
    const before = cloud.tags;
    cloud.sources.hub = source("hub 3");
    await release(await cloud.context(), "hub", OPTIONS);
    const report = await rollback(await cloud.context());
    expect(report.returned.map(({ worker }) => worker)).toEqual(["hub"]);
    expect(stable(cloud.tags)).toEqual(stable(before));
  });

  it("goes back twice when it is done twice, to one release at a time", async () => {
    const { cloud, v1 } = await released();
    const v2 = await releaseAgain(cloud, "2");
    await releaseAgain(cloud, "3");
    await rollback(await cloud.context());
    expect(stable(cloud.tags)).toEqual(stable(v2));
    await rollback(await cloud.context());
    expect(stable(cloud.tags)).toEqual(stable(v1));
  });

  it("does not take the release before along when the judge was faster than the operator", async () => {
    const { cloud, v1 } = await promoted();
    const v2 = cloud.tags;
    cloud.sources.hub = source("hub 3");
    cloud.rollouts.judge = () => "fail";
    await failure(release(await cloud.context(), "hub", OPTIONS));
    const error = await failure(rollback(await cloud.context()));
    expect(error.message).toContain("was taken back already");
    expect(stable(cloud.tags)).toEqual(stable(v2));
    await rollback(await cloud.context(), { target: "all" });
    expect(stable(cloud.tags)).toEqual(stable(v1));
  });

  it("is meant for the promoted release when the last rollout was taken back long ago", async () => {
    const { cloud, v1 } = await promoted();
    cloud.sources.hub = source("hub 3");
    cloud.rollouts.judge = () => "fail";
    await failure(release(await cloud.context(), "hub", OPTIONS));
    cloud.clock.pass(3_600_000);
    await rollback(await cloud.context());
    expect(stable(cloud.tags)).toEqual(stable(v1));
  });

  it("goes back by both Workers behind a release of one", async () => {
    const { cloud, v1 } = await promoted();
    cloud.sources.hub = source("hub 3");
    await release(await cloud.context(), "hub", OPTIONS);
    await rollback(await cloud.context());
    await rollback(await cloud.context());
    expect(stable(cloud.tags)).toEqual(stable(v1));
  });

  it.each(["hub", "archiver"] as const)("of the %s alone leaves the other", async (target) => {
    const { cloud, v1 } = await promoted();
    const v2 = cloud.tags;
    await rollback(await cloud.context(), { target });
    const other = target === "hub" ? "archiver" : "hub";
    expect(cloud.tags[target]).toBe(v1[target]);
    expect(cloud.tags[other]).toBe(v2[other]);
  });

  it("with a phase, or of an open rollout only, says that none is open", async () => {
    const { cloud } = await promoted();
    for (const options of [{ phase: 1 }, { openOnly: true }]) {
      const error = await failure(rollback(await cloud.context(), options));
      expect(error.exitCode).toBe(EXIT.failed);
      expect(error.message).toContain("No rollout is open");
    }
    expect(cloud.calls).toEqual([]);
  });

  it("ends with code 6 when the former version cannot be deployed", async () => {
    const { cloud } = await promoted();
    const interfere: Interfere = ({ call }) => (call === "deploy hub" ? "refuse" : null);
    const error = await failure(rollback(await cloud.context({ interfere })));
    expect(error.exitCode).toBe(EXIT.rollbackFailed);
  });

  it("is no failure when only the answer was lost", async () => {
    const { cloud, v1 } = await promoted();
    const interfere: Interfere = ({ call }) => (call === "deploy hub" ? "lose" : null);
    await rollback(await cloud.context({ interfere }));
    expect(stable(cloud.tags)).toEqual(stable(v1));
  });

  it("returns a hub that answers nothing, then closes the rollout that it was promoted in", async () => {
    const { cloud, v1 } = await released();
    cloud.sources.hub = source("hub 2", "dead@hub");
    const interfere: Interfere = ({ call }) => (call === "deploy hub" ? "kill-after" : null);
    await release(await cloud.context({ interfere }), "all", OPTIONS).catch(() => null);
    const report = await rollback(await cloud.context());
    expect(report.returned.map(({ worker }) => worker)).toEqual(["hub", "archiver"]);
    expect(stable(cloud.tags)).toEqual(stable(v1));
    expect(cloud.rollouts.state.status).toBe("rolled-back");
  });
});

describe("a return that is not possible is refused before anything moves", () => {
  const refused = async (cloud: FakeCloud): Promise<CliError> => {
    const error = await failure(rollback(await cloud.context()));
    expect(error.exitCode).toBe(EXIT.failed);
    expect(error.hints.join("\n")).toContain("Nothing was moved");
    expect(cloud.calls).toEqual([]);
    return error;
  };

  it("across a Durable Object migration, which cannot be undone", async () => {
    const { cloud } = await promoted();
    cloud.scripts.of("hub").migrationTag = "v2";
    expect((await refused(cloud)).hints.join("\n")).toContain("v1 then, v2 now");
  });

  it("to a version whose binding is gone", async () => {
    const { cloud } = await promoted();
    cloud.goneBindings.push("its binding DB leads to a d1 that is gone: 1");
    expect((await refused(cloud)).hints.join("\n")).toContain("DB leads to a d1 that is gone");
  });

  it("to a version that the platform deploys no more", async () => {
    const { cloud } = await promoted();
    const [first] = cloud.scripts.of("archiver").versions;
    cloud.undeployable.add(first?.id ?? "");
    expect((await refused(cloud)).hints.join("\n")).toContain("last 100 versions");
  });

  it("also of a script that an open rollout has promoted", async () => {
    const { cloud } = await released();
    const interfere: Interfere = ({ call }) => (call === "upload hub" ? "kill-before" : null);
    await release(await cloud.context({ interfere }), "all", OPTIONS).catch(() => null);
    cloud.calls.length = 0;
    cloud.goneBindings.push("its binding COLD leads to an r2_bucket that is gone: x");
    await refused(cloud);
    expect(cloud.rollouts.state.status).toBe("promoting");
  });

  it("while someone else splits the traffic", async () => {
    const { cloud } = await promoted();
    const versions = [1, 0].map((index) => ({
      versionId: cloud.scripts.of("hub").versions[index]?.id ?? "",
      percentage: 50,
    }));
    cloud.scripts.deploy("hub", versions, null);
    const error = await failure(rollback(await cloud.context()));
    expect(error.message).toContain("50 %");
    expect(cloud.calls).toEqual([]);
  });
});

describe("the canary scripts", () => {
  it("return to what they ran before", async () => {
    const { cloud, v1 } = await released();
    await release(await cloud.context(), "canary", OPTIONS);
    await rollback(await cloud.context(), { target: "canary" });
    expect(cloud.tags).toEqual(v1);
  });
});

describe("where nothing is released", () => {
  it("there is nothing to roll back", async () => {
    const cloud = new FakeCloud();
    expect((await failure(rollback(await cloud.context()))).message).toContain("nothing to roll back to");
  });
});
