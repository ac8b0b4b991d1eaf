/** `doctor` and `plan` as a user runs them, on a local cloud that is broken on purpose. */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { defaultSettings } from "../infra/topology.ts";
import { definePlan } from "../worker/src/rollout/plan.ts";
import { openInventory } from "./lib/cloudflare-inventory.ts";
import { loadPlan } from "./lib/doctor/config.ts";
import { AREAS, examine, type DoctorReport } from "./lib/doctor/index.ts";
import type { ReleaseContext } from "./lib/environment.ts";
import { EXIT } from "./lib/exit.ts";
import { readOutputs, provisionLocal } from "./lib/provision.ts";
import { LocalRun, runScript, type Ended } from "./lib/test/local-run.ts";

/** The last line of `--json`, or the line of a type; docs/operations.md documents it. */
const checkSchema = z.strictObject({
  id: z.string(),
  area: z.enum(AREAS),
  status: z.enum(["ok", "warn", "fail", "skipped"]),
  detail: z.string().min(1),
  mend: z.string().nullable(),
});
const resultSchema = z.strictObject({
  type: z.literal("result"),
  environment: z.string(),
  checks: z.array(checkSchema),
  healthy: z.boolean(),
});
const changeSchema = z.strictObject({
  name: z.string(),
  change: z.enum(["added", "removed", "changed"]),
  from: z.string().nullable(),
  to: z.string().nullable(),
});
const planSchema = z.strictObject({
  type: z.literal("result"),
  environment: z.string(),
  target: z.string(),
  infrastructure: z.strictObject({
    drift: z.array(z.string()),
    engine: z.discriminatedUnion("kind", [
      z.strictObject({ kind: z.literal("previewed"), engine: z.string(), changes: z.array(z.string()) }),
      z.strictObject({ kind: z.literal("not-asked"), why: z.string() }),
    ]),
  }),
  migrations: z.record(
    z.string(),
    z.strictObject({
      files: z.array(z.string()),
      findings: z.array(z.unknown()),
      refused: z.string().nullable(),
    }),
  ),
  workers: z.record(
    z.string(),
    z.strictObject({
      script: z.string(),
      serves: z.string().nullable(),
      split: z.boolean(),
      bindings: z.array(changeSchema),
      vars: z.array(changeSchema),
      secrets: z.array(z.string()),
      durableObjectMigrations: z.array(z.string()),
    }),
  ),
  bundles: z.record(z.string(), z.strictObject({ tag: z.string(), bytes: z.int(), gzipBytes: z.int() })),
  steps: z.array(z.string()).nullable(),
  refused: z.array(z.string()),
  quotas: z.array(z.record(z.string(), z.unknown())),
});

function resultOf<T>({ stdout }: Ended, schema: z.ZodType<T>): T {
  const lines = stdout
    .trim()
    .split("\n")
    .map((line): unknown => JSON.parse(line));
  return schema.parse(
    lines.find((line) => z.looseObject({ type: z.literal("result") }).safeParse(line).success),
  );
}

/** Ids of the checks of a status. */
function idsOf({ checks }: Pick<DoctorReport, "checks">, status: string): readonly string[] {
  return checks.filter((found) => found.status === status).map(({ id }) => id);
}

const doctor = async (run: LocalRun): Promise<Ended & z.infer<typeof resultSchema>> => {
  const ended = await run.script("doctor", ["--json"]);
  return { ...ended, ...resultOf(ended, resultSchema) };
};
const plan = async (
  run: LocalRun,
  ...args: readonly string[]
): Promise<Ended & z.infer<typeof planSchema>> => {
  const ended = await run.script("plan", ["--json", ...args]);
  return { ...ended, ...resultOf(ended, planSchema) };
};

describe("without an environment", () => {
  it("the doctor tells every fault at once, each with how to mend it, and ends with code 4", async () => {
    const env = { CLOUDFLARE_API_BASE_URL: "nowhere", STRATA_HUB_URL: "nowhere", ADMIN_TOKEN: "" };
    const ended = await runScript("doctor", ["--env", "staging", "--json"], { env });
    const found = resultOf(ended, resultSchema);
    expect(ended.exitCode).toBe(EXIT.credentials);
    expect(found.healthy).toBe(false);
    expect(idsOf(found, "fail")).toEqual(
      expect.arrayContaining([
        "config/api-token",
        "config/api-address",
        "config/cloudflare-api-base-url",
        "config/strata-hub-url",
        "config/admin-token",
      ]),
    );
    expect(found.checks.filter(({ status, mend }) => status === "fail" && mend === null)).toEqual([]);
  });

  it("the doctor ends with code 1 where no local cloud runs, and plan does too", async () => {
    const env = { STRATA_STATE_DIRECTORY: path.join(import.meta.dirname, "no-such-directory") };
    for (const script of ["doctor", "plan"]) {
      const ended = await runScript(script, ["--env", "local"], { env });
      expect(ended.exitCode).toBe(EXIT.failed);
      expect(ended.stderr).toContain("No local cloud is running");
      expect(ended.stdout).toBe("");
    }
  });

  it("the doctor lists the permissions that the token needs", async () => {
    const ended = await runScript("doctor", ["--env", "staging", "--scopes"]);
    expect(ended.exitCode).toBe(EXIT.ok);
    expect(ended.stderr).toContain("D1: Edit");
  });
});

