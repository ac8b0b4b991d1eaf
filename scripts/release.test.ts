/** The release scripts with real wrangler and the built Workers, on a local cloud. */
import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT } from "./lib/exit.ts";
import { openHub } from "./lib/hub.ts";
import { writeLocalCloud } from "./lib/local-state.ts";
import { migrate } from "./lib/migrations.ts";
import { previewLocal, provisionLocal, refreshLocal } from "./lib/provision.ts";
import { releaseArchiver, releaseHub } from "./lib/release.ts";
import { LocalRun, runScript, type Ended } from "./lib/test/local-run.ts";

/** Pause of a client between two requests, in milliseconds: the processors are for the release. */
const THINK_MS = 10;

const STACK_LINE = /^\s+at .+:\d+:\d+\)?$/m;

function expectExpectedError({ stderr }: Ended): void {
  expect(stderr).not.toMatch(STACK_LINE);
}

describe("arguments", () => {
  it.each([
    ["an unknown flag", ["hub", "--env", "local", "--frobnicate"], "--frobnicate"],
    ["an unknown target", ["everything", "--env", "local"], "everything"],
    ["an unknown environment", ["hub", "--env", "mars"], "mars"],
    ["no environment", ["hub"], "--env"],
    ["a phase that there is not", ["hub", "--env", "local", "--phase", "4"], "--phase"],
    ["one argument too many", ["hub", "canary", "--env", "local"], "too many arguments"],
  ])("end with code 2 and the usage for %s", async (_, args, named) => {
    const ended = await runScript("release", args);
    expect(ended.exitCode).toBe(EXIT.usage);
    expect(ended.stderr).toContain(named);
    expect(ended.stderr).toContain("Usage: release");
    expect(ended.stdout).toBe("");
  });

  it.each(["rollback", "status", "migrate", "dev"])("of %s are checked too", async (script) => {
    expect((await runScript(script, ["--frobnicate", "--env", "local"])).exitCode).toBe(EXIT.usage);
  });

  it.each([
    ["release", ["hub"]],
    ["rollback", []],
    ["migrate", []],
  ])("of %s need --yes for production where there is no terminal", async (script, args) => {
    const ended = await runScript(script, [...args, "--env", "production"]);
    expect(ended.exitCode).toBe(EXIT.usage);
    expect(ended.stderr).toContain("--yes");
  });

  it("that ask for help are answered with code 0", async () => {
    expect((await runScript("release", ["--help"])).exitCode).toBe(EXIT.ok);
  });
});

describe("an environment that cannot be reached", () => {
  it("ends with code 4 and the variable's name without a token", async () => {
    const ended = await runScript("release", ["hub", "--env", "staging"]);
    expect(ended.exitCode).toBe(EXIT.credentials);
    expect(ended.stderr).toContain("CLOUDFLARE_API_TOKEN");
    expectExpectedError(ended);
  });
});

