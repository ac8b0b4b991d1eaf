/** A provisioned local cloud in a temporary directory, and the release scripts run against it as a user runs them. */
import { spawn, type ChildProcess } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { startLocalCloud, type LocalCloud } from "@strata/localcloud";
import { byWorker, type WorkerKey } from "../../../infra/topology.ts";
import type { RolloutState } from "../../../worker/src/rollout/contract.ts";
import { openContext, type ReleaseContext } from "../environment.ts";
import { provisionLocalContext } from "../local-context.ts";
import { removeLocalCloud, writeLocalCloud } from "../local-state.ts";
import { localStackDirectory, type ProvisionOptions } from "../provision.ts";
import type { ReleaseEvent } from "../release/events.ts";
import { openHub } from "../rollout/hub.ts";

const repository = path.resolve(import.meta.dirname, "../../..");

/** How a script ended. */
export interface Ended {
  /** `null` when it was killed. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ScriptOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Called with each whole line of stdout. */
  readonly onLine?: (line: string, child: ChildProcess) => void;
}

/** A line of `--json`, or `null` for anything else. */
export function eventOf(line: string): Readonly<Record<string, unknown>> | null {
  try {
    const parsed: unknown = JSON.parse(line);
    return typeof parsed === "object" && parsed !== null ? { ...parsed } : null;
  } catch {
    return null;
  }
}

/** Every line of `--json`. @throws when one is none */
export function eventsOf({ stdout }: Ended): readonly Readonly<Record<string, unknown>>[] {
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const event = eventOf(line);
      if (event === null) throw new Error(`no JSON document: ${line}`);
      return event;
    });
}

/** The last line of `--json`: the result, or the error. */
export function resultOf(ended: Ended): Readonly<Record<string, unknown>> {
  return eventsOf(ended).at(-1) ?? {};
}

/** Runs `scripts/<name>.ts` without a terminal. */
export function runScript(
  name: string,
  args: readonly string[],
  { env, onLine }: ScriptOptions = {},
): Promise<Ended> {
  const { CLOUDFLARE_API_TOKEN: _mine, ...inherited } = process.env;
  const child = spawn(process.execPath, [path.join(repository, "scripts", `${name}.ts`), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...inherited, NO_COLOR: "1", ...env },
  });
  let stdout = "";
  let stderr = "";
  let begun = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk;
    const lines = (begun + chunk).split("\n");
    begun = lines.pop() ?? "";
    for (const line of lines) onLine?.(line, child);
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
  readonly directory: string;
  /** Where the cloud's stack is, for the functions of `provision.ts`. */
  readonly stack: ProvisionOptions;
  readonly context: ReleaseContext;
  /** Everything that the scripts printed. */
  readonly printed: string[] = [];
  #cloud: LocalCloud;

  private constructor(
    cloud: LocalCloud,
    directory: string,
    stack: ProvisionOptions,
    context: ReleaseContext,
  ) {
    this.#cloud = cloud;
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

  get cloud(): LocalCloud {
    return this.#cloud;
  }

  /** Stops the cloud and starts it again where it was. */
  async restartCloud(): Promise<void> {
    await this.#cloud.stop();
    this.#cloud = await startLocalCloud({ directory: path.join(this.directory, "cloud") });
    const { apiUrl, accountId, apiToken } = this.#cloud;
    const urls = byWorker((worker) => this.#cloud.scriptUrl(this.context.topology.workers[worker].name));
    await writeLocalCloud(this.directory, { apiUrl, accountId, apiToken, urls, pid: process.pid });
  }

  /** Runs a script against this cloud. */
  async script(name: string, args: readonly string[], options: ScriptOptions = {}): Promise<Ended> {
    const env = { STRATA_STATE_DIRECTORY: this.directory, ...options.env };
    const ended = await runScript(name, [...args, "--env", "local"], { ...options, env });
    this.printed.push(ended.stdout, ended.stderr);
    return ended;
  }

  /** Secrets that stand in something that a script printed. */
  get printedSecrets(): readonly string[] {
    const all = this.printed.join("\n");
    const secrets = [this.cloud.apiToken, ...Object.values(this.context.secrets)];
    return secrets.filter((secret) => all.includes(secret));
  }

  /** Writes a file into this run's directory. @returns its path */
  async file(name: string, text: string): Promise<string> {
    const file = path.join(this.directory, "files", name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text);
    return file;
  }

  /** An entry module around a Worker's own. @param fetch body of its `fetch`; `inner()` answers as the Worker does */
  variant(
    worker: "archiver" | "hub",
    name: string,
    { fetch = "return inner();", module = "" }: { readonly fetch?: string; readonly module?: string } = {},
  ): Promise<string> {
    const entry = JSON.stringify(path.join(repository, this.context.topology.workers[worker].main));
    return this.file(
      `${worker}-${name}.ts`,
      `import worker from ${entry};
export * from ${entry};
${module.replaceAll(`"ENTRY"`, entry)}
export default {
  ...worker,
  async fetch(request, env, ctx) {
    const inner = () => worker.fetch(request, env, ctx);
    ${fetch}
  },
};
`,
    );
  }

  /** A version that differs from others by a header, and by nothing that matters. */
  good(worker: "archiver" | "hub", mark: string): Promise<string> {
    return this.variant(worker, mark, {
      fetch: `const answer = await inner();
    const marked = new Response(answer.body, answer);
    marked.headers.set("mark", "${mark}");
    return marked;`,
    });
  }

  /** Where the rollout stands. */
  async rollout(): Promise<RolloutState> {
    return (await openHub(this.context)).state();
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
