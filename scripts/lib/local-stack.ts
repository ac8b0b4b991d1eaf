/**
 * The `local` stack on the real engine: the program runs inline in this
 * process, its state is a directory, and its provider is the real plugin if
 * that is installed, else the local cloud's stand-in.
 */
import { access, mkdir, readFile, readdir, rm, symlink } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { LocalWorkspace, PulumiCommand, type Stack } from "@pulumi/pulumi/automation/index.js";
import { z } from "zod";
import { provision } from "../../infra/program.ts";
import type { Topology } from "../../infra/topology.ts";
import { PROVIDER_VERSION } from "../../tools/localcloud/src/provider/index.ts";
import { PULUMI_VERSION, pulumiHome, type Environment, type PulumiCli } from "./pulumi-cli.ts";

const PROJECT = "strata";
const standInDirectory = fileURLToPath(new URL("../../tools/localcloud/bin", import.meta.url));

/** Where the API is and who calls it. */
export interface LocalAccount {
  /** Base of the REST API, for example `http://127.0.0.1:8787/client/v4`. */
  readonly apiUrl: string;
  readonly accountId: string;
  readonly apiToken: string;
}

export interface LocalStackOptions extends LocalAccount {
  /** Directory that holds the stack's state and nothing else. */
  readonly stateDirectory: string;
  readonly topology: Topology;
}

/** Which engine and which provider did the work, in the words that every output repeats. */
export interface Tools {
  readonly engine: string;
  readonly provider: string;
}

export interface LocalStack {
  readonly stack: Stack;
  readonly tools: Tools;
}

/** Where the real provider's plugin stands once Pulumi has installed it. */
function realProviderPlugin(env: Environment): string {
  return path.join(
    pulumiHome(env),
    "plugins",
    `resource-cloudflare-v${PROVIDER_VERSION}`,
    "pulumi-resource-cloudflare",
  );
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

/**
 * A Pulumi home of the stack's own: the user's has a login and settings that a
 * rehearsal must neither use nor change. Only the plugins are shared.
 */
async function prepareHome(stateDirectory: string, env: Environment): Promise<string> {
  const home = path.join(stateDirectory, "home");
  await mkdir(home, { recursive: true });
  const plugins = path.join(home, "plugins");
  await rm(plugins, { recursive: true, force: true });
  if (await exists(realProviderPlugin(env))) {
    await symlink(path.join(pulumiHome(env), "plugins"), plugins);
  }
  return home;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const lockSchema = z.object({ pid: z.int().positive() });

/** The process that holds a lock; `null` for a file that is none, or is just being written. */
async function lockHolder(file: string): Promise<number | null> {
  try {
    return lockSchema.parse(JSON.parse(await readFile(file, "utf8"))).pid;
  } catch {
    return null;
  }
}

/**
 * Removes the locks of engines that were killed; a lock whose process still
 * runs stays, and the engine then refuses to work beside it.
 */
async function clearStaleLocks(backend: string): Promise<void> {
  const locks = path.join(backend, ".pulumi", "locks");
  const entries = await readdir(locks, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries.filter((candidate) => candidate.isFile())) {
    const file = path.join(entry.parentPath, entry.name);
    const pid = await lockHolder(file);
    if (pid !== null && !isRunning(pid)) {
      await rm(file, { force: true });
    }
  }
}

/** Asking a CLI for its version takes a process; once is enough. */
const commands = new Map<string, Promise<PulumiCommand>>();

function commandOf({ root }: PulumiCli): Promise<PulumiCommand> {
  const known = commands.get(root) ?? PulumiCommand.get({ root, skipVersionCheck: true });
  commands.set(root, known);
  return known;
}

/** Opens the stack, creating it the first time. */
export async function openLocalStack(
  cli: PulumiCli,
  { topology, accountId, apiUrl, apiToken, stateDirectory }: LocalStackOptions,
  env: Environment = process.env,
): Promise<LocalStack> {
  const backend = path.join(stateDirectory, "backend");
  const workDir = path.join(stateDirectory, "project");
  await mkdir(backend, { recursive: true });
  await mkdir(workDir, { recursive: true });
  await clearStaleLocks(backend);
  const home = await prepareHome(stateDirectory, env);
  const real = await exists(realProviderPlugin(env));
  // The engine prefers an executable of the provider's name on PATH, so the stand-in may only be there when it is wanted.
  const searchPath = [path.dirname(process.execPath), ...(real ? [] : [standInDirectory]), env["PATH"] ?? ""];

  const stack = await LocalWorkspace.createOrSelectStack(
    {
      projectName: PROJECT,
      stackName: topology.environment,
      program: async () => provision(topology, accountId).outputs,
    },
    {
      workDir,
      pulumiHome: home,
      pulumiCommand: await commandOf(cli),
      secretsProvider: "passphrase",
      projectSettings: { name: PROJECT, runtime: "nodejs", backend: { url: pathToFileURL(backend).href } },
      envVars: {
        PATH: searchPath.join(path.delimiter),
        PULUMI_BACKEND_URL: pathToFileURL(backend).href,
        // Guards nothing: a local stack holds no secret, and the engine wants a passphrase all the same.
        PULUMI_CONFIG_PASSPHRASE: "local",
        PULUMI_SKIP_UPDATE_CHECK: "1",
        PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "1",
        CLOUDFLARE_BASE_URL: apiUrl,
        CLOUDFLARE_API_TOKEN: apiToken,
        CLOUDFLARE_ACCOUNT_ID: accountId,
      },
    },
  );
  return {
    stack,
    tools: {
      engine: `pulumi ${PULUMI_VERSION}`,
      provider: real ? `real ${PROVIDER_VERSION}` : "local stand-in",
    },
  };
}
