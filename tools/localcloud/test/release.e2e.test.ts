import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { type LocalCloud, startLocalCloud } from "../src/index.ts";
import { temporaryDirectory } from "./harness.ts";
import { countVersions, keepAsking, version } from "./traffic.ts";
import { Wrangler } from "./wrangler.ts";

const SAMPLE = 3000;
const directory = temporaryDirectory();
let cloud: LocalCloud;
let wrangler: Wrangler;
let hub: string;

const CODE = `
import { DurableObject } from "cloudflare:workers";
export class Counter extends DurableObject {
  async next() {
    const n = ((await this.ctx.storage.get("n")) ?? 0) + 1;
    await this.ctx.storage.put("n", n);
    return n;
  }
}
export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/count") return Response.json(await env.COUNTER.getByName("one").next());
    if (pathname === "/send") return Response.json(await env.JOBS.send({ at: pathname }) ?? null);
    if (pathname === "/kv") return new Response(await env.KV.get("key"));
    return Response.json({ id: env.VERSION.id, tag: env.VERSION.tag, generation: env.GENERATION, secret: env.S ?? null });
  },
  async queue(batch, env) { await env.KV.put("key", "consumed " + batch.messages.length); },
  async scheduled(event, env) { await env.KV.put("key", "cron " + event.cron); },
};`;

function configure(generation: string, kv: string): void {
  wrangler.write("wrangler.json", {
    name: "hub",
    main: "index.js",
    compatibility_date: "2026-11-17",
    workers_dev: true,
    vars: { GENERATION: generation },
    version_metadata: { binding: "VERSION" },
    kv_namespaces: [{ binding: "KV", id: kv }],
    queues: {
      producers: [{ binding: "JOBS", queue: "jobs" }],
      consumers: [{ queue: "jobs", max_batch_timeout: 0 }],
    },
    durable_objects: { bindings: [{ name: "COUNTER", class_name: "Counter" }] },
    migrations: [{ tag: "v1", new_sqlite_classes: ["Counter"] }],
    triggers: { crons: ["*/5 * * * *"] },
  });
}

let kv: string;
beforeAll(async () => {
  cloud = await startLocalCloud({ directory: join(directory.path, "cloud") });
  wrangler = new Wrangler(join(directory.path, "project"), cloud.environment);
  wrangler.write("index.js", CODE);
  kv = /"id": "([0-9a-f]{32})"/.exec(await wrangler.run(["kv", "namespace", "create", "cache"]))?.[1] ?? "";
  await wrangler.run(["queues", "create", "jobs"]);
});
afterAll(async () => {
  await cloud.stop();
  directory[Symbol.dispose]();
});

const versionsSchema = z.array(z.object({ id: z.string(), number: z.number() }));
const deploymentSchema = z.object({
  versions: z.array(z.object({ version_id: z.string(), percentage: z.number() })),
});
const versions = async () =>
  versionsSchema
    .parse(await wrangler.json(["versions", "list", "--json"]))
    .toSorted((a, b) => a.number - b.number);
const status = async () =>
  deploymentSchema.parse(await wrangler.json(["deployments", "status", "--json"])).versions;
const split = (...shares: string[]) => wrangler.run(["versions", "deploy", ...shares, "-y"]);

