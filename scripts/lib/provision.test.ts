/** Provisioning on a machine without Pulumi's engine; with it: infra/engine.test.ts. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { defaultSettings, topology } from "../../infra/topology.ts";
import { startTestCloud, type TestCloud } from "../../infra/test/cloud.ts";
import { EXIT } from "./exit.ts";
import { writeJson } from "./json-file.ts";
import {
  describeTools,
  NO_ENGINE,
  provisionLocal,
  readOutputs,
  type ProvisionOptions,
  type ProvisionResult,
} from "./provision.ts";
import { pinnedRoot, PULUMI_VERSION } from "./pulumi-cli.ts";
import { temporaryDirectory } from "./test/temporary.ts";

let cloud: TestCloud;
let directory: string;
let first: ProvisionResult;
const lines: string[] = [];

const options = (): ProvisionOptions => ({
  ...cloud.account,
  stateDirectory: directory,
  engine: "none",
  onProgress: (line) => lines.push(line),
});

beforeAll(async () => {
  cloud = await startTestCloud();
  directory = await mkdtemp(path.join(tmpdir(), "strata-stack-"));
  first = await provisionLocal(options());
});

afterAll(async () => {
  await cloud?.stop();
  await rm(directory, { recursive: true, force: true });
});

describe("provisioning without an engine", () => {
  test("creates everything once, and tells each", async () => {
    expect(first.summary).toMatchObject({ created: 17, updated: 0, deleted: 0 });
    expect(lines.toSorted().slice(0, 3)).toEqual([
      "create cron-archiver",
      "create d1-archive",
      "create d1-hub",
    ]);
    expect(await cloud.get("workers/scripts/strata-archiver-local/schedules")).toMatchObject({
      schedules: [{ cron: "*/5 * * * *" }],
    });
  });

  test("says that it had no engine, and what that means", () => {
    expect(describeTools(first)).toBe(
      "engine: none, applied once; no preview, no drift, provider: local stand-in",
    );
    expect(first.engine).toBe(NO_ENGINE);
  });

  test("leaves the same outputs as the engine would", async () => {
    expect(await readOutputs("local", directory)).toEqual(first.outputs);
    expect(await cloud.get(`d1/database/${first.outputs.d1.hub}`)).toMatchObject({
      name: "strata-hub-local",
    });
  });

  test("repeats what it returned when it is asked again", async () => {
    const again = await provisionLocal(options());
    expect(again.outputs).toEqual(first.outputs);
    expect(again.summary.created).toBe(0);
  });

  test("says that settings changed since are not applied, and puts out those that are", async () => {
    const settings = { ...defaultSettings("local"), hotWindowSeconds: 60 };
    lines.length = 0;
    const again = await provisionLocal({ ...options(), settings });
    expect(again.outputs.settings).toEqual(defaultSettings("local"));
    expect(lines).toEqual([
      expect.stringMatching(/settings stay.* start again with an empty state directory/),
    ]);
  });

  test("is for the local stack only", async () => {
    const staging = { ...options(), topology: topology("staging") };
    await expect(provisionLocal(staging)).rejects.toMatchObject({
      message: '"staging" cannot be provisioned without Pulumi\'s engine.',
      hints: ["Get one with: npm run pulumi:build"],
    });
  });

  test("fails in the API's own words", async () => {
    const elsewhere = await mkdtemp(path.join(tmpdir(), "strata-stack-"));
    const twice = { ...options(), stateDirectory: elsewhere };
    await expect(provisionLocal(twice)).rejects.toThrow(
      /^could not create [\w-]+: .+ \[code: \d+\] \(status 4\d\d\)$/,
    );
    await rm(elsewhere, { recursive: true, force: true });
  });
});

describe("the outputs of a stack", () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  /** Puts a CLI in Pulumi's home that answers `stack output` with a line of shell. */
  async function pulumiThat(answers: string): Promise<void> {
    const home = await temporaryDirectory();
    vi.stubEnv("PULUMI_HOME", home);
    const executable = path.join(pinnedRoot(), "bin", "pulumi");
    await mkdir(path.dirname(executable), { recursive: true });
    const script = `[ "$1" = version ] && { echo v${PULUMI_VERSION}; exit; }`;
    await writeFile(executable, `#!/bin/sh\n${script}\n${answers}\n`);
    await chmod(executable, 0o755);
  }

  test("are asked for with credentials that may be missing", async () => {
    await pulumiThat('echo "error: PULUMI_ACCESS_TOKEN must be set for login" >&2; exit 3');
    await expect(readOutputs("staging")).rejects.toMatchObject({
      exitCode: EXIT.credentials,
      hints: [expect.stringContaining("npx pulumi login"), expect.stringContaining("PULUMI_ACCESS_TOKEN")],
    });
  });

  test.each([
    ["that was created and never brought up", "echo '{}'"],
    ["that does not exist", `echo "error: no stack named 'staging' found" >&2; exit 6`],
  ])("%s are not there yet", async (_, answers) => {
    await pulumiThat(answers);
    await expect(readOutputs("staging")).rejects.toMatchObject({
      name: "CliError",
      exitCode: EXIT.failed,
      message: '"staging" is not provisioned yet',
      hints: expect.arrayContaining([expect.stringContaining("npx pulumi up --stack staging")]),
    });
  });

  test("of an older program are refused with each fault and the way on", async () => {
    await pulumiThat(`echo '{"accountId":"a"}'`);
    await expect(readOutputs("staging")).rejects.toMatchObject({
      name: "CliError",
      message: expect.stringContaining("d1:"),
      hints: [expect.stringContaining("npx pulumi up --stack staging")],
    });
  });

  test("are not there in Pulumi's words when it fails otherwise", async () => {
    await pulumiThat('echo "error: connection refused" >&2; exit 1');
    await expect(readOutputs("staging")).rejects.toThrow("connection refused");
  });

  test("of a local stack that an older program brought up are refused with the way on", async () => {
    const older = await temporaryDirectory();
    const { settings: _, ...outputs } = first.outputs;
    await writeJson(path.join(older, "outputs.json"), { engine: "e", provider: "p", outputs });
    await expect(readOutputs("local", older)).rejects.toMatchObject({
      name: "CliError",
      message: expect.stringContaining("settings:"),
      hints: [expect.stringContaining("npm run dev")],
    });
    await expect(provisionLocal({ ...options(), stateDirectory: older })).rejects.toMatchObject({
      name: "CliError",
      hints: [expect.stringContaining("empty state directory")],
    });
  });

  test("that is not provisioned are missed with the way to get them", async () => {
    await expect(readOutputs("local", path.join(directory, "nowhere"))).rejects.toMatchObject({
      message: "The local cloud is not provisioned.",
      hints: [expect.stringContaining("npm run dev")],
    });
  });
});
