/** A provisioned local cloud in a temporary directory, and the release scripts run against it as a user runs them. */
import { spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { startLocalCloud, type LocalCloud } from "@strata/localcloud";
import type { WorkerKey } from "../../../infra/topology.ts";
import { openContext, type ReleaseContext } from "../environment.ts";
import { provisionLocalContext } from "../local-context.ts";
import { removeLocalCloud } from "../local-state.ts";
import { localStackDirectory, type ProvisionOptions } from "../provision.ts";
import type { ReleaseEvent } from "../release-events.ts";

const repository = path.resolve(import.meta.dirname, "../../..");

/** How a script ended. */
export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ScriptOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Called with each line of stdout; returning `true` kills the script (SIGKILL). */
  readonly killOn?: (line: string) => boolean;
}

/** Runs `scripts/<name>.ts` without a terminal. */
export function runScript(
  name: string,
  args: readonly string[],
  options: ScriptOptions = {},
): Promise<Ended> {
  const { CLOUDFLARE_API_TOKEN: _mine, ...inherited } = process.env;
  const child = spawn(process.execPath, [path.join(repository, "scripts", `${name}.ts`), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...inherited, NO_COLOR: "1", ...options.env },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk;
    if (chunk.split("\n").some((line) => options.killOn?.(line) === true)) child.kill("SIGKILL");
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
  });
  const { promise, resolve, reject } = Promise.withResolvers<Ended>();
  child.on("error", reject);
  child.on("close", (exitCode) => resolve({ exitCode, stdout, stderr }));
  return promise;
}

export class LocalRun {
  readonly cloud: LocalCloud;
  readonly directory: string;
  /** Where the cloud's stack is, for the functions of `provision.ts`. */
  readonly stack: ProvisionOptions;
  readonly context: ReleaseContext;

  private constructor(
    cloud: LocalCloud,
    directory: string,
    stack: ProvisionOptions,
    context: ReleaseContext,
  ) {
    this.cloud = cloud;
    this.directory = directory;
    this.stack = stack;
    this.context = context;
  }

  static async start(): Promise<LocalRun> {
    const directory = await mkdtemp(path.join(tmpdir(), "strata-run-"));
    const cloud = await startLocalCloud({ directory: path.join(directory, "cloud") });
    const { apiUrl, accountId, apiToken } = cloud;
    const stack = { apiUrl, accountId, apiToken, stateDirectory: localStackDirectory(directory) };
    const { context } = await provisionLocalContext(cloud, { root: repository, directory, engine: "find" });
    return new LocalRun(cloud, directory, stack, context);
  }

  /** Runs a script against this cloud. */
  script(name: string, args: readonly string[], options: ScriptOptions = {}): Promise<Ended> {
    const env = { STRATA_STATE_DIRECTORY: this.directory, ...options.env };
    return runScript(name, [...args, "--env", "local"], { ...options, env });
  }

  /** The same cloud seen from a copy of the repository whose migrations may be changed. */
  async copyOfRepository(onEvent: (event: ReleaseEvent) => void = () => {}): Promise<ReleaseContext> {
    const root = path.join(this.directory, "repository");
    await mkdir(root, { recursive: true });
    for (const shared of ["worker", "archiver", "node_modules", "package.json"]) {
      await rm(path.join(root, shared), { force: true });
      await symlink(path.join(repository, shared), path.join(root, shared));
    }
    await cp(path.join(repository, "migrations"), path.join(root, "migrations"), { recursive: true });
    const { ids, secrets, topology: wanted } = this.context;
    return openContext({
      root,
      environment: "local",
      stateDirectory: path.join(root, ".strata"),
      provisioned: { ...ids, settings: wanted.settings },
      account: this.cloud,
      urls: { hub: this.cloud.scriptUrl(wanted.workers.hub.name) },
      secrets,
      onEvent,
    });
  }

  /** Tags of the versions of a script, newest first. */
  async tags(worker: WorkerKey): Promise<readonly (string | null)[]> {
    const versions = await this.context.api.versions(this.context.topology.workers[worker].name);
    return versions.map(({ tag }) => tag);
  }

  /** Tag of the version that serves everything; `null` before the first release. */
  async serving(worker: WorkerKey): Promise<string | null> {
    const { api, topology: wanted } = this.context;
    const { name } = wanted.workers[worker];
    const [deployments, versions] = await Promise.all([api.deployments(name), api.versions(name)]);
    const current = deployments[0]?.versions[0]?.versionId;
    return versions.find(({ id }) => id === current)?.tag ?? null;
  }

  async stop(): Promise<void> {
    await removeLocalCloud(this.directory);
    await this.cloud.stop();
    for (const left of [this.directory, path.dirname(this.context.configs.hub)]) {
      await rm(left, { recursive: true, force: true });
    }
  }
}
