/**
 * Provisioning: the local stack, on the real engine where there is one, and the
 * outputs of every stack.
 */
import { execFile } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual, promisify } from "node:util";
import { z } from "zod";
import { parseStackOutputs, StackOutputsError, type StackOutputs } from "../../infra/outputs.ts";
import { topology, type Environment, type StackSettings, type Topology } from "../../infra/topology.ts";
import { kindOf, requireLoopback } from "../../tools/localcloud/src/provider/index.ts";
import { followEngine, runEngine, summarise, type ChangeSummary } from "./engine-run.ts";
import { CliError, EXIT, messageOf } from "./exit.ts";
import { writeJson } from "./json-file.ts";
import { stateDirectory } from "./local-state.ts";
import { openLocalStack, type LocalAccount, type LocalStack, type Tools } from "./local-stack.ts";
import { provisionOnce } from "./provision-once.ts";
import { readLocalSettings } from "./stack-settings.ts";
import { findPulumiCli, obtainPulumiCli, PulumiCliError, type PulumiCli } from "./pulumi-cli.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const run = promisify(execFile);

/** Where the local stack's state is kept, below the state directory of a run. */
export function localStackDirectory(directory: string = stateDirectory(root, process.env)): string {
  return path.join(directory, "local", "pulumi");
}

export const NO_ENGINE = "none, applied once; no preview, no drift";
const AGAIN_WITHOUT_ENGINE =
  "Without Pulumi's engine nothing can be changed or continued: start again with an empty state directory.";
const GET_ENGINE = "Get one with: npm run pulumi:build";

export interface ProvisionOptions extends LocalAccount {
  /** Directory of the local stack's state and outputs, and nothing else. */
  readonly stateDirectory: string;
  /** Default: what `Pulumi.local.yaml` says. */
  readonly settings?: StackSettings;
  /** Default: the topology of `local` with the settings. */
  readonly topology?: Topology;
  /**
   * `obtain`: find a CLI, else download or build one, else do without; `find`:
   * do not try to get one; `none`: do without.
   */
  readonly engine?: "obtain" | "find" | "none";
  /** Receives one line at a time. */
  readonly onProgress?: (line: string) => void;
}

export interface ProvisionResult extends Tools {
  readonly outputs: StackOutputs;
  readonly summary: ChangeSummary;
}

/** Something that destroying the stack leaves in the account. */
export interface Survivor {
  /** Name of the resource in the program. */
  readonly resource: string;
  /** What stays, in a sentence. */
  readonly what: string;
}

/** The outputs may be those of an older program. */
const recordSchema = z.object({ engine: z.string(), provider: z.string(), outputs: z.unknown() });

/** `pulumi 3.259.0, provider: local stand-in` */
export function describeTools({ engine, provider }: Tools): string {
  return `engine: ${engine}, provider: ${provider}`;
}

async function wantedTopology(options: ProvisionOptions): Promise<Topology> {
  return (
    options.topology ?? topology("local", options.settings ?? (await readLocalSettings(options.accountId)))
  );
}

/** The CLI that the options allow, or `null` with the reason told. */
async function chooseCli(
  engine: ProvisionOptions["engine"],
  onProgress: (line: string) => void,
): Promise<PulumiCli | null> {
  switch (engine) {
    case "none":
      return null;
    case "find":
      return findPulumiCli();
    case "obtain":
    case undefined:
      try {
        return await obtainPulumiCli(onProgress);
      } catch (error) {
        if (error instanceof PulumiCliError) {
          onProgress(error.message);
          return null;
        }
        throw error;
      }
  }
}

function outputsFile(stackDirectory: string): string {
  return path.join(stackDirectory, "outputs.json");
}

async function readRecord(stackDirectory: string): Promise<z.infer<typeof recordSchema> | null> {
  let text: string;
  try {
    text = await readFile(outputsFile(stackDirectory), "utf8");
  } catch {
    return null;
  }
  return recordSchema.parse(JSON.parse(text));
}

async function writeRecord(stackDirectory: string, tools: Tools, outputs: StackOutputs): Promise<void> {
  await writeJson(outputsFile(stackDirectory), { ...tools, outputs });
}