describe("a release with real wrangler", () => {
  let first: string;
  let second: string;

  it("cannot upload a version of a Worker that is not there", async () => {
    configure("1", kv);
    const run = await wrangler.attempt(["versions", "upload", "--no-x-provision"]);
    expect(run.stderr + run.stdout).toContain("does not yet exist");
  });

  it("reports why code does not start", async () => {
    wrangler.write("index.js", `${CODE}\nnope();`);
    const run = await wrangler.attempt(["deploy", "--no-x-provision"]);
    expect(run.stderr + run.stdout).toMatch(/nope is not defined[^]*10021/);
    wrangler.write("index.js", CODE);
  });

  it("deploys to a shell that was provisioned without code", async () => {
    await fetch(`${cloud.apiUrl}/accounts/${cloud.accountId}/workers/workers`, {
      method: "POST",
      headers: { authorization: `Bearer ${cloud.apiToken}` },
      body: JSON.stringify({ name: "hub" }),
    });
    hub = cloud.scriptUrl("hub");
    await wrangler.run(["deploy", "--no-x-provision", "--tag", "g1", "--message", "first"]);
    expect(cloud.scriptUrl("hub")).toBe(hub);
    [first = ""] = (await versions()).map(({ id }) => id);
    expect(await status()).toEqual([{ version_id: first, percentage: 100 }]);
    expect(await version(hub)).toEqual({ id: first, tag: "g1", generation: "1", secret: null });
  });

  it("has attached Durable Objects, queue and cron", async () => {
    expect(await (await fetch(`${hub}/count`)).json()).toBe(1);
    await fetch(`${hub}/send`);
    await expect.poll(async () => (await fetch(`${hub}/kv`)).text(), { timeout: 10_000 }).toBe("consumed 1");
    await fetch(new URL("/__local/cron", cloud.apiUrl), {
      method: "POST",
      body: JSON.stringify({ script: "hub" }),
    });
    await expect
      .poll(async () => (await fetch(`${hub}/kv`)).text(), { timeout: 10_000 })
      .toBe("cron */5 * * * *");
  });

  it("uploads a second version, which gets no traffic but by override", async () => {
    configure("2", kv);
    await wrangler.run(["versions", "upload", "--no-x-provision", "--tag", "g2", "--message", "second"]);
    second = (await versions()).at(-1)?.id ?? "";
    expect(await wrangler.run(["versions", "view", second])).toContain("g2");
    await split(`${first}@100`, `${second}@0`);
    expect(await countVersions(hub, 50)).toEqual(new Map([[first, 50]]));
    const override = { "cloudflare-workers-version-overrides": `hub="${second}"` };
    expect(await version(hub, override)).toMatchObject({ id: second, generation: "2" });
  });

  it("gives it 10 % and then half of the requests", async () => {
    for (const [share, tolerance] of [
      [10, 2.5],
      [50, 4],
    ] as const) {
      await split(`${first}@${100 - share}`, `${second}@${share}`);
      const counted = await countVersions(hub, SAMPLE);
      const measured = (100 * (counted.get(second) ?? 0)) / SAMPLE;
      expect(measured).toBeGreaterThan(share - tolerance);
      expect(measured).toBeLessThan(share + tolerance);
      expect((counted.get(first) ?? 0) + (counted.get(second) ?? 0)).toBe(SAMPLE);
    }
  });

  it("keeps a key on its version, also as the share grows", async () => {
    const keys = Array.from({ length: 100 }, (_, i) => `client-${i}`);
    const assign = async () =>
      new Map(
        await Promise.all(
          keys.map(
            async (key) => [key, (await version(hub, { "cloudflare-workers-version-key": key })).id] as const,
          ),
        ),
      );
    const half = await assign();
    expect(await assign()).toEqual(half);
    await split(`${first}@20`, `${second}@80`);
    const most = await assign();
    for (const key of keys.filter((one) => half.get(one) === second)) {
      expect(most.get(key)).toBe(second);
    }
  });

  it("fails no request while versions are swapped, and promotes", async () => {
    const asking = keepAsking(hub);
    await split(`${second}@100`);
    await split(`${first}@100`);
    await wrangler.run(["deploy", "--no-x-provision", "--tag", "g3"]);
    await split(`${second}@100`);
    const { asked, failed } = await asking.stop();
    expect(failed).toEqual([]);
    expect(asked).toBeGreaterThan(100);
    expect(await countVersions(hub, 50)).toEqual(new Map([[second, 50]]));
  });

  it("keeps the Durable Object's data through all of it", async () => {
    expect(await (await fetch(`${hub}/count`)).json()).toBe(2);
  });

  it("lists deployments and rolls back", async () => {
    expect(await wrangler.run(["deployments", "list"])).toContain(`(10%) ${second}`);
    await wrangler.run(["rollback", first, "-y", "--message", "bad release"]);
    expect(await status()).toEqual([{ version_id: first, percentage: 100 }]);
    expect(await version(hub)).toMatchObject({ id: first, generation: "1" });
  });

  it("edits secrets only while the latest version is deployed", async () => {
    const refused = await wrangler.attempt(["secret", "put", "S"], { stdin: "one" });
    expect(refused.stderr + refused.stdout).toContain("isn't currently deployed");
    await wrangler.run(["deploy", "--no-x-provision"]);
    await wrangler.run(["secret", "put", "S"], { stdin: "one" });
    expect(await version(hub)).toMatchObject({ secret: "one" });
    wrangler.write("secrets.json", { S: "two", T: "three" });
    await wrangler.run(["secret", "bulk", "secrets.json"]);
    expect(await version(hub)).toMatchObject({ secret: "two" });
    expect(await wrangler.json(["secret", "list"])).toEqual([
      { name: "S", type: "secret_text" },
      { name: "T", type: "secret_text" },
    ]);
  });

  it("keeps secrets over a deploy, and asks before a rollback that would change them", async () => {
    await wrangler.run(["deploy", "--no-x-provision"]);
    expect(await version(hub)).toMatchObject({ secret: "two" });
    expect(await wrangler.run(["rollback", second, "-y", "--message", "older"])).toContain(
      "secrets have changed",
    );
    expect(await version(hub)).toMatchObject({ id: second, secret: null });
  });

  it("deploys triggers alone, and deletes", async () => {
    expect(await wrangler.run(["triggers", "deploy"])).toContain("schedule: */5 * * * *");
    await wrangler.run(["delete", "--force"]);
    await expect(fetch(hub)).rejects.toThrow("fetch failed");
    expect(() => cloud.scriptUrl("hub")).toThrow("no script is called hub");
  });
});
