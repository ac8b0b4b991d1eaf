/** Everything that a release needs to know about the environment that it goes to. */
import { createHash } from "node:crypto";
import path from "node:path";
import { z } from "zod";
import type { StackOutputs } from "../../infra/outputs.ts";
import {
  topology,
  WORKER_KEYS,
  type Environment,
  type Topology,
  type WorkerKey,
} from "../../infra/topology.ts";
import { systemClock, type Clock } from "./clock.ts";
import { openCloudflareApi, type CloudflareApi } from "./cloudflare-api.ts";
import type { CloudflareAccount } from "./cloudflare-client.ts";
import { CliError, EXIT } from "./exit.ts";
import { localSecrets, readLocalCloud, stateDirectory, type LocalCloud } from "./local-state.ts";
import type { ReleaseEvent } from "./release/events.ts";
import { writeConfigs, type ResourceIds } from "./render.ts";
import { createWrangler, type Wrangler } from "./wrangler.ts";

/** The environment of one run; made by `openEnvironment`, or by `openContext` for a program that knows all of it. */
export interface ReleaseContext {
  /** Root of the repository. */
  readonly root: string;
  readonly environment: Environment;
  readonly topology: Topology;
  readonly ids: ResourceIds;
  /** Where the API is, and as whom it is called. */
  readonly account: CloudflareAccount;
  readonly api: CloudflareApi;
  readonly wrangler: Wrangler;
  /** File of each Worker's rendered wrangler config. */
  readonly configs: Readonly<Record<WorkerKey, string>>;
  /** Directory for bundles and other files of this environment. */
  readonly directory: string;
  /** Base URL of a Worker; `null` when it has no address of its own. */
  readonly url: (worker: WorkerKey) => Promise<string | null>;
  /** Values of the Workers' secrets that are known here. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly onEvent: (event: ReleaseEvent) => void;
  /** Aborted, with a `CliError` as its reason, when the user stops the run. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** How the Workers are reached. */
  readonly fetch: typeof globalThis.fetch;
}

/** What a provisioned stack says of itself: its ids, and the settings that its Workers get. */
export type Provisioned = ResourceIds & Pick<StackOutputs, "settings">;

export interface ContextOptions {
  readonly root: string;
  readonly environment: Environment;
  readonly provisioned: Provisioned;
  readonly account: CloudflareAccount;
  readonly secrets: Readonly<Record<string, string>>;
  /** Addresses that are known without asking the API. */
  readonly urls?: Readonly<Partial<Record<WorkerKey, string>>>;
  /** Holds rendered files of this run, one directory an environment. Default: `.strata` in `root`. */
  readonly stateDirectory?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly onEvent?: (event: ReleaseEvent) => void;
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
}

/** The admin token before the present one, while it is being rotated. */
const PREVIOUS_TOKEN = "ADMIN_TOKEN_PREVIOUS";
const DEFAULT_API_URL = "https://api.cloudflare.com/client/v4";

/** Secrets that the Workers of a topology need, each once. */
export function secretNames({ workers }: Topology): readonly string[] {
  return [...new Set(WORKER_KEYS.flatMap((key) => workers[key].secrets))];
}

/** Secrets that they can do without, each once. */
export function optionalSecretNames({ workers }: Topology): readonly string[] {
  return [...new Set(WORKER_KEYS.flatMap((key) => workers[key].optionalSecrets))];
}

/**
 * Name of the folder of a run's wrangler configs. Those of a state directory other than the usual one
 * stand apart, so that two runs do not overwrite each other's.
 */
export function configName(root: string, environment: Environment, directory: string): string {
  if (directory === path.join(root, ".strata")) return environment;
  return `${environment}-${createHash("sha256").update(directory).digest("hex").slice(0, 8)}`;
}

/** Renders the wrangler configs and opens the API; asks nothing of the network. */
export async function openContext(options: ContextOptions): Promise<ReleaseContext> {
  const { root, environment, provisioned, account, secrets } = options;
  const directory = options.stateDirectory ?? path.join(root, ".strata");
  const wanted = topology(environment, provisioned.settings);
  const api = await openCloudflareApi(account);
  const env = options.env ?? process.env;
  return {
    root,
    environment,
    topology: wanted,
    ids: provisioned,
    account,
    api,
    wrangler: createWrangler({
      root,
      account,
      secrets: Object.values(secrets),
      secretNames: [...secretNames(wanted), ...optionalSecretNames(wanted), PREVIOUS_TOKEN],
      env,
    }),
    configs: await writeConfigs(root, configName(root, environment, directory), wanted, provisioned),
    directory: path.join(directory, environment),
    url: async (worker) => {
      const known = options.urls?.[worker];
      if (known !== undefined) return known;
      if (!wanted.workers[worker].workersDev) return null;
      const subdomain = await api.workersSubdomain();
      return subdomain === null ? null : `https://${wanted.workers[worker].name}.${subdomain}.workers.dev`;
    },
    secrets,
    onEvent: options.onEvent ?? (() => {}),
    signal: options.signal ?? new AbortController().signal,
    clock: options.clock ?? systemClock,
    fetch: globalThis.fetch,
  };
}

export interface EnvironmentOptions {
  readonly root: string;
  readonly environment: Environment;
  /** The process's environment variables. */
  readonly env: NodeJS.ProcessEnv;
  readonly onEvent?: (event: ReleaseEvent) => void;
  readonly signal?: AbortSignal;
}

function variable(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const value = env[name];
  return value === undefined || value === "" ? undefined : value;
}