/** Creates everything once, or repeats what the first time returned. */
async function provisionWithoutEngine(options: ProvisionOptions, wanted: Topology): Promise<ProvisionResult> {
  if (wanted.environment !== "local") {
    throw new CliError(
      EXIT.failed,
      `"${wanted.environment}" cannot be provisioned without Pulumi's engine.`,
      {
        hints: [GET_ENGINE],
      },
    );
  }
  const tools: Tools = { engine: NO_ENGINE, provider: "local stand-in" };
  const before = await readRecord(options.stateDirectory);
  if (before !== null) {
    const outputs = parseOwnOutputs("local", before.outputs, AGAIN_WITHOUT_ENGINE);
    if (!isDeepStrictEqual(outputs.settings, wanted.settings)) {
      options.onProgress?.(`the settings stay as they were first applied. ${AGAIN_WITHOUT_ENGINE}`);
    }
    return {
      ...tools,
      outputs,
      summary: { ...summarise({}), unchanged: Object.keys(outputs).length },
    };
  }
  const { outputs, created } = await provisionOnce(wanted, options, options.onProgress ?? (() => {})).catch(
    (error: unknown) => {
      throw new CliError(EXIT.failed, messageOf(error), {
        hints: [AGAIN_WITHOUT_ENGINE],
        cause: error,
      });
    },
  );
  const parsed = parseStackOutputs(outputs, "The program");
  await writeRecord(options.stateDirectory, tools, parsed);
  return { ...tools, outputs: parsed, summary: summarise({ create: created }) };
}

/** Opens the stack with a CLI that must be there. */
async function openForWork(options: ProvisionOptions): Promise<LocalStack> {
  requireLoopback(options.apiUrl);
  const cli = await findPulumiCli();
  if (cli === null) {
    throw new CliError(EXIT.failed, "This needs Pulumi's engine, and no Pulumi CLI is here.", {
      hints: [GET_ENGINE],
    });
  }
  return openLocalStack(cli, { ...options, topology: await wantedTopology(options) });
}

/**
 * Makes the local cloud what the topology says. On the engine this may be
 * repeated at any time; a stack that was there before is refreshed first, so
 * what was deleted behind its back is made again.
 *
 * @throws {CliError} with what the engine or the API said
 * @throws {NotLoopbackError} when the API is not on this machine
 */
export async function provisionLocal(options: ProvisionOptions): Promise<ProvisionResult> {
  requireLoopback(options.apiUrl);
  const onProgress = options.onProgress ?? (() => {});
  const wanted = await wantedTopology(options);
  const cli = await chooseCli(options.engine, onProgress);
  if (cli === null) {
    return provisionWithoutEngine(options, wanted);
  }
  const { stack, tools } = await openLocalStack(cli, { ...options, topology: wanted });
  const follower = followEngine(onProgress);
  const refresh = (await readRecord(options.stateDirectory)) !== null;
  const result = await runEngine("provision", follower, () =>
    stack.up({ refresh, onEvent: follower.onEvent, color: "never" }),
  );
  const values = Object.fromEntries(Object.entries(result.outputs).map(([key, { value }]) => [key, value]));
  const outputs = parseStackOutputs(values, "The local stack");
  await writeRecord(options.stateDirectory, tools, outputs);
  return { ...tools, outputs, summary: summarise(result.summary.resourceChanges) };
}

/**
 * What `provisionLocal` would change.
 *
 * @param expectNoChanges fail when there is anything to change
 * @throws {CliError} when the engine refuses the plan, or finds a change that must not be
 */
export async function previewLocal(
  options: ProvisionOptions & { readonly expectNoChanges?: boolean },
): Promise<Tools & { summary: ChangeSummary }> {
  const { stack, tools } = await openForWork(options);
  const follower = followEngine(options.onProgress ?? (() => {}));
  const { changeSummary } = await runEngine("preview", follower, () =>
    stack.preview({
      expectNoChanges: options.expectNoChanges ?? false,
      onEvent: follower.onEvent,
      color: "never",
    }),
  );
  return { ...tools, summary: summarise(changeSummary) };
}

/**
 * Compares the state with what is really there; `deleted` counts what is gone
 * and `updated` what has drifted.
 */
export async function refreshLocal(options: ProvisionOptions): Promise<Tools & { summary: ChangeSummary }> {
  const { stack, tools } = await openForWork(options);
  const follower = followEngine(options.onProgress ?? (() => {}));
  const result = await runEngine("refresh", follower, () =>
    stack.refresh({ onEvent: follower.onEvent, color: "never" }),
  );
  return { ...tools, summary: summarise(result.summary.resourceChanges) };
}

/**
 * Deletes what the stack made.
 *
 * @returns also what survives, because the API has no call that deletes it
 * @throws {CliError} when a resource is protected; nothing is deleted then
 */
