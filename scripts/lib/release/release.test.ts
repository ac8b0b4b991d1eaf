import { describe, expect, it } from "vitest";
import { CliError, EXIT } from "../exit.ts";
import { FakeCloud, source } from "../test/fake-cloud.ts";
import { failure, OPTIONS, PLAN, released } from "../test/released.ts";
import type { ReleaseOptions } from "./events.ts";
import { release } from "./release.ts";

describe("the first release", () => {
  it("of the hub is refused while the archiver has none, and says how to make one", async () => {
    const cloud = new FakeCloud();
    const error = await failure(release(await cloud.context(), "hub", OPTIONS));
    expect(error.exitCode).toBe(EXIT.failed);
    expect(error.hints.join("\n")).toContain("release:all");
    expect(cloud.calls).toEqual([]);
  });

  it("goes to all scripts at once, each after those that it binds, without a rollout", async () => {
    const cloud = new FakeCloud();
    const report = await release(await cloud.context(), "all", OPTIONS);
    expect(report.outcome).toBe("released");
    expect(cloud.calls).toEqual([
      "full-deploy archiver-canary",
      "full-deploy archiver",
      "full-deploy hub-canary",
      "full-deploy hub",
    ]);
    expect(cloud.rollouts.state.status).toBe("idle");
    const { tags } = cloud;
    expect(tags.hub).toBe(tags["hub-canary"]);
    expect(tags.archiver).toBe(tags["archiver-canary"]);
    expect(cloud.violations).toEqual([]);
  });

  it("has no phases", async () => {
    const cloud = new FakeCloud();
    const error = await failure(release(await cloud.context(), "all", { ...OPTIONS, phase: 1 }));
    expect(error.exitCode).toBe(EXIT.usage);
    expect(cloud.calls).toEqual([]);
  });
});

describe("a release of hub and archiver", () => {
  it("puts both canaries under one rollout, and gives the stable scripts the release in their order", async () => {
    const { cloud, v1 } = await released();
    const report = await release(await cloud.context(), "all", OPTIONS);
    expect(report.outcome).toBe("released");
    expect(cloud.calls).toEqual([
      "upload archiver-canary",
      "upload hub-canary",
      "start",
      "deploy archiver-canary",
      "deploy hub-canary",
      "begin",
      "promoting",
      "upload archiver",
      "deploy archiver",
      "promoting",
      "upload hub",
      "deploy hub",
      "complete",
    ]);
    const { tags } = cloud;
    expect(tags.hub).not.toBe(v1.hub);
    expect(tags.hub).toBe(tags["hub-canary"]);
    expect(tags.archiver).not.toBe(v1.archiver);
    expect(cloud.rollouts.state).toMatchObject({ status: "done", promoted: ["archiver", "hub"] });
    expect(cloud.violations).toEqual([]);
  });

  it("is one release with a tag of its own, and names both Workers' versions", async () => {
    const { cloud } = await released();
    const report = await release(await cloud.context(), "all", OPTIONS);
    const { tags } = cloud;
    expect(report.tag).toMatch(/^r-[0-9a-f]{12}$/);
    expect([tags.hub, tags.archiver]).not.toContain(report.tag);
    expect(cloud.rollouts.state.release).toMatchObject({
      tag: report.tag,
      workers: {
        archiver: { changed: true, tag: tags.archiver },
        hub: { changed: true, tag: tags.hub },
      },
    });
    expect(report.versions.hub).toBe(cloud.serving("hub")?.id);
  });

  it("says that there is nothing to do when it serves already", async () => {
    const { cloud } = await released();
    await release(await cloud.context(), "all", OPTIONS);
    cloud.calls.length = 0;
    expect((await release(await cloud.context(), "all", OPTIONS)).outcome).toBe("unchanged");
    expect(cloud.calls).toEqual([]);
  });
});

describe("a release of one Worker", () => {
  it.each([
    ["hub", "archiver"],
    ["archiver", "hub"],
  ] as const)("of the %s leaves the %s as it is, and has the name of its bundle", async (target, other) => {
    const { cloud, v1 } = await released();
    const report = await release(await cloud.context(), target, OPTIONS);
    expect(cloud.tags[other]).toBe(v1[other]);
    expect(cloud.tags[target]).toBe(report.tag);
    expect(cloud.rollouts.state.promoted).toEqual([target]);
    expect(cloud.violations).toEqual([]);
  });

  it("returns the other's canary to what its stable script runs, since the lanes are compared", async () => {
    const { cloud, v1 } = await released();
    cloud.rollouts.judge = () => "fail";
    await failure(release(await cloud.context(), "all", OPTIONS));
    expect(cloud.tags["archiver-canary"]).not.toBe(v1.archiver);
    cloud.rollouts.judge = () => "pass";
    await release(await cloud.context(), "hub", OPTIONS);
    expect(cloud.tags["archiver-canary"]).toBe(v1.archiver);
    expect(cloud.violations).toEqual([]);
  });
});

