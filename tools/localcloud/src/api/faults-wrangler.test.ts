import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { temporaryDirectory } from "../../test/harness.ts";
import { Wrangler, type WranglerRun } from "../../test/wrangler.ts";
import { type FaultRule, type LocalCloud, startLocalCloud } from "../index.ts";

/** Large enough to be cut in the middle. */
const CODE = `const pad = ${JSON.stringify(Array.from({ length: 40_000 }, (_, i) => i.toString(36)).join(" "))};
export default { fetch: () => new Response(pad) };`;

const UPLOAD = { method: "POST", path: "/accounts/*/workers/scripts/hub/versions" };
const DEPLOY = { method: "POST", path: "/accounts/*/workers/scripts/hub/deployments" };
const TOO_MANY = { status: 429, code: 971, message: "slow down", headers: { "retry-after": "1" } };

const directory = temporaryDirectory();
let cloud: LocalCloud;
let wrangler: Wrangler;
let before: number;

beforeAll(async () => {
  cloud = await startLocalCloud({ directory: join(directory.path, "cloud") });
  wrangler = new Wrangler(join(directory.path, "project"), cloud.environment);
  wrangler.write("wrangler.json", { name: "hub", main: "index.js", compatibility_date: "2026-11-17" });
  wrangler.write("index.js", CODE);
  await wrangler.run(["deploy", "--no-x-provision"]);
});
beforeEach(async () => {
  before = (await versions()).length;
});
afterEach(() => cloud.faults.clear());
afterAll(async () => {
  await cloud.stop();
  directory[Symbol.dispose]();
});

async function api<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  const response = await fetch(`${cloud.apiUrl}/accounts/${cloud.accountId}/workers/scripts/hub${path}`, {
    headers: { authorization: `Bearer ${cloud.apiToken}` },
  });
  return z.object({ result: schema }).parse(await response.json()).result;
}

/** Newest first. */
async function versions(): Promise<string[]> {
  const { items } = await api("/versions", z.object({ items: z.array(z.object({ id: z.string() })) }));
  return items.map(({ id }) => id);
}

async function shares(): Promise<number[]> {
  const deployment = z.object({ versions: z.array(z.object({ percentage: z.number() })) });
  const { deployments } = await api("/deployments", z.object({ deployments: z.array(deployment) }));
  return (deployments[0]?.versions ?? []).map(({ percentage }) => percentage);
}

/** Runs wrangler once under one rule; says how often the rule was met, and how many versions there are more. */
async function under(rule: FaultRule, args: readonly string[]) {
  cloud.faults.set([rule]);
  const run: WranglerRun = await wrangler.attempt(args);
  const [met] = cloud.faults.hits();
  cloud.faults.clear();
  return {
    ok: run.code === 0,
    calls: met?.matched,
    uploaded: (await versions()).length - before,
    output: run.stdout + run.stderr,
  };
}

describe("versions upload of wrangler 4.164", () => {
  const upload = ["versions", "upload", "--no-x-provision"];

  it("waits as Retry-After says, and uploads once", async () => {
    const run = await under({ match: UPLOAD, effect: TOO_MANY, times: 1 }, upload);
    expect(run).toMatchObject({ ok: true, calls: 2, uploaded: 1 });
    expect(run.output).toContain("Waiting 1 second(s) before retrying");
  });

  it("does not wait for more than a minute", async () => {
    const effect = { ...TOO_MANY, headers: { "retry-after": "120" } };
    const run = await under({ match: UPLOAD, effect, times: 1 }, upload);
    expect(run).toMatchObject({ ok: false, calls: 1, uploaded: 0 });
  });

  it("tries three times against an error of the server", async () => {
    expect(await under({ match: UPLOAD, effect: { status: 500 }, times: 2 }, upload)).toMatchObject({
      ok: true,
      calls: 3,
      uploaded: 1,
    });
    const run = await under({ match: UPLOAD, effect: { status: 500, message: "no luck" } }, upload);
    expect(run).toMatchObject({ ok: false, calls: 3, uploaded: 1 });
    expect(run.output).toContain("no luck [code: 500]");
  });

  it("uploads again what was cut in the middle, of which nothing was kept", async () => {
    expect(await under({ match: UPLOAD, effect: { cut: 50_000 }, times: 1 }, upload)).toMatchObject({
      ok: true,
      calls: 2,
      uploaded: 1,
    });
    expect(await under({ match: UPLOAD, effect: { cut: 50_000 } }, upload)).toMatchObject({
      ok: false,
      calls: 3,
      uploaded: 1,
    });
  });

  it("uploads twice when an answer is lost", async () => {
    expect(await under({ match: UPLOAD, effect: { drop: "after" }, times: 1 }, upload)).toMatchObject({
      ok: true,
      calls: 2,
      uploaded: 2,
    });
  });

  it("has the patience for a slow answer", async () => {
    const run = await under({ match: UPLOAD, effect: { latencyMs: 3000 } }, upload);
    expect(run).toMatchObject({ ok: true, calls: 1, uploaded: 1 });
  });
});

describe("deployments of wrangler 4.164", () => {
  it("are not asked for again", async () => {
    const read = { method: "GET", path: DEPLOY.path };
    for (const effect of [TOO_MANY, { status: 503 }, { drop: "before" as const }]) {
      const run = await under({ match: read, effect, times: 1 }, ["deployments", "list"]);
      expect(run).toMatchObject({ ok: false, calls: 1 });
    }
  });

  it("are not made again, also when the first attempt has done it", async () => {
    const [fresh = "", old = ""] = await versions();
    const deploy = ["versions", "deploy", `${old}@70`, `${fresh}@30`, "-y"];
    expect(await under({ match: DEPLOY, effect: TOO_MANY, times: 1 }, deploy)).toMatchObject({
      ok: false,
      calls: 1,
    });
    expect(await shares()).toEqual([100]);
    expect(await under({ match: DEPLOY, effect: { drop: "after" }, times: 1 }, deploy)).toMatchObject({
      ok: false,
      calls: 1,
    });
    expect((await shares()).toSorted()).toEqual([30, 70]);
  });
});
