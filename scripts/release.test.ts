/** The release scripts with real wrangler and the built Workers, on a local cloud: from the first release to the end of the stack. */
import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { byWorker, WORKER_KEYS } from "../infra/topology.ts";
import { EXIT } from "./lib/exit.ts";
import { writeLocalCloud } from "./lib/local-state.ts";
import { migrate } from "./lib/migrations/index.ts";
import { previewLocal, provisionLocal, refreshLocal } from "./lib/provision.ts";
import { release } from "./lib/release/release.ts";
import { eventsOf, LocalRun, resultOf, runScript, type Ended } from "./lib/test/local-run.ts";
import { planText, UNJUDGED } from "./lib/test/plans.ts";
import { temporaryDirectory } from "./lib/test/temporary.ts";

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
    ["a phase that there cannot be", ["hub", "--env", "local", "--phase", "-1"], "--phase"],
    ["one argument too many", ["hub", "canary", "--env", "local"], "too many arguments"],
  ])("end with code 2 and the usage for %s", async (_, args, named) => {
    const ended = await runScript("release", args);
    expect(ended.exitCode).toBe(EXIT.usage);
    expect(ended.stderr).toContain(named);
    expect(ended.stderr).toContain("Usage: release");
    expect(ended.stdout).toBe("");
  });

  it.each([
    ["a phase of the canary scripts", ["canary", "--phase", "1"], "--phase"],
    ["a release up to what is before the phases", ["hub", "--phase", "0"], "--phase"],
    ["an approval of it", ["approve", "--phase", "0"], "--phase"],
    ["an archiver's entry without one", ["hub", "--archiver-main", "x.ts"], "--archiver-main"],
    ["flags that exclude each other", ["hub", "--detach", "--wait"], "exclude each other"],
  ])("end with code 2 for %s", async (_, args, named) => {
    const ended = await runScript("release", [...args, "--env", "local"]);
    expect(ended.exitCode).toBe(EXIT.usage);
    expect(ended.stderr).toContain(named);
  });

  it.each(["rollback", "status", "migrate", "dev"])("of %s are checked too", async (script) => {
    expect((await runScript(script, ["--frobnicate", "--env", "local"])).exitCode).toBe(EXIT.usage);
  });

  it.each([
    ["release", ["hub"]],
    ["release", ["abort"]],
    ["rollback", []],
    ["migrate", []],
  ])("of %s %j need --yes for production where there is no terminal", async (script, args) => {
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

  it("is said to have no local cloud when none runs", async () => {
    const env = { STRATA_STATE_DIRECTORY: await temporaryDirectory() };
    const ended = await runScript("status", ["--env", "local"], { env });
    expect(ended.exitCode).toBe(EXIT.failed);
    expect(ended.stderr).toContain("No local cloud is running");
  });
});