describe("on a local cloud", () => {
  let run: LocalRun;

  beforeAll(async () => {
    run = await LocalRun.start();
  });
  afterAll(async () => run.stop());

  const api = async (method: string, route: string, body?: unknown): Promise<unknown> => {
    const { apiUrl, accountId, apiToken } = run.cloud;
    const response = await fetch(`${apiUrl}/accounts/${accountId}${route}`, {
      method,
      headers: { authorization: `Bearer ${apiToken}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer = z
      .object({ success: z.literal(true), result: z.unknown() })
      .safeParse(await response.json());
    if (!answer.success) throw new Error(`${method} ${route} answered ${response.status}`);
    return answer.data.result;
  };
  const here = (context: ReleaseContext = run.context): Promise<DoctorReport> =>
    examine({
      root: context.root,
      environment: "local",
      env: process.env,
      open: async () => context,
      outputs: () => readOutputs("local"),
      inventory: openInventory,
      plan: () => loadPlan("local"),
    });

  it("that is provisioned and not released yet, both are content", async () => {
    const before = await doctor(run);
    expect(idsOf(before, "fail")).toEqual([]);
    expect(idsOf(before, "warn")).toEqual(["release/migrations-hub", "release/migrations-archive"]);
    expect([before.exitCode, before.healthy]).toEqual([EXIT.ok, true]);
    const planned = await plan(run);
    expect(planned.exitCode).toBe(EXIT.ok);
    expect(planned.infrastructure.drift).toEqual([]);
    expect(planned.migrations["hub"]?.files).not.toEqual([]);
    expect(planned.workers["hub"]).toMatchObject({
      serves: null,
      secrets: ["BOOTSTRAP_API_KEY", "ADMIN_TOKEN"],
      durableObjectMigrations: ["v1"],
    });
    expect(Object.keys(planned.bundles)).toEqual(["archiver", "hub"]);
  });

  it("that is released, there is nothing to mend and nothing to do", { timeout: 300_000 }, async () => {
    expect((await run.script("release", ["all", "--yes"])).exitCode).toBe(EXIT.ok);
    const after = await doctor(run);
    expect(after.checks.filter(({ status }) => status !== "ok")).toEqual([]);
    const planned = await plan(run);
    expect(planned).toMatchObject({ exitCode: EXIT.ok, steps: [], refused: [] });
    const changes = Object.values(planned.workers).flatMap(({ bindings, vars, secrets }) => [
      ...bindings,
      ...vars,
      ...secrets,
    ]);
    expect(changes).toEqual([]);
  });

  it("whose stack file has changed since, plan says what Pulumi would do, and the doctor warns", async () => {
    const settings = { ...defaultSettings("local"), coldExpiryDays: 3, archiveCrons: ["11 * * * *"] };
    await provisionLocal({ ...run.stack, settings, engine: "find" });
    const { infrastructure } = await plan(run);
    expect(infrastructure.engine).toMatchObject({
      kind: "previewed",
      changes: expect.arrayContaining(["update r2-cold-lifecycle", "update cron-archiver"]),
    });
    expect(idsOf(await doctor(run), "warn")).toContain("resources/state");
    await provisionLocal({ ...run.stack, engine: "find" });
    expect(idsOf(await doctor(run), "warn")).toEqual([]);
  });

  it("that lost things behind Pulumi's back, every loss is told at once", async () => {
    const { topology: wanted, ids } = run.context;
    const { name: archiver } = wanted.workers.archiver;
    await api("DELETE", `/storage/kv/namespaces/${ids.kv.snapshots}`);
    await api("PUT", `/r2/buckets/${wanted.r2.cold.name}/lifecycle`, { rules: [] });
    await api("PUT", `/workers/scripts/${archiver}/schedules`, []);
    await api("POST", "/queues", { queue_name: "strata-former-local" });
    await api("POST", "/d1/database", { name: "someone-elses" });
    const broken = await doctor(run);
    expect(broken.exitCode).toBe(EXIT.failed);
    expect(idsOf(broken, "fail")).toEqual([
      "resources/kv-snapshots",
      "resources/lifecycle-cold",
      "resources/crons-archiver",
      "release/bindings-hub-canary",
      "release/bindings-hub",
    ]);
    expect(idsOf(broken, "warn")).toEqual(["resources/strangers"]);
    expect(broken.checks.find(({ id }) => id === "resources/strangers")?.detail).toContain(
      "strata-former-local",
    );
    const { drift } = (await plan(run)).infrastructure;
    expect(drift).toHaveLength(4);
  });

  it("that is provisioned and released again, all of it is mended", async () => {
    const { outputs } = await provisionLocal({ ...run.stack, engine: "find" });
    expect(outputs.kv.snapshots).not.toBe(run.context.ids.kv.snapshots);
    // The hub binds the former id until it is released again.
    expect(idsOf(await doctor(run), "fail")).toEqual(["release/bindings-hub-canary", "release/bindings-hub"]);
    const { workers, steps } = await plan(run, "hub");
    expect(workers["hub"]?.bindings).toEqual([
      expect.objectContaining({ name: "SNAPSHOTS", change: "changed" }),
    ]);
    expect(steps?.length).toBeGreaterThan(0);
  });

  it("whose queue has lost its consumer or won another, the doctor says who is to mend it", async () => {
    const { topology: wanted } = run.context;
    const queues = z
      .array(z.object({ queue_id: z.string(), queue_name: z.string() }))
      .parse(await api("GET", "/queues"));
    const queue = queues.find(({ queue_name }) => queue_name === wanted.queues.ingest.name)?.queue_id ?? "";
    const consumers = z
      .array(z.object({ consumer_id: z.string() }))
      .parse(await api("GET", `/queues/${queue}/consumers`));
    await api("DELETE", `/queues/${queue}/consumers/${consumers[0]?.consumer_id ?? ""}`);
    const lost = (await doctor(run)).checks.find(({ id }) => id === "release/consumer-ingest");
    expect(lost).toMatchObject({
      status: "warn",
      mend: expect.stringContaining("npm run release:archiver -- --env local"),
    });
    await api("POST", `/queues/${queue}/consumers`, {
      type: "worker",
      script_name: wanted.workers["archiver-canary"].name,
      settings: { batch_size: 1 },
    });
    const won = (await doctor(run)).checks.find(({ id }) => id === "release/consumer-ingest");
    expect(won).toMatchObject({
      status: "fail",
      detail: expect.stringContaining("strata-archiver-canary-local, too"),
    });
  });

  it("with secrets that nobody knows any more, and another's split, the release is refused and both say why", async () => {
    const { context } = run;
    const { name } = context.topology.workers["archiver-canary"];
    await api("DELETE", `/workers/scripts/${name}/secrets/ADMIN_TOKEN`);
    const versions = (await context.api.versions(name)).slice(0, 2).map(({ id }) => id);
    expect(versions).toHaveLength(2);
    await api("POST", `/workers/scripts/${name}/deployments`, {
      strategy: "percentage",
      versions: versions.map((version_id) => ({ version_id, percentage: 50 })),
    });
    const { ADMIN_TOKEN: _known, ...secrets } = context.secrets;
    const forgetful = await here({ ...context, secrets });
    expect(idsOf(forgetful, "fail")).toEqual(
      expect.arrayContaining([
        "config/admin-token",
        "release/script-archiver-canary",
        "release/secrets-archiver-canary",
      ]),
    );
    const refused = await plan(run);
    expect(refused).toMatchObject({ exitCode: EXIT.failed, steps: null });
    expect(refused.refused.join("\n")).toContain(`${name} splits its traffic`);
    expect(refused.workers["archiver-canary"]?.split).toBe(true);
  });

  it("with migrations that the linter refuses, the findings are told with their lines", async () => {
    const copy = await run.copyOfRepository();
    const file = path.join(copy.root, "migrations/hub/0099_drop.sql");
    await writeFile(file, "DROP TABLE rollout_transitions;\n");
    const found = (await here(copy)).checks.find(({ id }) => id === "release/migrations-hub");
    expect(found).toMatchObject({ status: "fail", mend: expect.stringContaining("docs/migrations.md") });
    expect(found?.detail).toContain("migrations/hub/0099_drop.sql:1:1 drop-table");
  });

  it("with webhooks in the plan and no key to sign them, the doctor says that it would be refused", async () => {
    const asking = definePlan({
      phases: [{ shares: { read: 100, write: 100, background: 100 } }],
      pre: [{ name: "change-window", url: "https://example.test/" }],
    });
    const report = await examine({
      root: run.context.root,
      environment: "local",
      env: {},
      open: async () => run.context,
      outputs: () => readOutputs("local"),
      inventory: openInventory,
      plan: async () => asking,
    });
    expect(idsOf(report, "fail")).toContain("release/webhook-key");
  });

  it("with a hub that refuses the token, the doctor ends with code 4", async () => {
    const ended = await run.script("doctor", ["--json"], { env: { ADMIN_TOKEN: "another-token" } });
    expect(ended.exitCode).toBe(EXIT.credentials);
    expect(idsOf(resultOf(ended, resultSchema), "fail")).toContain("release/admin-token");
    expect(`${ended.stdout}${ended.stderr}`).not.toContain("another-token");
  });
});