/** Base of the REST API: wrangler's and the SDK's variables have different names for it. */
function apiUrl(env: NodeJS.ProcessEnv): string {
  const url =
    variable(env, "CLOUDFLARE_API_BASE_URL") ?? variable(env, "CLOUDFLARE_BASE_URL") ?? DEFAULT_API_URL;
  if (!URL.canParse(url)) throw new CliError(EXIT.usage, `CLOUDFLARE_API_BASE_URL is not a URL: ${url}`);
  return url.replace(/\/+$/, "");
}

function hubUrl(env: NodeJS.ProcessEnv): Partial<Record<WorkerKey, string>> {
  const url = variable(env, "STRATA_HUB_URL");
  if (url === undefined) return {};
  if (!URL.canParse(url)) throw new CliError(EXIT.usage, `STRATA_HUB_URL is not a URL: ${url}`);
  return { hub: url.replace(/\/+$/, "") };
}

function secretsOf(env: NodeJS.ProcessEnv, names: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of [...names, PREVIOUS_TOKEN]) {
    const value = variable(env, name);
    if (value !== undefined) found[name] = value;
  }
  return found;
}

/** Provisioning brings the Pulumi SDK along, which takes long to load: only here, and only when it is needed. */
async function readProvisioned(environment: Environment, directory: string): Promise<Provisioned> {
  const { localStackDirectory, readOutputs } = await import("./provision.ts");
  return readOutputs(environment, localStackDirectory(directory));
}

/** Where `npm run rehearse` keeps its state unless told otherwise, below the repository. */
const REHEARSAL_DIRECTORY = ".strata/rehearsal";

async function rehearsalRuns(root: string): Promise<boolean> {
  try {
    await readLocalCloud(path.join(root, REHEARSAL_DIRECTORY));
    return true;
  } catch {
    return false;
  }
}

/** The running local cloud; when there is none, a rehearsal that runs elsewhere is pointed out. */
async function openLocalCloud(root: string, env: NodeJS.ProcessEnv): Promise<LocalCloud> {
  try {
    return await readLocalCloud(stateDirectory(root, env));
  } catch (error) {
    const chosen = variable(env, "STRATA_STATE_DIRECTORY") !== undefined;
    if (!(error instanceof CliError) || chosen || !(await rehearsalRuns(root))) throw error;
    const { exitCode, message, hints, data } = error;
    const rehearsal = `A rehearsal is running: export STRATA_STATE_DIRECTORY=${REHEARSAL_DIRECTORY}`;
    throw new CliError(exitCode, message, { hints: [rehearsal, ...hints], data, cause: error });
  }
}

/** Code of the API for a database that is not there. */
const DATABASE_NOT_FOUND = 7_404;
const databaseGone = z.object({
  status: z.literal(404),
  errors: z
    .array(z.object({ code: z.number() }))
    .refine((errors) => errors.some(({ code }) => code === DATABASE_NOT_FOUND)),
});

/** The hints of an error, with the way on when what was provisioned has been destroyed since. */
export function hintsOf({ hints, cause }: CliError, environment: Environment): readonly string[] {
  if (!databaseGone.safeParse(cause).success) return hints;
  const again =
    environment === "local" ? "restart npm run dev" : `npx pulumi up --refresh --stack ${environment}`;
  return [...hints, `What was provisioned is gone; provision again: ${again}`];
}

/**
 * Resolves an environment from the process's variables, the provisioned stack
 * and, for `local`, the files of the running local cloud.
 *
 * @throws {CliError} credentials, naming the variable that is missing; failed,
 *   when no local cloud runs or the environment is not provisioned
 */
export async function openEnvironment(options: EnvironmentOptions): Promise<ReleaseContext> {
  const { root, environment, env } = options;
  const directory = stateDirectory(root, env);
  const names = secretNames(topology(environment));
  const optional = optionalSecretNames(topology(environment));
  const rest = {
    root,
    environment,
    stateDirectory: directory,
    env,
    ...(options.onEvent === undefined ? {} : { onEvent: options.onEvent }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };

  if (environment === "local") {
    const cloud = await openLocalCloud(root, env);
    const secrets = { ...(await localSecrets(directory, names)), ...secretsOf(env, [...names, ...optional]) };
    const provisioned = await readProvisioned(environment, directory);
    return openContext({ ...rest, provisioned, account: cloud, secrets, urls: cloud.urls });
  }

  const apiToken = variable(env, "CLOUDFLARE_API_TOKEN");
  if (apiToken === undefined) {
    throw new CliError(EXIT.credentials, "CLOUDFLARE_API_TOKEN is not set", {
      hints: ["Create a token at https://dash.cloudflare.com/profile/api-tokens and export it."],
    });
  }
  const account = { apiUrl: apiUrl(env), apiToken };
  const urls = hubUrl(env);
  const provisioned = await readProvisioned(environment, directory);
  return openContext({
    ...rest,
    provisioned,
    account: { ...account, accountId: provisioned.accountId },
    secrets: secretsOf(env, [...names, ...optional]),
    urls,
  });
}

/**
 * The value of a secret that this run cannot do without.
 * @throws {CliError} credentials, naming it
 */
export function requireSecret({ secrets, environment }: ReleaseContext, name: string, why: string): string {
  const value = secrets[name];
  if (value !== undefined) return value;
  throw new CliError(EXIT.credentials, `${name} is not set`, {
    hints: [`${why} in ${environment}. Export ${name} and run again.`],
  });
}
