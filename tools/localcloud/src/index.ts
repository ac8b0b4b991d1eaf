import { randomInt } from "node:crypto";
import { resolve } from "node:path";
import { API_PATH, connections, createApi } from "./api/app.ts";
import { Changes, type Control } from "./api/control.ts";
import type { Faults } from "./api/faults.ts";
import type { Runtime, RuntimeOptions } from "./runtime/contract.ts";
import { isPortFree, listen } from "./server.ts";
import { keepSignals } from "./signals.ts";
import { removeProcessFile, writeProcessFile } from "./state/process-file.ts";
import { Store } from "./state/store.ts";

export type { FaultHits, FaultRule, Faults } from "./api/faults.ts";
export { DirectoryInUseError } from "./state/database.ts";
export { type ProcessFile, readProcessFile } from "./state/process-file.ts";

/** 32 hex digits, as Cloudflare's account ids are. */
export const DEFAULT_ACCOUNT_ID = "10ca1c10d0acc0010ca1c10d0acc0010";
/** 40 characters, as Cloudflare's API tokens are: some clients check the form. */
export const DEFAULT_API_TOKEN = "local_cloud_token_0123456789abcdefghijkl";

/**
 * Everything listens below the range that the system hands out for outgoing
 * connections, so that a port is still free when the local cloud comes back.
 */
const FIRST_PORT = 20_000;
const LAST_PORT = 31_999;
const PORT_ATTEMPTS = 200;

const STOP_GRACE_MS = 5000;
const LAST_PORT_KEY = "api-port";

export interface LocalCloudOptions {
  /** Holds everything; made when it is not there. */
  readonly directory: string;
  /** Port of the API; 0 takes the one of the last run when it is free, else any. */
  readonly port?: number;
  /** Loopback address to listen on. Default: 127.0.0.1. */
  readonly host?: string;
  readonly log?: (line: string) => void;
  readonly accountId?: string;
  readonly apiToken?: string;
  /** Builds the data plane. Default: workerd through Miniflare. */
  readonly createRuntime?: (options: RuntimeOptions) => Runtime | Promise<Runtime>;
}

/** A local cloud that runs. */
export interface LocalCloud {
  /** Base URL of the API, for `CLOUDFLARE_API_BASE_URL` and `CLOUDFLARE_BASE_URL`. */
  readonly apiUrl: string;
  readonly accountId: string;
  readonly apiToken: string;
  /** What the clients (wrangler, SDK, Pulumi) need in their environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Calls of the API that fail on purpose. */
  readonly faults: Faults;
  /** Where a script answers. @throws when there is no script of that name. */
  scriptUrl(name: string): string;
  /** Resolves when a stop was asked for over HTTP. */
  readonly stopRequested: Promise<void>;
  /** Finishes what is in flight and stops everything. May be called more than once. */
  stop(): Promise<void>;
}

async function defaultRuntime(options: RuntimeOptions): Promise<Runtime> {
  // Loaded when needed: Miniflare is large, and tests of the control plane do without.
  const { createRuntime } = await import("./runtime/index.ts");
  return createRuntime(options);
}

/** A port that is free now, and no script's. */
async function freePort(store: Store, host: string): Promise<number> {
  const owned = new Set(store.scripts.list().map(({ port }) => port));
  for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
    const port = randomInt(FIRST_PORT, LAST_PORT + 1);
    if (!owned.has(port) && (await isPortFree(host, port))) {
      return port;
    }
  }
  throw new Error(`no free port between ${FIRST_PORT} and ${LAST_PORT}`);
}

async function apiPort(store: Store, host: string, asked: number): Promise<number> {
  if (asked !== 0) {
    return asked;
  }
  const last = Number(store.getMeta(LAST_PORT_KEY) ?? 0);
  return last !== 0 && (await isPortFree(host, last)) ? last : freePort(store, host);
}

/**
 * Starts a local cloud on a directory. What was deployed there before runs
 * again, on the same ports, however the last run ended.
 * @throws {DirectoryInUseError} when another process serves the directory.
 */
export async function startLocalCloud(options: LocalCloudOptions): Promise<LocalCloud> {
  const directory = resolve(options.directory);
  const host = options.host ?? "127.0.0.1";
  const log = options.log ?? (() => undefined);
  const accountId = options.accountId ?? DEFAULT_ACCOUNT_ID;
  const apiToken = options.apiToken ?? DEFAULT_API_TOKEN;

  const store = new Store(directory);
  const undo: (() => Promise<void> | void)[] = [() => store.close(), keepSignals()];
  async function unwind(): Promise<void> {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) {
      await step();
    }
  }

  try {
    const runtime = await (options.createRuntime ?? defaultRuntime)({
      directory: resolve(directory, "data"),
      host,
      log,
    });
    undo.push(() => runtime.stop());
    const changes = new Changes(store, runtime);
    const stopRequest = Promise.withResolvers<void>();
    const control: Control = {
      store,
      runtime,
      changes,
      accountId,
      apiToken,
      host,
      log,
      now: Date.now,
      freePort: () => freePort(store, host),
      requestStop: () => stopRequest.resolve(),
      unknownCalls: [],
    };
    await runtime.apply(store.dataPlaneState());

    const shared = connections(control);
    const app = createApi(control, shared);
    const server = await listen(app, shared, host, await apiPort(store, host, options.port ?? 0));
    undo.push(() => changes.settled());
    undo.push(() => server.close(STOP_GRACE_MS));
    store.setMeta(LAST_PORT_KEY, String(server.port));
    const apiUrl = `http://${host}:${server.port}${API_PATH}`;
    writeProcessFile(directory, { pid: process.pid, apiUrl });
    undo.push(() => removeProcessFile(directory));

    let stopping: Promise<void> | null = null;
    return {
      apiUrl,
      accountId,
      apiToken,
      faults: shared.faults,
      environment: {
        CLOUDFLARE_API_BASE_URL: apiUrl,
        CLOUDFLARE_BASE_URL: apiUrl,
        CLOUDFLARE_API_TOKEN: apiToken,
        CLOUDFLARE_ACCOUNT_ID: accountId,
      },
      scriptUrl: (name) => {
        const script = store.scripts.get(name);
        if (script === null) {
          throw new Error(`no script is called ${name}`);
        }
        return `http://${host}:${script.port}`;
      },
      stopRequested: stopRequest.promise,
      stop: () => (stopping ??= unwind()),
    };
  } catch (error) {
    await unwind();
    throw error;
  }
}