describe("on a local cloud", () => {
  let run: LocalRun;
  let v1: string;
  /** Everything that the scripts printed; searched for secrets at the end. */
  const printed: string[] = [];

  beforeAll(async () => {
    run = await LocalRun.start();
  });
  afterAll(async () => run.stop());

  const script = async (...args: Parameters<LocalRun["script"]>): Promise<Ended> => {
    const ended = await run.script(...args);
    printed.push(ended.stdout, ended.stderr);
    return ended;
  };

  /** An entry module that wraps the hub's. */
  async function variant(name: string, body: string): Promise<string> {
    const file = path.join(run.directory, "variants", `${name}.ts`);
    await mkdir(path.dirname(file), { recursive: true });
    const hub = JSON.stringify(path.join(run.context.root, "worker/src/index.ts"));
    await writeFile(
      file,
      `import hub from ${hub};
export * from ${hub};
export default { ...hub, async fetch(request, env, ctx) { ${body} } };
`,
    );
    return file;
  }

  const good = (mark: string): Promise<string> =>
    variant(
      mark,
      `const answer = await hub.fetch(request, env, ctx);
      const marked = new Response(answer.body, answer);
      marked.headers.set("mark", "${mark}");
      return marked;`,
    );

  const broken = (): Promise<string> =>
    variant(
      "broken",
      `if (new URL(request.url).pathname === "/tables") return new Response("broken", { status: 500 });
      return hub.fetch(request, env, ctx);`,
    );

  /** Reads of many clients until the work is done. @returns how many failed */
  async function underTraffic<T>(
    work: () => Promise<T>,
  ): Promise<{ result: T; failed: number; requests: number }> {
    const url = `${run.cloud.scriptUrl(run.context.topology.workers.hub.name)}/tables`;
    const key = run.context.secrets["BOOTSTRAP_API_KEY"] ?? "";
    const done = new AbortController();
    let failed = 0;
    let requests = 0;
    const client = async (): Promise<void> => {
      while (!done.signal.aborted) {
        requests += 1;
        const headers = { authorization: `Bearer ${key}`, "strata-client": `client-${requests}` };
        const answer = await fetch(url, { headers });
        await answer.arrayBuffer();
        if (answer.status !== 200) failed += 1;
        await pause(THINK_MS);
      }
    };
    const clients = [client(), client()];
    try {
      return { result: await work(), failed, requests };
    } finally {
      done.abort();
      await Promise.all(clients);
    }
  }

  it("releases nothing when a migration has a syntax error, and applies nothing of it", async () => {
    await releaseArchiver(run.context);
    const copy = await run.copyOfRepository();
    const file = path.join(copy.root, "migrations/hub/9999_broken.sql");
    await writeFile(file, "CREATE TABLE half (id INTEGER PRIMARY KEY);\nCREATE TABEL other (id INTEGER);\n");
    await expect(releaseHub(copy)).rejects.toMatchObject({
      exitCode: EXIT.failed,
      message: expect.stringContaining("9999_broken.sql"),
      hints: expect.arrayContaining([expect.stringContaining('near "TABEL": syntax error')]),
    });
    const tables = await run.context.api.queryD1(run.context.ids.d1.hub, "SELECT name FROM sqlite_schema");
    expect(tables.map(({ name }) => name)).not.toContain("half");
    expect(await run.serving("hub")).toBeNull();
    expect(await run.tags("hub")).toEqual([]);
    await rm(file);
    expect(await migrate(copy, ["hub"])).toEqual({ hub: [] });
  });

  it("releases the hub and its canary for the first time", async () => {
    const ended = await script("release", ["hub", "--json"]);
    expect(ended.exitCode).toBe(EXIT.ok);
    const last: unknown = JSON.parse(ended.stdout.trim().split("\n").at(-1) ?? "");
    expect(last).toMatchObject({ type: "result", releases: [{ target: "hub", outcome: "released" }] });
    v1 = (await run.serving("hub")) ?? "";
    expect(v1).toMatch(/^r-[0-9a-f]{12}$/);
    expect(await run.serving("hub-canary")).toBe(v1);
  });

  it("finds nothing to roll back to after that", async () => {
    const ended = await script("rollback", []);
    expect(ended.exitCode).toBe(EXIT.failed);
    expect(ended.stderr).toContain("nothing to roll back to");
    expectExpectedError(ended);
  });

  it("finishes a release that was killed between upload and deployment, with the same version", async () => {
    const main = await good("v2");
    const killed = await script("release", ["hub", "--main", main, "--json"], {
      killOn: (line) => line.includes('"upload-hub-canary"') && line.includes('"done"'),
    });
    expect(killed.exitCode).toBeNull();
    const { result, failed } = await underTraffic(() =>
      releaseHub(run.context, { main, gate: { intervalMs: 0, minSample: 3, pollMs: 100 } }),
    );
    expect(failed).toBe(0);
    expect(result.outcome).toBe("released");
    expect(await run.serving("hub")).toBe(result.tag);
    expect((await run.tags("hub-canary")).filter((tag) => tag === result.tag)).toHaveLength(1);
  });

  it("refuses a release while another one is under way, and names it", async () => {
    const main = await good("v3");
    await releaseHub(run.context, { main, phase: 1, gate: { intervalMs: 0, minSample: 0 } });
    const ended = await script("release", ["hub", "--main", await good("v4")]);
    expect(ended.exitCode).toBe(EXIT.failed);
    const { id } = await (await openHub(run.context)).state();
    expect(ended.stderr).toContain(id);
    expectExpectedError(ended);
    const back = await script("rollback", ["--json"]);
    expect(back.exitCode).toBe(EXIT.ok);
    expect(JSON.parse(back.stdout.trim().split("\n").at(-1) ?? "")).toMatchObject({
      kind: "lane",
      rolloutId: id,
    });
  });

  it("ends with code 5 when the hub takes a bad release back", async () => {
    const before = await run.serving("hub");
    const main = await broken();
    const { result } = await underTraffic(() =>
      script("release", ["hub", "--main", main, "--gate-interval", "1h", "--min-sample", "5"]),
    );
    expect(result.exitCode).toBe(EXIT.rolledBack);
    expect(result.stderr).toContain("canary requests failed");
    expect(await run.serving("hub")).toBe(before);
    expectExpectedError(result);
  });

  it("returns a promoted release to the version before it", async () => {
    const ended = await script("rollback", []);
    expect(ended.exitCode).toBe(EXIT.ok);
    expect(await run.serving("hub")).toBe(v1);
  });

  it("shows all of it as one JSON document", async () => {
    const ended = await script("status", ["--json"]);
    expect(ended.exitCode).toBe(EXIT.ok);
    expect(JSON.parse(ended.stdout)).toMatchObject({
      rollout: { status: "rolled-back" },
      workers: { hub: { versions: [{ percentage: 100, tag: v1 }], rollbackTo: null } },
      pendingMigrations: { hub: [], archive: [] },
    });
  });

  it("leaves nothing for Pulumi to change, and `up` sends no code", async () => {
    const codeNow = async (): Promise<unknown> => {
      const names = Object.values(run.context.topology.workers).map(({ name }) => name);
      return Promise.all(
        names.map(async (name) => ({
          versions: await run.context.api.versions(name),
          deployments: await run.context.api.deployments(name),
        })),
      );
    };
    const before = await codeNow();

    await refreshLocal(run.stack);
    const { engine } = await previewLocal({ ...run.stack, expectNoChanges: true });
    const { summary } = await provisionLocal(run.stack);

    expect(engine).toMatch(/^pulumi /);
    expect(summary).toMatchObject({ created: 0, updated: 0, replaced: 0, deleted: 0 });
    expect(await codeNow()).toEqual(before);
  });

  it("refuses to end a split that someone else made", async () => {
    const { name } = run.context.topology.workers.hub;
    const [newest, other] = await run.context.api.versions(name);
    const versions = [newest, other].map((version) => ({ version_id: version?.id, percentage: 50 }));
    const { apiUrl, accountId, apiToken } = run.cloud;
    const answer = await fetch(`${apiUrl}/accounts/${accountId}/workers/scripts/${name}/deployments`, {
      method: "POST",
      headers: { authorization: `Bearer ${apiToken}`, "content-type": "application/json" },
      body: JSON.stringify({ strategy: "percentage", versions }),
    });
    expect(answer.status).toBe(200);
    for (const [program, args] of [
      ["release", ["hub"]],
      ["rollback", []],
    ] as const) {
      const ended = await script(program, args);
      expect(ended.exitCode).toBe(EXIT.failed);
      expect(ended.stderr).toContain("50 %");
      expectExpectedError(ended);
    }
  });

  it("says that the API cannot be reached, without a stack", async () => {
    const directory = path.join(run.directory, "unreachable");
    const { accountId, apiToken } = run.cloud;
    const nowhere = "http://127.0.0.1:9";
    const urls = { hub: nowhere, "hub-canary": nowhere, archiver: nowhere };
    await writeLocalCloud(directory, {
      apiUrl: `${nowhere}/client/v4`,
      accountId,
      apiToken,
      urls,
      pid: process.pid,
    });
    const outputs = path.join("local", "pulumi", "outputs.json");
    await mkdir(path.join(directory, "local", "pulumi"), { recursive: true });
    await copyFile(path.join(run.directory, outputs), path.join(directory, outputs));
    const ended = await script("status", [], { env: { STRATA_STATE_DIRECTORY: directory } });
    expect(ended.exitCode).toBe(EXIT.failed);
    expect(ended.stderr).toContain(`cannot be reached at ${nowhere}`);
    expectExpectedError(ended);
  });

  it("says that no local cloud runs when there is none", async () => {
    const env = { STRATA_STATE_DIRECTORY: path.join(run.directory, "empty") };
    const ended = await script("status", [], { env });
    expect(ended.exitCode).toBe(EXIT.failed);
    expect(ended.stderr).toContain("No local cloud is running");
  });

  it("takes the stack down, objects and all, and lists what survives", async () => {
    const { apiUrl, accountId, apiToken } = run.cloud;
    const buckets = `${apiUrl}/accounts/${accountId}/r2/buckets`;
    const headers = { authorization: `Bearer ${apiToken}` };
    const cold = run.context.topology.r2.cold.name;
    await fetch(`${buckets}/${cold}/objects/flights/2001/a.avro`, { method: "PUT", headers, body: "x" });

    const ended = await runScript("destroy", ["--env", "local"], {
      env: { STRATA_STATE_DIRECTORY: run.directory },
    });
    printed.push(ended.stdout, ended.stderr);

    expect(ended.stderr).toContain("Destroyed the local stack");
    expect(ended.stderr).toContain("r2-cold-lifecycle: ");
    expect(ended.exitCode).toBe(EXIT.ok);
    expect((await fetch(`${buckets}/${cold}`, { headers })).status).toBe(404);
  });

  it("has printed no secret in all of that", () => {
    const all = printed.join("\n");
    for (const secret of [run.cloud.apiToken, ...Object.values(run.context.secrets)]) {
      expect(all).not.toContain(secret);
    }
  });
});
