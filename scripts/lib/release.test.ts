import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CliError, EXIT } from "./exit.ts";
import { releaseArchiver, releaseCanary, releaseHub } from "./release.ts";
import type { HubReleaseOptions } from "./release-events.ts";
import { FakeCloud } from "./test/fake-cloud.ts";
import { failure, released } from "./test/released.ts";

describe("the first release of the hub", () => {
  it("is refused while the archiver has none, and says how to make one", async () => {
    const cloud = new FakeCloud();
    const error = await failure(releaseHub(await cloud.context()));
    expect(error.exitCode).toBe(EXIT.failed);
    expect(error.hints.join()).toContain("release:archiver");
    expect(cloud.calls).toEqual([]);
  });

  it("goes to both scripts at once, without a rollout", async () => {
    const { cloud, v1 } = await released();
    expect(cloud.serving("hub")?.tag).toBe(v1);
    expect(cloud.serving("hub-canary")?.tag).toBe(v1);
    expect(cloud.rollout.status).toBe("idle");
  });

  it("has no phases", async () => {
    const cloud = new FakeCloud();
    const context = await cloud.context();
    await releaseArchiver(context);
    expect((await failure(releaseHub(context, { phase: 1 }))).exitCode).toBe(EXIT.usage);
  });
});

describe("a later release of the hub", () => {
  it("goes through the lane and all phases, and ends with the same tag on both scripts", async () => {
    const { cloud, v1 } = await released();
    const report = await releaseHub(await cloud.context());
    expect(report.outcome).toBe("released");
    expect(report.tag).not.toBe(v1);
    expect(cloud.serving("hub")?.tag).toBe(report.tag);
    expect(cloud.serving("hub-canary")?.tag).toBe(report.tag);
    expect(cloud.rollout.status).toBe("promoted");
    expect(cloud.calls).toEqual([
      "upload hub-canary",
      "start",
      "deploy hub-canary",
      "phase",
      "phase",
      "phase",
      "upload hub",
      "deploy hub",
      "promote",
    ]);
  });

  it("never runs a full deploy, which would end a split without a word", async () => {
    const { cloud } = await released();
    await releaseHub(await cloud.context());
    expect(cloud.calls.filter((call) => call.startsWith("full-deploy"))).toEqual([]);
  });

  it("says that there is nothing to do when it serves already", async () => {
    const { cloud } = await released();
    await releaseHub(await cloud.context());
    cloud.calls.length = 0;
    expect((await releaseHub(await cloud.context())).outcome).toBe("unchanged");
    expect(cloud.calls).toEqual([]);
  });

  it("stops in the phase that was asked for, and goes on from there", async () => {
    const { cloud } = await released();
    expect((await releaseHub(await cloud.context(), { phase: 2 })).outcome).toBe("phase");
    expect(cloud.rollout).toMatchObject({ status: "active", phase: 2 });
    await releaseHub(await cloud.context());
    expect(cloud.rollout.status).toBe("promoted");
    expect(cloud.calls.filter((call) => call === "upload hub-canary")).toHaveLength(1);
  });

  it("does not go back to an earlier phase", async () => {
    const { cloud } = await released();
    await releaseHub(await cloud.context(), { phase: 2 });
    expect((await failure(releaseHub(await cloud.context(), { phase: 1 }))).exitCode).toBe(EXIT.failed);
    expect(cloud.rollout.phase).toBe(2);
  });

  it("is refused while another release is under way, which it names", async () => {
    const { cloud } = await released();
    await releaseHub(await cloud.context(), { phase: 1 });
    cloud.source = "export default { version: 3 }";
    cloud.calls.length = 0;
    for (const release of [releaseHub, releaseCanary]) {
      const error = await failure(release(await cloud.context()));
      expect(error.exitCode).toBe(EXIT.failed);
      expect(error.message).toContain(cloud.rollout.id);
    }
    expect(cloud.calls).toEqual([]);
  });

  it("plans without changing anything in a dry run", async () => {
    const { cloud } = await released();
    const report = await releaseHub(await cloud.context(), { dryRun: true });
    expect(report.outcome).toBe("planned");
    expect(cloud.calls).toEqual([]);
    const plan = cloud.events.findLast((event) => event.type === "plan");
    expect(plan?.steps.map(({ id }) => id)).toContain("phase-2");
  });

  it("changes nothing when it is not confirmed", async () => {
    const { cloud } = await released();
    const confirm = () => Promise.reject(new CliError(EXIT.cancelled, "no"));
    expect((await failure(releaseHub(await cloud.context(), { confirm }))).exitCode).toBe(EXIT.cancelled);
    expect(cloud.calls).toEqual([]);
  });

  it("can go directly to a local hub, and to no other", async () => {
    const { cloud } = await released();
    await releaseHub(await cloud.context(), { direct: true });
    expect(cloud.calls).toEqual(["upload hub", "deploy hub"]);
    const production = await cloud.context({ environment: "production" });
    expect((await failure(releaseHub(production, { direct: true }))).exitCode).toBe(EXIT.usage);
  });
});

