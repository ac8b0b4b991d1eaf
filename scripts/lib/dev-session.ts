/** A local cloud with everything released on it, which follows the sources. */
import path from "node:path";
import { startLocalCloud, type LocalCloud } from "@strata/localcloud";
import { watch, type FSWatcher } from "chokidar";
import { byWorker, type WorkerKey } from "../../infra/topology.ts";
import { ChangeQueue } from "./change-queue.ts";
import type { ReleaseContext } from "./environment.ts";
import { provisionLocalContext } from "./local-context.ts";
import { openLogFile } from "./log-file.ts";
import { removeLocalCloud } from "./local-state.ts";
import { describeTools } from "./provision.ts";
import type { ReleaseEvent } from "./release/events.ts";
import { release } from "./release/release.ts";

export type DevTarget = "archiver" | "hub";

/** Folders that are watched, and what is released when something in them changes. */
export const WATCHED: readonly { readonly folder: string; readonly target: DevTarget }[] = [
  { folder: "archiver", target: "archiver" },
  { folder: "migrations/archive", target: "archiver" },
  { folder: "worker", target: "hub" },
  { folder: "migrations/hub", target: "hub" },
];

const RELEASED = /\.(ts|json|sql|avsc)$/;
const NOT_RELEASED = /\.test\.ts$/;
const QUIET_MS = 200;

/** What a change of `file` (relative to the repository) means; `null` when it is in no release. */
export function targetOf(file: string): DevTarget | null {
  if (!RELEASED.test(file) || NOT_RELEASED.test(file)) return null;
  return WATCHED.find(({ folder }) => file.startsWith(`${folder}/`))?.target ?? null;
}

export interface DevOptions {
  readonly root: string;
  /** Holds the cloud and its state; kept from run to run. */
  readonly directory: string;
  /** Port of the local cloud's API; 0 takes the last one, or any. */
  readonly port: number;
  readonly signal: AbortSignal;
  readonly onEvent: (event: ReleaseEvent) => void;
  /** Tells people what happens. */
  readonly tell: (line: string) => void;
  /** A change could not be released; what was released before goes on serving. */
  readonly onError: (error: unknown) => void;
}

export interface DevSession {
  readonly urls: Readonly<Record<WorkerKey | "api", string>>;
  readonly apiKey: string;
  /** What the Workers and the local cloud log. */
  readonly logFile: string;
  /** Stops watching and stops the cloud; what it stored stays. */
  stop(): Promise<void>;
}

async function openCloud(options: DevOptions, cloud: LocalCloud): Promise<ReleaseContext> {
  const { root, directory, signal, onEvent, tell } = options;
  const { context, provisioned } = await provisionLocalContext(cloud, {
    root,
    directory,
    signal,
    onEvent,
    onProgress: tell,
  });
  tell(`provisioned; ${describeTools(provisioned)}`);
  return context;
}

async function releaseChanged(context: ReleaseContext, changes: ReadonlySet<DevTarget>): Promise<void> {
  const [only] = changes;
  if (only === undefined) return;
  await release(context, changes.size > 1 ? "all" : only, { direct: true, allowContract: true });
}

/**
 * Releases what is not released yet. Where something serves already, as after a rollout that was
 * left open, a release that is refused must not take the cloud away: it is what the rollout is closed with.
 */
async function releaseFirst(context: ReleaseContext, onError: DevOptions["onError"]): Promise<void> {
  try {
    await releaseChanged(context, new Set<DevTarget>(["archiver", "hub"]));
  } catch (error) {
    const serving = await context.api.deployments(context.topology.workers.hub.name);
    if (context.signal.aborted || serving.length === 0) throw error;
    onError(error);
  }
}

/**
 * Watches the sources below `root`. Node's own recursive watch loses a file
 * that an editor replaces, which is how many of them save.
 *
 * @param onChange told what a change is a change of, as soon as this has resolved
 * @param onError told what ends the watch of a file or a folder after that
 * @throws what keeps the watch from starting, such as the system's limit of watches
 */
export async function watchSources(
  root: string,
  onChange: (target: DevTarget) => void,
  onError: (error: unknown) => void,
): Promise<FSWatcher> {
  const target = (file: string): DevTarget | null =>
    targetOf(path.relative(root, file).replaceAll(path.sep, "/"));
  const watcher = watch(
    WATCHED.map(({ folder }) => path.join(root, folder)),
    { ignoreInitial: true, ignored: (file, stats) => stats?.isFile() === true && target(file) === null },
  );
  watcher.on("all", (_, file) => {
    const changed = target(file);
    if (changed !== null) onChange(changed);
  });
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  watcher.once("ready", resolve).once("error", reject);
  try {
    await ready;
  } catch (error) {
    await watcher.close();
    throw error;
  }
  return watcher.off("error", reject).on("error", onError);
}

/**
 * Starts everything, releases what is not released yet, and follows the sources.
 * @throws {CliError} when the cloud cannot be provisioned or the first release fails; it is stopped then
 */
export async function startDev(options: DevOptions): Promise<DevSession> {
  const { root, directory, port } = options;
  const logFile = path.join(directory, "local", "cloud.log");
  const log = await openLogFile(logFile);
  const cloud = await startLocalCloud({
    directory: path.join(directory, "local", "cloud"),
    port,
    log: log.write,
  });
  const stopCloud = async (): Promise<void> => {
    await removeLocalCloud(directory);
    await cloud.stop();
    await log.close();
  };
  try {
    const context = await openCloud(options, cloud);
    await releaseFirst(context, options.onError);
    const queue = new ChangeQueue<DevTarget>({
      quietMs: QUIET_MS,
      run: async (changes) => {
        await releaseChanged(context, changes).catch(options.onError);
      },
    });
    const watcher = await watchSources(root, (target) => queue.add(target), options.onError);
    const urlOf = (wanted: WorkerKey): string => cloud.scriptUrl(context.topology.workers[wanted].name);
    return {
      urls: { ...byWorker(urlOf), api: cloud.apiUrl },
      logFile,
      apiKey: context.secrets["BOOTSTRAP_API_KEY"] ?? "",
      stop: async () => {
        await watcher.close();
        await queue.close();
        await stopCloud();
      },
    };
  } catch (error) {
    await stopCloud();
    throw error;
  }
}
