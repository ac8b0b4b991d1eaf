/**
 * The program on Pulumi's real engine, provisioned into a cloud on this
 * machine. Without the engine these tests fail, and say how to get it.
 */
import { execFile, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  destroyLocal,
  previewLocal,
  provisionLocal,
  readOutputs,
  refreshLocal,
  type ProvisionOptions,
  type ProvisionResult,
} from "../scripts/lib/provision.ts";
import { findPulumiCli, PULUMI_VERSION } from "../scripts/lib/pulumi-cli.ts";
import { startTestCloud, type TestCloud } from "./test/cloud.ts";
import { defaultSettings, topology, type Environment, type Topology } from "./topology.ts";

const run = promisify(execFile);
const RESOURCES = 17;
/** The engine counts the stack itself, too. */
const COUNTED = RESOURCES + 1;

let cloud: TestCloud;

beforeAll(async () => {
  if ((await findPulumiCli()) === null) {
    throw new Error(`These tests need the Pulumi CLI ${PULUMI_VERSION}. Get it with: npm run pulumi:build`);
  }
  cloud = await startTestCloud();
});

afterAll(async () => {
  await cloud?.stop();
});

/** A stack of a test's own, in a directory of its own. */
async function stackFor(
  environment: Environment,
): Promise<{ options(wanted?: Topology): ProvisionOptions; remove(): Promise<void> }> {
  const directory = await mkdtemp(path.join(tmpdir(), "strata-stack-"));
  return {
    options: (wanted = topology(environment)) => ({
      ...cloud.account,
      stateDirectory: directory,
      topology: wanted,
      engine: "find",
    }),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

describe("the local stack", () => {
  let stack: Awaited<ReturnType<typeof stackFor>>;
  let first: ProvisionResult;

  beforeAll(async () => {
    stack = await stackFor("local");
    first = await provisionLocal(stack.options());
  });

  afterAll(async () => {
    await stack?.remove();
  });

  test("is created whole by the first up", () => {
    expect(first.summary).toMatchObject({ created: COUNTED, updated: 0, deleted: 0, unchanged: 0 });
  });

  test("names its engine and its provider", () => {
    expect(first.engine).toBe(`pulumi ${PULUMI_VERSION}`);
    expect(first.provider).toMatch(/^(local stand-in|real 6\.17\.0)$/);
  });

  test("puts out ids under which the API knows the resources", async () => {
    const { kv, d1, queues, workers } = first.outputs;
    const found = await Promise.all([
      cloud.get(`storage/kv/namespaces/${kv.cache}`),
      cloud.get(`d1/database/${d1.archive}`),
      cloud.get(`queues/${queues["ingest-dlq"].id}`),
      cloud.get(`workers/workers/${workers["hub-canary"].id}`),
    ]);
    expect(found).toMatchObject([
      { title: "strata-cache-local" },
      { name: "strata-archive-local" },
      { queue_name: "strata-ingest-dlq-local" },
      { name: "strata-hub-canary-local" },
    ]);
  });

  test("leaves its outputs for the scripts that come after", async () => {
    expect(await readOutputs("local", stack.options().stateDirectory)).toEqual(first.outputs);
  });

  test("is not changed by a second up", async () => {
    const { summary } = await provisionLocal(stack.options());
    expect(summary).toMatchObject({ created: 0, updated: 0, deleted: 0, unchanged: COUNTED });
  });

  test("has not drifted, and a preview after the refresh expects no changes", async () => {
    const { summary: refreshed } = await refreshLocal(stack.options());
    const { summary: previewed } = await previewLocal({ ...stack.options(), expectNoChanges: true });
    expect(refreshed).toMatchObject({ updated: 0, deleted: 0 });
    expect(previewed).toMatchObject({ unchanged: COUNTED });
  });

  test("makes a namespace again that was deleted behind its back", async () => {
    await cloud.delete(`storage/kv/namespaces/${first.outputs.kv.snapshots}`);
    const { summary: refreshed } = await refreshLocal(stack.options());
    const { summary, outputs } = await provisionLocal(stack.options());

    expect(refreshed).toMatchObject({ deleted: 1 });
    expect(summary).toMatchObject({ created: 1, updated: 0, unchanged: COUNTED - 1 });
    expect(outputs.kv.snapshots).not.toBe(first.outputs.kv.snapshots);
    expect(outputs.kv.cache).toBe(first.outputs.kv.cache);
  });

  test("takes what wrangler set on a Worker for no change, even once refreshed", async () => {
    const id = first.outputs.workers.hub.id;
    await cloud.put(`workers/workers/${id}`, {
      ...(await cloud.get(`workers/workers/${id}`)),
      observability: { enabled: true, head_sampling_rate: 0.5 },
      subdomain: { enabled: true, previews_enabled: false },
      tags: ["released"],
    });
    await refreshLocal(stack.options());
    const { summary } = await previewLocal({ ...stack.options(), expectNoChanges: true });

    expect(summary.unchanged).toBe(COUNTED);
    expect(await cloud.get(`workers/workers/${id}`)).toMatchObject({
      subdomain: { enabled: true },
      tags: ["released"],
    });
  });

  test("waits for no engine that was killed, and works beside none that runs", async () => {
    const locks = path.join(
      stack.options().stateDirectory,
      "backend/.pulumi/locks/organization/strata/local",
    );
    const lock = (pid: number | undefined): string =>
      JSON.stringify({ pid, username: "someone", hostname: "somewhere", timestamp: "2026-11-21T00:00:00Z" });
    const { pid: ended } = spawnSync("true");
    await mkdir(locks, { recursive: true });

    await writeFile(path.join(locks, "left.json"), lock(process.pid));
    await expect(refreshLocal(stack.options())).rejects.toThrow(/locked by 1 lock/);
    await writeFile(path.join(locks, "left.json"), lock(ended));
    await expect(refreshLocal(stack.options())).resolves.toMatchObject({ summary: { deleted: 0 } });
  });

  test("is destroyed as far as that is possible, and what survives is listed", async () => {
    const outputs = await readOutputs("local", stack.options().stateDirectory);
    const { summary, survivors } = await destroyLocal(stack.options());

    expect(summary).toMatchObject({ deleted: COUNTED });
    expect(survivors.map(({ resource }) => resource).toSorted()).toEqual([
      "cron-archiver",
      "r2-backups-lifecycle",
      "r2-cold-lifecycle",
      "r2-media-lifecycle",
    ]);
    await expect(cloud.get(`d1/database/${outputs.d1.hub}`)).rejects.toThrow(/^404/);
    await expect(readOutputs("local", stack.options().stateDirectory)).rejects.toThrow(/not provisioned/);
  });
});

describe("a changed topology", () => {
  let stack: Awaited<ReturnType<typeof stackFor>>;
  let before: ProvisionResult;
  const base = topology("staging");

  beforeAll(async () => {
    stack = await stackFor("staging");
    before = await provisionLocal(stack.options());
  });

  afterAll(async () => {
    await stack?.remove();
  });

  test("updates lifecycle rules, crons, queue settings and KV titles in place", async () => {
    const settings = {
      ...defaultSettings("staging"),
      coldExpiryDays: 60,
      archiveCrons: ["30 2 * * *"],
      queueRetentionSeconds: 86_400,
    };
    const changed = topology("staging", settings);
    const wanted = { ...changed, kv: { ...changed.kv, cache: { title: "strata-fast-staging" } } };
    const { summary, outputs } = await provisionLocal(stack.options(wanted));

    // One lifecycle, one cron trigger, two queues, one namespace.
    expect(summary).toMatchObject({ created: 0, updated: 5, replaced: 0, deleted: 0 });
    expect(outputs).toEqual({ ...before.outputs, settings });
    expect(await cloud.get(`storage/kv/namespaces/${outputs.kv.cache}`)).toMatchObject({
      title: "strata-fast-staging",
    });
    expect(await cloud.get(`queues/${outputs.queues.ingest.id}`)).toMatchObject({
      settings: { message_retention_period: 86_400 },
    });
    expect(await cloud.get("workers/scripts/strata-archiver-staging/schedules")).toMatchObject({
      schedules: [{ cron: "30 2 * * *" }],
    });
    expect(await cloud.get("r2/buckets/strata-cold-staging/lifecycle")).toMatchObject({
      rules: [
        { abortMultipartUploadsTransition: { condition: { maxAge: 7 * 86_400 } } },
        { deleteObjectsTransition: { condition: { maxAge: 60 * 86_400 } } },
      ],
    });
  });

  const renames: readonly [string, Topology][] = [
    ["database", { ...base, d1: { ...base.d1, archive: { ...base.d1.archive, name: "renamed" } } }],
    ["bucket", { ...base, r2: { ...base.r2, cold: { ...base.r2.cold, name: "renamed" } } }],
  ];

  test.each(renames)(
    "that renames a %s is refused by protection, and nothing happens",
    async (_, renamed) => {
      await expect(previewLocal(stack.options(renamed))).rejects.toThrow(
        /unable to replace resource.*\n.*currently marked for protection/,
      );
      await expect(provisionLocal(stack.options(renamed))).rejects.toThrow(/marked for protection/);
      expect(await cloud.get(`d1/database/${before.outputs.d1.archive}`)).toMatchObject({
        name: "strata-archive-staging",
      });
      expect(await cloud.get("r2/buckets/strata-cold-staging")).toMatchObject({
        name: "strata-cold-staging",
      });
    },
  );

  test("that may not change anything is refused with the changes named", async () => {
    const changed = { ...base, kv: { ...base.kv, snapshots: { title: "elsewhere" } } };
    await expect(previewLocal({ ...stack.options(changed), expectNoChanges: true })).rejects.toMatchObject({
      message: expect.stringContaining("no changes were expected"),
      data: { changes: expect.arrayContaining(["update kv-snapshots"]) },
    });
  });

  test("cannot destroy what is protected, and deletes nothing else either", async () => {
    await expect(destroyLocal(stack.options())).rejects.toThrow(/cannot be deleted\nbecause it is protected/);
    const { kv, queues } = before.outputs;
    expect(await cloud.get(`storage/kv/namespaces/${kv.snapshots}`)).toMatchObject({ id: kv.snapshots });
    expect(await cloud.get(`queues/${queues.ingest.id}`)).toMatchObject({ queue_id: queues.ingest.id });
  });
});

describe("production", () => {
  test("refuses to rename a database or a bucket as well, and puts out that nothing expires", async () => {
    const stack = await stackFor("production");
    const base = topology("production");
    const renamed = {
      ...base,
      d1: { ...base.d1, hub: { ...base.d1.hub, name: "renamed" } },
      r2: { ...base.r2, media: { ...base.r2.media, name: "renamed" } },
    };
    const { outputs } = await provisionLocal(stack.options());
    await expect(previewLocal(stack.options(renamed))).rejects.toThrow(/marked for protection/);
    expect(outputs.settings).toEqual(defaultSettings("production"));
    await stack.remove();
  });
});

describe("the stand-in provider", () => {
  test("refuses an API that is not on this machine, before the engine starts", async () => {
    const stack = await stackFor("local");
    const options = { ...stack.options(), apiUrl: "https://api.cloudflare.com/client/v4" };
    await expect(provisionLocal(options)).rejects.toThrow(/only works against a loopback address/);
    await expect(previewLocal(options)).rejects.toThrow(/only works against a loopback address/);
    await stack.remove();
  });

  test("refuses it by itself as well, when the engine starts it", async () => {
    const executable = path.join(import.meta.dirname, "../tools/localcloud/bin/pulumi-resource-cloudflare");
    const env = {
      PATH: path.dirname(process.execPath),
      CLOUDFLARE_BASE_URL: "https://api.cloudflare.com/client/v4",
      CLOUDFLARE_API_TOKEN: cloud.account.apiToken,
    };
    await expect(run(executable, ["127.0.0.1:1"], { env })).rejects.toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("only works against a loopback address"),
    });
  });

  test("is on no PATH that npm gives to other programs", async () => {
    const manifest = await readFile(
      path.join(import.meta.dirname, "../tools/localcloud/package.json"),
      "utf8",
    );
    expect(manifest).not.toContain("pulumi-resource-cloudflare");
  });
});