describe("a release that goes wrong", () => {
  it("ends with code 5 and the hub's reason when the hub takes it back", async () => {
    const { cloud, v1 } = await released();
    cloud.traffic = { requests: 60, errors: 20 };
    const error = await failure(releaseHub(await cloud.context()));
    expect(error.exitCode).toBe(EXIT.rolledBack);
    expect(error.message).toContain("gate: 20 of 60");
    expect(cloud.serving("hub")?.tag).toBe(v1);
  });

  it("is inconclusive without traffic: it stays open and says how to go on", async () => {
    const { cloud } = await released();
    cloud.traffic = { requests: 0, errors: 0 };
    const error = await failure(releaseHub(await cloud.context(), { gate: { maxWaitMs: 20_000 } }));
    expect(error.exitCode).toBe(EXIT.failed);
    expect(error.hints.join("\n")).toContain("--min-sample 0");
    expect(cloud.rollout).toMatchObject({ status: "active", phase: 1 });
  });

  it("passes a phase without traffic when no sample is asked for", async () => {
    const { cloud } = await released();
    cloud.traffic = { requests: 0, errors: 0 };
    expect((await releaseHub(await cloud.context(), { gate: { minSample: 0 } })).outcome).toBe("released");
  });

  it("closes the rollout at 0 % when the canary does not answer well", async () => {
    const { cloud, v1 } = await released();
    const context = await cloud.context();
    const { deployVersion } = context.wrangler;
    const wrangler: typeof context.wrangler = {
      ...context.wrangler,
      deployVersion: async (config, versionId, message) => {
        cloud.sick.add(versionId);
        await deployVersion(config, versionId, message);
      },
    };
    const error = await failure(releaseHub({ ...context, wrangler }));
    expect(error.exitCode).toBe(EXIT.rolledBack);
    expect(cloud.rollout).toMatchObject({ status: "rolled-back", phase: 0 });
    expect(cloud.serving("hub")?.tag).toBe(v1);
  });

  async function withSickHub(
    then: (cloud: FakeCloud) => void,
  ): Promise<{ cloud: FakeCloud; v1: string; error: CliError }> {
    const { cloud, v1 } = await released();
    const context = await cloud.context();
    const { deployVersion } = context.wrangler;
    const wrangler: typeof context.wrangler = {
      ...context.wrangler,
      deployVersion: async (config, versionId, message) => {
        await deployVersion(config, versionId, message);
        if (!config.endsWith("/hub.json") || cloud.sick.size > 0) return;
        cloud.sick.add(versionId);
        then(cloud);
      },
    };
    return { cloud, v1, error: await failure(releaseHub({ ...context, wrangler })) };
  }

  it("returns the hub to its former version when the promoted one does not answer well", async () => {
    const { cloud, v1, error } = await withSickHub(() => {});
    expect(error.exitCode).toBe(EXIT.rolledBack);
    expect(cloud.serving("hub")?.tag).toBe(v1);
    expect(cloud.rollout.status).toBe("rolled-back");
  });

  it("ends with code 6 when that fails too", async () => {
    const { error } = await withSickHub((cloud) => {
      cloud.faults.push({
        call: "deploy hub",
        when: "before",
        error: () => new CliError(EXIT.failed, "no API"),
      });
    });
    expect(error.exitCode).toBe(EXIT.rollbackFailed);
  });

  it("returns the hub when its judge takes the release back at the last moment", async () => {
    const { cloud, v1 } = await released();
    const context = await cloud.context();
    const { deployVersion } = context.wrangler;
    const wrangler: typeof context.wrangler = {
      ...context.wrangler,
      deployVersion: async (config, versionId, message) => {
        await deployVersion(config, versionId, message);
        if (config.endsWith("/hub.json") && cloud.rollout.status === "active") {
          cloud.rollout = { ...cloud.rollout, status: "rolled-back", reason: "gate: late" };
        }
      },
    };
    const error = await failure(releaseHub({ ...context, wrangler }));
    expect(error.exitCode).toBe(EXIT.rolledBack);
    expect(cloud.serving("hub")?.tag).toBe(v1);
  });

  it.each(["phase-2", "upload-hub"])(
    "ends with code 5 and leaves the hub alone when it is taken back just before %s",
    async (step) => {
      const { cloud, v1 } = await released();
      const context = await cloud.context({
        onEvent: (event) => {
          if (event.type === "step" && event.id === step && event.status === "started") {
            cloud.rollout = { ...cloud.rollout, status: "rolled-back", reason: "gate: late" };
          }
        },
      });
      const error = await failure(releaseHub(context));
      expect(error.exitCode).toBe(EXIT.rolledBack);
      expect(error.message).toContain("gate: late");
      expect(cloud.calls).not.toContain("upload hub");
      expect(cloud.serving("hub")?.tag).toBe(v1);
    },
  );

  it("refuses a script whose traffic someone else splits", async () => {
    const { cloud } = await released();
    const current = cloud.serving("hub")?.id ?? "";
    const versions = [
      { versionId: current, percentage: 90 },
      { versionId: "other", percentage: 10 },
    ];
    cloud.deployBy("hub", versions, null);
    const error = await failure(releaseHub(await cloud.context()));
    expect(error.exitCode).toBe(EXIT.failed);
    expect(error.message).toContain("other at 10 %");
    expect(cloud.calls).toEqual([]);
  });

  it("does not overwrite what someone else deploys to the hub meanwhile", async () => {
    const { cloud } = await released();
    await releaseHub(await cloud.context(), { phase: 3 });
    const context = await cloud.context();
    const { uploadVersion } = context.wrangler;
    const wrangler: typeof context.wrangler = {
      ...context.wrangler,
      uploadVersion: async (upload) => {
        cloud.deployBy("hub", [{ versionId: "theirs", percentage: 100 }], "by hand");
        return uploadVersion(upload);
      },
    };
    const error = await failure(releaseHub({ ...context, wrangler }));
    expect(error.message).toContain("theirs");
    expect(cloud.calls).not.toContain("deploy hub");
  });

  it("says in what state things are when it is stopped, and leaves an open phase to the hub", async () => {
    const { cloud } = await released();
    const context = await cloud.context({
      onEvent: (event) => {
        if (event.type === "gate") cloud.stop.abort(new CliError(EXIT.cancelled, "stopped"));
      },
    });
    const error = await failure(releaseHub(context, { gate: { minSample: 1_000 } }));
    expect(error.exitCode).toBe(EXIT.cancelled);
    expect(error.hints.join("\n")).toContain("phase 1");
    expect(cloud.rollout.status).toBe("active");
  });

  it("closes a rollout that has no traffic yet when it is stopped", async () => {
    const { cloud } = await released();
    const context = await cloud.context({
      onEvent: (event) => {
        if (event.type === "step" && event.id === "open-rollout" && event.status === "done") {
          cloud.stop.abort(new CliError(EXIT.cancelled, "stopped"));
        }
      },
    });
    expect((await failure(releaseHub(context))).exitCode).toBe(EXIT.cancelled);
    expect(cloud.rollout).toMatchObject({ status: "rolled-back", phase: 0 });
  });
});