describe("a release that is told where to stop", () => {
  it.each(["hub", "archiver", "all"] as const)(
    "of %s stops in its phase, and goes on from there",
    async (target) => {
      const { cloud, v1 } = await released();
      const report = await release(await cloud.context(), target, { ...OPTIONS, phase: 2 });
      expect(report.outcome).toBe("phase");
      expect(cloud.rollouts.state).toMatchObject({ status: "paused", phase: 2, pause: { why: "reached" } });
      expect(cloud.tags.hub).toBe(v1.hub);
      expect((await release(await cloud.context(), target, OPTIONS)).tag).toBe(report.tag);
      expect(cloud.rollouts.state.status).toBe("done");
      expect(cloud.calls.filter((call) => call.startsWith("upload"))).toHaveLength(target === "all" ? 4 : 2);
      expect(cloud.violations).toEqual([]);
    },
  );

  it("names its own code as what the rollout brings", async () => {
    const { cloud } = await released();
    await release(await cloud.context(), "hub", { ...OPTIONS, phase: 1 });
    expect(cloud.rollouts.state.release?.workers).toMatchObject({
      hub: { changed: true, tag: cloud.tags["hub-canary"] },
      archiver: { changed: false },
    });
  });

  it("says where it stands when it is asked for the same phase again", async () => {
    const { cloud } = await released();
    await release(await cloud.context(), "hub", { ...OPTIONS, phase: 3 });
    expect((await release(await cloud.context(), "hub", { ...OPTIONS, phase: 3 })).outcome).toBe("phase");
  });

  it("does not go back to an earlier phase", async () => {
    const { cloud } = await released();
    await release(await cloud.context(), "hub", { ...OPTIONS, phase: 2 });
    const error = await failure(release(await cloud.context(), "hub", { ...OPTIONS, phase: 1 }));
    expect(error.exitCode).toBe(EXIT.failed);
    expect(cloud.rollouts.state.phase).toBe(2);
  });
});

describe("a detached release", () => {
  it("ends when phase 1 is entered; the hub goes on, and a later run promotes", async () => {
    const { cloud, v1 } = await released();
    const report = await release(await cloud.context(), "hub", { ...OPTIONS, detach: true });
    expect(report.outcome).toBe("begun");
    expect(cloud.rollouts.state).toMatchObject({ status: "running", phase: 1 });
    expect((await release(await cloud.context(), "hub", { ...OPTIONS, detach: true })).outcome).toBe("begun");
    while (cloud.rollouts.state.status === "running") cloud.rollouts.look();
    expect(cloud.rollouts.state.status).toBe("promoting");
    expect(cloud.tags.hub).toBe(v1.hub);
    expect((await release(await cloud.context(), "hub", OPTIONS)).outcome).toBe("released");
    expect(cloud.violations).toEqual([]);
  });
});

describe("a release that is not begun", () => {
  it("is refused while another one is under way, which it names", async () => {
    const { cloud } = await released();
    await release(await cloud.context(), "hub", { ...OPTIONS, phase: 1 });
    cloud.sources.hub = source("hub 3");
    cloud.calls.length = 0;
    for (const target of ["hub", "archiver", "all", "canary"] as const) {
      const error = await failure(release(await cloud.context(), target, OPTIONS));
      expect(error.exitCode).toBe(EXIT.failed);
      expect(error.message).toContain(cloud.rollouts.state.id);
    }
    expect(cloud.calls).toEqual([]);
  });

  it("plans without changing anything in a dry run", async () => {
    const { cloud } = await released();
    const report = await release(await cloud.context(), "all", { ...OPTIONS, dryRun: true });
    expect(report.outcome).toBe("planned");
    expect(cloud.calls).toEqual([]);
    const plan = cloud.events.findLast((event) => event.type === "plan");
    expect(plan?.steps.map(({ id }) => id)).toContain("phase-2");
  });

  it("changes nothing when it is not confirmed", async () => {
    const { cloud } = await released();
    const confirm = () => Promise.reject(new CliError(EXIT.cancelled, "no"));
    const error = await failure(release(await cloud.context(), "all", { ...OPTIONS, confirm }));
    expect(error.exitCode).toBe(EXIT.cancelled);
    expect(cloud.calls).toEqual([]);
  });

  it("refuses a script whose traffic someone else splits", async () => {
    const { cloud } = await released();
    const versions = [
      { versionId: cloud.serving("hub")?.id ?? "", percentage: 90 },
      { versionId: "other", percentage: 10 },
    ];
    cloud.scripts.deploy("hub", versions, null);
    const error = await failure(release(await cloud.context(), "hub", OPTIONS));
    expect(error.exitCode).toBe(EXIT.failed);
    expect(error.message).toContain("other at 10 %");
    expect(cloud.calls).toEqual([]);
  });

  it("is told by the hub's refusal when the plan has webhooks that it cannot sign", async () => {
    const { cloud } = await released();
    const context = await cloud.context();
    const fetch: typeof globalThis.fetch = async (input, init) =>
      String(input).endsWith("/start")
        ? Response.json({ type: "urn:strata:problem:webhook-key-missing", title: "No key" }, { status: 409 })
        : context.fetch(input, init);
    const error = await failure(release({ ...context, fetch }, "hub", OPTIONS));
    expect(error.message).toContain("No key");
    expect(cloud.calls).not.toContain("deploy hub-canary");
  });
});