export async function destroyLocal(
  options: ProvisionOptions,
): Promise<Tools & { summary: ChangeSummary; survivors: readonly Survivor[] }> {
  const { stack, tools } = await openForWork(options);
  // Without this look ahead the engine deletes what is not protected before it refuses the rest.
  const ahead = followEngine(() => {});
  await runEngine("destroy", ahead, () => stack.previewDestroy({ onEvent: ahead.onEvent, color: "never" }));
  const follower = followEngine(options.onProgress ?? (() => {}));
  const result = await runEngine("destroy", follower, () =>
    stack.destroy({ onEvent: follower.onEvent, color: "never" }),
  );
  await rm(outputsFile(options.stateDirectory), { force: true });
  const survivors = follower.deleted.flatMap(({ name, type }): Survivor[] => {
    const what = kindOf(type).survives;
    return what === undefined ? [] : [{ resource: name, what }];
  });
  return { ...tools, summary: summarise(result.summary.resourceChanges), survivors };
}

const LOCAL_UP = "Provision it with: npm run dev (restart it if it runs), or npm run rehearse -- --keep";

/** Exit codes of the Pulumi CLI. */
const PULUMI_EXIT = { notLoggedIn: 3, noSuchStack: 6 } as const;

function upHint(environment: Environment): string {
  return `Provision it: npx pulumi up --stack ${environment}`;
}

function notProvisioned(
  environment: Environment,
  { hints = [], cause }: { readonly hints?: readonly string[]; readonly cause: unknown },
): CliError {
  return new CliError(EXIT.failed, `"${environment}" is not provisioned yet`, {
    hints: [...hints, upHint(environment)],
    cause,
  });
}

/** What the CLI's refusal means to the user. */
function unreadable(environment: Environment, error: unknown): CliError {
  const said = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : messageOf(error);
  const code = error instanceof Error && "code" in error ? error.code : null;
  switch (code) {
    case PULUMI_EXIT.notLoggedIn:
      return new CliError(EXIT.credentials, `Pulumi is not logged in: ${said}`, {
        hints: ["Log in with: npx pulumi login", "Without a terminal, export PULUMI_ACCESS_TOKEN instead."],
        cause: error,
      });
    case PULUMI_EXIT.noSuchStack:
      return notProvisioned(environment, {
        hints: [`Create the stack: npx pulumi stack init ${environment}`],
        cause: error,
      });
    default:
      return new CliError(EXIT.failed, `Pulumi could not read the outputs of "${environment}": ${said}`, {
        hints: [`If it is not provisioned yet: npx pulumi up --stack ${environment}`],
        cause: error,
      });
  }
}

/**
 * @param again how the stack is brought up again
 * @throws {CliError} when the stack was never brought up, or by an older program
 */
function parseOwnOutputs(
  environment: Environment,
  outputs: unknown,
  again: string = upHint(environment),
): StackOutputs {
  try {
    return parseStackOutputs(outputs, `Stack "${environment}"`);
  } catch (error) {
    if (!(error instanceof StackOutputsError)) throw error;
    const empty = typeof outputs === "object" && outputs !== null && Object.keys(outputs).length === 0;
    if (empty) throw notProvisioned(environment, { cause: error });
    throw new CliError(EXIT.failed, error.message, { hints: [again], cause: error });
  }
}

async function readStackOutputs(environment: Environment): Promise<unknown> {
  const cli = await findPulumiCli();
  if (cli === null) {
    throw new CliError(
      EXIT.failed,
      `The outputs of "${environment}" are read with Pulumi, and no Pulumi CLI is here.`,
      {
        hints: ["Install it with: npx pulumi version", GET_ENGINE],
      },
    );
  }
  try {
    const { stdout } = await run(
      cli.executable,
      ["stack", "output", "--json", "--stack", environment, "--non-interactive"],
      { cwd: root, env: { ...process.env, PULUMI_SKIP_UPDATE_CHECK: "1" } },
    );
    return JSON.parse(stdout);
  } catch (error) {
    throw unreadable(environment, error);
  }
}

/**
 * The outputs of a provisioned environment.
 *
 * @throws {CliError} credentials, when Pulumi is not logged in; failed, when it
 *   is not provisioned or Pulumi cannot read it
 */
export async function readOutputs(
  environment: Environment,
  stackDirectory: string = localStackDirectory(),
): Promise<StackOutputs> {
  if (environment !== "local") {
    return parseOwnOutputs(environment, await readStackOutputs(environment));
  }
  const record = await readRecord(stackDirectory);
  if (record === null) {
    throw new CliError(EXIT.failed, "The local cloud is not provisioned.", {
      hints: [LOCAL_UP],
    });
  }
  return parseOwnOutputs(environment, record.outputs, LOCAL_UP);
}
