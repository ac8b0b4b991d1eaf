/**
 * `pulumi up --stack staging` as the README has it: the real CLI reads
 * `Pulumi.yaml` and the stack file, and Pulumi's own Node runner loads the entry.
 */
import { copyFile, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { $ } from "zx";
import { findPulumiCli, PULUMI_VERSION } from "../scripts/lib/pulumi-cli.ts";
import { renderWorker } from "../scripts/lib/render.ts";
import { parseStackOutputs } from "./outputs.ts";
import { startTestCloud, type TestCloud } from "./test/cloud.ts";
import { startNodeHost, type NodeHost } from "./test/node-host.ts";
import { topology } from "./topology.ts";

const root = path.resolve(import.meta.dirname, "..");
const STAND_IN = path.join(root, "tools/localcloud/bin");

let cloud: TestCloud;
let project: string;
let host: NodeHost;
let pulumi: (...args: readonly string[]) => Promise<{ exitCode: number | null; output: string }>;

beforeAll(async () => {
  const cli = await findPulumiCli();
  if (cli === null) {
    throw new Error(`These tests need the Pulumi CLI ${PULUMI_VERSION}. Get it with: npm run pulumi:build`);
  }
  cloud = await startTestCloud();
  project = await mkdtemp(path.join(tmpdir(), "strata-project-"));
  // `stack init` writes into the stack file, so the project is a copy.
  for (const file of ["Pulumi.yaml", "Pulumi.staging.yaml", "package.json"]) {
    await copyFile(path.join(root, file), path.join(project, file));
  }
  for (const folder of ["infra", "node_modules"]) {
    await symlink(path.join(root, folder), path.join(project, folder));
  }
  await mkdir(path.join(project, "state"));
  const env = {
    PATH: [path.dirname(process.execPath), STAND_IN, process.env["PATH"] ?? ""].join(path.delimiter),
    HOME: project,
    PULUMI_HOME: path.join(project, "home"),
    PULUMI_BACKEND_URL: pathToFileURL(path.join(project, "state")).href,
    PULUMI_CONFIG_PASSPHRASE: "test",
    PULUMI_SKIP_UPDATE_CHECK: "1",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "1",
    CLOUDFLARE_BASE_URL: cloud.account.apiUrl,
    CLOUDFLARE_API_TOKEN: cloud.account.apiToken,
    CLOUDFLARE_ACCOUNT_ID: cloud.account.accountId,
  };
  host = await startNodeHost({ directory: project, entry: "infra/main.js", env });
  const run = $({
    cwd: project,
    nothrow: true,
    quiet: true,
    env,
  });
  pulumi = async (...args) => {
    const ended = await run`${cli.executable} ${args} --non-interactive --color never`;
    return { exitCode: ended.exitCode, output: `${ended.stdout}${ended.stderr}` };
  };
  await pulumi("stack", "init", "staging");
});

afterAll(async () => {
  host?.close();
  await cloud?.stop();
  if (project !== undefined) await rm(project, { recursive: true, force: true });
});

const up = (): Promise<{ exitCode: number | null; output: string }> =>
  pulumi(
    "up",
    "--stack",
    "staging",
    "--yes",
    "--skip-preview",
    `--client=127.0.0.1:${host.port}`,
    "--exec-kind",
    "auto.inline",
  );

describe("pulumi up --stack staging", () => {
  test("names the key of a wrong value and provisions nothing", async () => {
    await pulumi("config", "set", "strata:coldExpiryDays", "soon", "--stack", "staging");
    const { exitCode, output } = await up();
    await pulumi("config", "set", "strata:coldExpiryDays", "30", "--stack", "staging");
    expect(exitCode).not.toBe(0);
    expect(output).toContain("strata:coldExpiryDays: must be");
    expect(await cloud.list("storage/kv/namespaces")).toEqual([]);
  });

  test("provisions the topology of staging and reports every id", async () => {
    const { exitCode, output } = await up();
    expect(output).toContain("created");
    expect(exitCode).toBe(0);
    const reported = await pulumi("stack", "output", "--json", "--stack", "staging");
    const outputs = parseStackOutputs(JSON.parse(reported.output), "pulumi stack output");
    const wanted = topology("staging");
    expect(outputs.workers.hub.name).toBe(wanted.workers.hub.name);
    expect(await cloud.get(`d1/database/${outputs.d1.archive}`)).toMatchObject({
      name: wanted.d1.archive.name,
    });
  });

  test("hands a value of the stack file on to the archiver's variables", async () => {
    await pulumi("config", "set", "strata:archiveCodec", "zstandard", "--stack", "staging");
    await pulumi("config", "set", "strata:hotWindowSeconds", "60", "--stack", "staging");
    expect((await up()).exitCode).toBe(0);
    const reported = await pulumi("stack", "output", "--json", "--stack", "staging");
    const { settings, ...ids } = parseStackOutputs(JSON.parse(reported.output), "pulumi stack output");
    const paths = { root, directory: path.join(root, ".wrangler") };
    expect(renderWorker(topology("staging", settings), "archiver", ids, paths)).toMatchObject({
      vars: { ARCHIVE_CODEC: "zstandard", HOT_WINDOW_SECONDS: "60", COLD_EXPIRY_DAYS: "30" },
    });
  });

  test("finds nothing to change the second time", async () => {
    const { exitCode, output } = await up();
    expect(exitCode).toBe(0);
    expect(output).not.toMatch(/created|updated|deleted|replaced/);
  });
});