describe("a direct release", () => {
  it("goes to all scripts of a local Worker at once, and to no other environment", async () => {
    const { cloud } = await released();
    await release(await cloud.context(), "hub", { ...OPTIONS, direct: true });
    expect(cloud.calls).toEqual(["upload hub-canary", "deploy hub-canary", "upload hub", "deploy hub"]);
    const production = await cloud.context({ environment: "production" });
    const error = await failure(release(production, "hub", { ...OPTIONS, direct: true }));
    expect(error.exitCode).toBe(EXIT.usage);
  });
});

describe("a release of the canary scripts", () => {
  it("puts the working tree there, and nowhere else", async () => {
    const { cloud, v1 } = await released();
    const report = await release(await cloud.context(), "canary", OPTIONS);
    expect(report.outcome).toBe("released");
    expect(cloud.tags).toMatchObject({ hub: v1.hub, archiver: v1.archiver });
    expect(cloud.tags["hub-canary"]).not.toBe(v1.hub);
    expect(cloud.rollouts.state.status).toBe("idle");
    expect((await release(await cloud.context(), "canary", OPTIONS)).outcome).toBe("unchanged");
  });
});

describe("secrets", () => {
  const uploads = async (options: ReleaseOptions): Promise<readonly (readonly string[])[]> => {
    const { cloud } = await released();
    const context = await cloud.context();
    const sent: string[][] = [];
    const { uploadVersion } = context.wrangler;
    const wrangler: typeof context.wrangler = {
      ...context.wrangler,
      uploadVersion: async (upload) => {
        sent.push(Object.keys(upload.secrets).toSorted());
        return uploadVersion(upload);
      },
    };
    await release({ ...context, wrangler }, "hub", { ...OPTIONS, ...options });
    return sent;
  };

  it("are not sent again by a later release", async () => {
    expect(await uploads({})).toEqual([[], []]);
  });

  it("are sent to both scripts when they are rotated", async () => {
    const both = ["ADMIN_TOKEN", "BOOTSTRAP_API_KEY"];
    expect(await uploads({ rotateSecrets: true })).toEqual([both, both]);
  });

  it("that are rotated are a release of their own, even of the code that serves", async () => {
    const { cloud } = await released();
    await release(await cloud.context(), "hub", OPTIONS);
    const before = cloud.serving("hub");
    const report = await release(await cloud.context(), "hub", { ...OPTIONS, rotateSecrets: true });
    expect(report.outcome).toBe("released");
    expect(cloud.serving("hub")).toMatchObject({ tag: before?.tag });
    expect(cloud.serving("hub")?.id).not.toBe(before?.id);
    expect(cloud.violations).toEqual([]);
  });

  it("end the release with code 4 and the variable's name when a needed one is not known", async () => {
    const cloud = new FakeCloud();
    const error = await failure(release(await cloud.context({ secrets: {} }), "all", OPTIONS));
    expect(error.exitCode).toBe(EXIT.credentials);
    expect(error.message).toContain("ADMIN_TOKEN");
  });
});

describe("the archiver's queue consumers", () => {
  it("are applied when the account's are others, also when nothing else changes", async () => {
    const { cloud } = await released();
    cloud.sources.archiver = source("archiver 1");
    cloud.consumers = [];
    const report = await release(await cloud.context(), "archiver", OPTIONS);
    expect(report.outcome).toBe("unchanged");
    expect(cloud.calls).toEqual(["triggers archiver"]);
  });

  it("are applied after the scripts of a release have the new code", async () => {
    const { cloud } = await released();
    cloud.consumers = [];
    await release(await cloud.context(), "archiver", { ...OPTIONS, plan: PLAN });
    expect(cloud.calls.slice(-3)).toEqual(["deploy archiver", "triggers archiver", "complete"]);
  });
});
