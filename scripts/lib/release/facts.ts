/** What a plan needs to know, read from the account, the hub and the working tree. */
import path from "node:path";
import type { D1Key, WorkerKey } from "../../../infra/topology.ts";
import {
  ROLLOUT_WORKERS,
  type RolloutState,
  type RolloutWorker,
} from "../../../worker/src/rollout/contract.ts";
import type { ReleaseContext } from "../environment.ts";
import { pendingMigrations } from "../migrations/index.ts";
import type { RolloutClient } from "../rollout/client.ts";
import { openHub } from "../rollout/hub.ts";
import { buildBundle, type Bundle } from "./bundle.ts";
import type { ReleaseOptions, ReleaseTarget } from "./events.ts";
import { CANARY_OF, type PendingFacts, type ScriptFacts, type WorkerFacts } from "./plan.ts";
import { isCurrent, markOf, readScriptState, tagOf, type ScriptState } from "./script-state.ts";
import { triggersDiffer } from "./triggers.ts";

/** Database whose schema a Worker's code expects. */
const DATABASE_OF: Readonly<Record<RolloutWorker, D1Key>> = { archiver: "archive", hub: "hub" };

/** Workers whose code a target is about. */
export const WORKERS_OF: Readonly<Record<ReleaseTarget, readonly RolloutWorker[]>> = {
  hub: ["hub"],
  archiver: ["archiver"],
  all: ROLLOUT_WORKERS,
  canary: ROLLOUT_WORKERS,
};

export type Bundles = Readonly<Partial<Record<RolloutWorker, Bundle>>>;
export type ScriptStates = Readonly<Record<WorkerKey, ScriptState>>;

async function build(
  context: ReleaseContext,
  worker: RolloutWorker,
  options: ReleaseOptions,
): Promise<Bundle> {
  context.signal.throwIfAborted();
  return buildBundle({
    root: context.root,
    directory: path.join(context.directory, "bundles", worker),
    wrangler: context.wrangler,
    config: context.configs[worker],
    main: options.main?.[worker] ?? context.topology.workers[worker].main,
  });
}

/** Bundles of the targets, built one after the other: each takes all processors. */
export async function buildTargets(
  context: ReleaseContext,
  targets: readonly RolloutWorker[],
  options: ReleaseOptions,
): Promise<Bundles> {
  const bundles: Partial<Record<RolloutWorker, Bundle>> = {};
  for (const target of targets) bundles[target] = await build(context, target, options);
  return bundles;
}

/** What every script serves now. */
export async function readScripts(context: ReleaseContext, rotateSecrets: boolean): Promise<ScriptStates> {
  const read = (worker: WorkerKey): Promise<ScriptState> => readScriptState(context, worker, rotateSecrets);
  const [archiverCanary, archiver, hubCanary, hub] = await Promise.all([
    read("archiver-canary"),
    read("archiver"),
    read("hub-canary"),
    read("hub"),
  ]);
  return { "archiver-canary": archiverCanary, archiver, "hub-canary": hubCanary, hub };
}

async function scriptFacts(
  context: ReleaseContext,
  state: ScriptState,
  bundle: Bundle | undefined,
): Promise<ScriptFacts> {
  return {
    current: bundle !== undefined && isCurrent(state, await markOf(context, state.worker, bundle.tag)),
    needsFullDeploy: state.needsFullDeploy,
    deployed: state.current !== null,
    tag: tagOf(state, state.current),
    versionId: state.current,
  };
}

async function workerFacts(
  context: ReleaseContext,
  worker: RolloutWorker,
  scripts: ScriptStates,
  bundle: Bundle | undefined,
): Promise<WorkerFacts> {
  const canaryState = scripts[CANARY_OF[worker]];
  const [stable, canary] = await Promise.all([
    scriptFacts(context, scripts[worker], bundle),
    scriptFacts(context, canaryState, bundle),
  ]);
  const twin = stable.tag === null ? undefined : canaryState.versions.find(({ tag }) => tag === stable.tag);
  return {
    stable,
    canary,
    canaryTwin: twin?.id ?? null,
    bundle: bundle?.tag ?? null,
    triggersDiffer: bundle !== undefined && stable.deployed && (await triggersDiffer(context, worker)),
  };
}

export async function readWorkers(
  context: ReleaseContext,
  scripts: ScriptStates,
  bundles: Bundles,
): Promise<Readonly<Record<RolloutWorker, WorkerFacts>>> {
  const [archiver, hub] = await Promise.all([
    workerFacts(context, "archiver", scripts, bundles.archiver),
    workerFacts(context, "hub", scripts, bundles.hub),
  ]);
  return { archiver, hub };
}

/** Migrations of the databases that the targets use. */
export function readPending(
  context: ReleaseContext,
  targets: readonly RolloutWorker[],
): Promise<readonly PendingFacts[]> {
  return Promise.all(
    ROLLOUT_WORKERS.filter((worker) => targets.includes(worker)).map(async (worker) => {
      const database = DATABASE_OF[worker];
      return { database, files: await pendingMigrations(context, database) };
    }),
  );
}

/** The hub's admin API and where its rollout stands; neither before the hub's first release. */
export async function readRollout(
  context: ReleaseContext,
  hubDeployed: boolean,
): Promise<
  | { readonly hub: RolloutClient; readonly rollout: RolloutState }
  | { readonly hub: null; readonly rollout: null }
> {
  if (!hubDeployed) return { hub: null, rollout: null };
  const hub = await openHub(context);
  return { hub, rollout: await hub.state() };
}