describe("a release that was killed", () => {
  const CALLS = [
    "upload hub-canary",
    "start",
    "deploy hub-canary",
    "phase",
    "upload hub",
    "deploy hub",
    "promote",
  ] as const;

  it("is finished by the next run, wherever it was killed, and uploads nothing twice that was uploaded", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ call: fc.constantFrom(...CALLS), when: fc.constantFrom("before", "after") }), {
          minLength: 1,
          maxLength: 3,
        }),
        async (kills) => {
          const { cloud, v1 } = await released();
          // A plain error is what a killed process leaves: nothing is taken back.
          for (const kill of kills) cloud.faults.push({ ...kill, error: () => new Error("killed") });
          let report = null;
          for (let run = 0; run <= kills.length && report === null; run += 1) {
            report = await releaseHub(await cloud.context()).catch(() => null);
          }
          expect(report?.tag).not.toBe(v1);
          expect(cloud.serving("hub")?.tag).toBe(report?.tag);
          expect(cloud.serving("hub-canary")?.tag).toBe(report?.tag);
          expect(cloud.rollout.status).toBe("promoted");
          expect(cloud.calls.filter((call) => call === "upload hub")).toHaveLength(1);
          expect(cloud.calls.filter((call) => call === "upload hub-canary")).toHaveLength(1);
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe("secrets", () => {
  const uploads = async (options: HubReleaseOptions): Promise<readonly (readonly string[])[]> => {
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
    await releaseHub({ ...context, wrangler }, options);
    return sent;
  };

  it("are not sent again by a later release", async () => {
    expect(await uploads({})).toEqual([[], []]);
  });

  it("are sent to both scripts when they are rotated", async () => {
    const both = ["ADMIN_TOKEN", "BOOTSTRAP_API_KEY"];
    expect(await uploads({ rotateSecrets: true })).toEqual([both, both]);
  });

  it("end the release with code 4 and the variable's name when a needed one is not known", async () => {
    const cloud = new FakeCloud();
    const context = await cloud.context({ secrets: {} });
    const error = await failure(releaseArchiver(context));
    expect(error.exitCode).toBe(EXIT.credentials);
    expect(error.message).toContain("ADMIN_TOKEN");
  });
});

describe("the archiver", () => {
  it("applies its queue consumers when the account's are others", async () => {
    const { cloud } = await released();
    cloud.consumers = [];
    await releaseArchiver(await cloud.context());
    expect(cloud.calls).toEqual(["upload archiver", "deploy archiver", "triggers archiver"]);
  });

  it("is returned to its former version when the new one does not answer", async () => {
    const { cloud } = await released();
    const before = cloud.serving("archiver")?.id;
    const context = await cloud.context();
    const fetch: typeof globalThis.fetch = async (input, init) =>
      String(input).startsWith("http://archiver.test") && cloud.serving("archiver")?.id !== before
        ? new Response("down", { status: 500 })
        : context.fetch(input, init);
    const error = await failure(releaseArchiver({ ...context, fetch }));
    expect(error.exitCode).toBe(EXIT.rolledBack);
    expect(cloud.serving("archiver")?.id).toBe(before);
  });
});