describe("on a local cloud", () => {
  let run: LocalRun;
  let plan: string;
  let v1: string;

  beforeAll(async () => {
    run = await LocalRun.start();
    plan = await run.file("plan.ts", planText(UNJUDGED));
  });
  afterAll(async () => run.stop());

  it("releases nothing when a migration has a syntax error, and applies nothing of it", async () => {
    const copy = await run.copyOfRepository();
    const file = path.join(copy.root, "migrations/hub/9999_broken.sql");
    await writeFile(file, "CREATE TABLE half (id INTEGER PRIMARY KEY);\nCREATE TABEL other (id INTEGER);\n");
    await expect(release(copy, "all", { allowContract: true })).rejects.toMatchObject({
      exitCode: EXIT.failed,
      message: expect.stringContaining("9999_broken.sql"),
    });
    const tables = await run.context.api.queryD1(run.context.ids.d1.hub, "SELECT name FROM sqlite_schema");
    expect(tables.map(({ name }) => name)).not.toContain("half");
    for (const worker of WORKER_KEYS) expect(await run.tags(worker)).toEqual([]);
    await rm(file);
    const { hub = { files: [] } } = await migrate(copy, ["hub"], { allowContract: true });
    expect(hub.files).not.toContain("9999_broken.sql");
  });

  it("plans a first release without changing anything", async () => {
    const ended = await run.script("release", ["all", "--allow-contract", "--dry-run", "--json"]);
    expect(ended.exitCode).toBe(EXIT.ok);
    expect(resultOf(ended)).toMatchObject({ releases: [{ outcome: "planned" }] });
    expect(await run.tags("hub")).toEqual([]);
  });

  it("releases hub, archiver and their canaries for the first time, and tells every step as data", async () => {
    const ended = await run.script("release", ["all", "--allow-contract", "--json"]);
    expect(ended.exitCode).toBe(EXIT.ok);
    expect(resultOf(ended)).toMatchObject({ type: "result", releases: [{ outcome: "released" }] });
    const types = new Set(eventsOf(ended).map(({ type }) => type));
    expect(types).toEqual(new Set([...types, "plan", "step", "result"]));
    v1 = (await run.serving("hub")) ?? "";
    expect(v1).toMatch(/^r-[0-9a-f]{12}$/);
    expect(await run.serving("hub-canary")).toBe(v1);
    expect(await run.serving("archiver-canary")).toBe(await run.serving("archiver"));
  });

  it("finds nothing to do in a repeat, and nothing to roll back to", async () => {
    const again = await run.script("release", ["all", "--json"]);
    expect(resultOf(again)).toMatchObject({ releases: [{ outcome: "unchanged" }] });
    const back = await run.script("rollback", []);
    expect(back.exitCode).toBe(EXIT.failed);
    expect(back.stderr).toContain("nothing to roll back to");
    expectExpectedError(back);
  });

  it("refuses a plan file that holds none, and says what is wrong with it", async () => {
    const bad = await run.file("bad-plan.ts", planText({ phases: [{ shares: { read: 110 } }] }));
    const ended = await run.script("release", ["hub", "--plan", bad]);
    expect(ended.exitCode).toBe(EXIT.usage);
    expect(ended.stderr).toContain("/phases/0/shares/read");
    expectExpectedError(ended);
  });

  it("stops in the phase that was asked for, and refuses other code meanwhile, naming the rollout", async () => {
    const main = await run.good("hub", "v2");
    const stopped = await run.script("release", [
      "hub",
      "--main",
      main,
      "--plan",
      plan,
      "--phase",
      "1",
      "--json",
    ]);
    expect(resultOf(stopped)).toMatchObject({ releases: [{ outcome: "phase", phase: 1 }] });
    const { id } = await run.rollout();
    const other = await run.script("release", ["hub", "--main", await run.good("hub", "v3")]);
    expect(other.exitCode).toBe(EXIT.failed);
    expect(other.stderr).toContain(id);
    expectExpectedError(other);
  });

  it("takes that back only if it is in the phase that is named", async () => {
    const wrong = await run.script("rollback", ["--phase", "2"]);
    expect(wrong.exitCode).toBe(EXIT.failed);
    expect(wrong.stderr).toContain("in phase 1, not in phase 2");
    const back = await run.script("rollback", ["--phase", "1", "--reason", "try", "--json"]);
    expect(back.exitCode).toBe(EXIT.ok);
    expect(resultOf(back)).toMatchObject({ kind: "lane", rolloutId: (await run.rollout()).id });
    expect(await run.rollout()).toMatchObject({ status: "rolled-back" });
    const again = await run.script("rollback", []);
    expect(again.exitCode).toBe(EXIT.failed);
    expect(again.stderr).toContain("was taken back already");
  });

  it("returns a promoted release to the version before it", async () => {
    const main = await run.good("hub", "v2");
    const released = await run.script("release", ["hub", "--main", main, "--plan", plan, "--json"]);
    expect(resultOf(released)).toMatchObject({ releases: [{ outcome: "released" }] });
    expect(await run.serving("hub")).not.toBe(v1);
    const ended = await run.script("rollback", ["--json"]);
    expect(resultOf(ended)).toMatchObject({ kind: "version", returned: [{ worker: "hub" }] });
    expect(await run.serving("hub")).toBe(v1);
  });

  it("shows all of it as one JSON document", async () => {
    const ended = await run.script("status", ["--json"]);
    expect(ended.exitCode).toBe(EXIT.ok);
    expect(JSON.parse(ended.stdout)).toMatchObject({
      rollout: { status: "done" },
      workers: { hub: { versions: [{ percentage: 100, tag: v1 }], rollbackTo: null } },
      pendingMigrations: { hub: [], archive: [] },
    });
  });

  it("leaves nothing for Pulumi to change, and `up` sends no code", async () => {
    const codeNow = (): Promise<unknown> =>
      Promise.all(
        Object.values(run.context.topology.workers).map(async ({ name }) => ({
          versions: await run.context.api.versions(name),
          deployments: await run.context.api.deployments(name),
        })),
      );
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
      const ended = await run.script(program, args);
      expect(ended.exitCode).toBe(EXIT.failed);
      expect(ended.stderr).toContain("50 %");
      expectExpectedError(ended);
    }
  });

  it("says that the API cannot be reached, without a stack", async () => {
    const directory = path.join(run.directory, "unreachable");
    const { accountId, apiToken } = run.cloud;
    const nowhere = "http://127.0.0.1:9";
    await writeLocalCloud(directory, {
      apiUrl: `${nowhere}/client/v4`,
      accountId,
      apiToken,
      urls: byWorker(() => nowhere),
      pid: process.pid,
    });
    const outputs = path.join("local", "pulumi", "outputs.json");
    await mkdir(path.join(directory, "local", "pulumi"), { recursive: true });
    await copyFile(path.join(run.directory, outputs), path.join(directory, outputs));
    const ended = await run.script("status", [], { env: { STRATA_STATE_DIRECTORY: directory } });
    expect(ended.exitCode).toBe(EXIT.failed);
    expect(ended.stderr).toContain(`cannot be reached at ${nowhere}`);
    expectExpectedError(ended);
  });

  it("takes the stack down, objects and all, and lists what survives", async () => {
    const { apiUrl, accountId, apiToken } = run.cloud;
    const buckets = `${apiUrl}/accounts/${accountId}/r2/buckets`;
    const headers = { authorization: `Bearer ${apiToken}` };
    const cold = run.context.topology.r2.cold.name;
    await fetch(`${buckets}/${cold}/objects/flights/2001/a.avro`, { method: "PUT", headers, body: "x" });

    const ended = await run.script("destroy", []);

    expect(ended.stderr).toContain("Destroyed the local stack");
    expect(ended.stderr).toContain("r2-cold-lifecycle: ");
    expect(ended.exitCode).toBe(EXIT.ok);
    expect((await fetch(`${buckets}/${cold}`, { headers })).status).toBe(404);
  });

  it("has printed no secret in all of that", () => {
    expect(run.printedSecrets).toEqual([]);
  });
});
