/** Does the steps of a plan. What a failing step leaves half done is taken back in `undo.ts`. */
import type { D1Key, WorkerKey } from "../../../infra/topology.ts";
import type {
  ReleaseIdentity,
  RollbackSafety,
  RolloutPlan,
  RolloutState,
  RolloutWorker,
} from "../../../worker/src/rollout/contract.ts";
import type { ReleaseContext } from "../environment.ts";
import { CliError, EXIT, messageOf } from "../exit.ts";
import { applyMigrations, type MigrationReport } from "../migrations/index.ts";
import { RolloutConflict, type RolloutClient } from "../rollout/client.ts";
import { openHub } from "../rollout/hub.ts";
import type { Bundle } from "./bundle.ts";
import type { ReleaseOptions } from "./events.ts";
import type { Bundles, ScriptStates } from "./facts.ts";
import { predecessorOf, releaseMessage, rollbackMessage, soleVersion } from "./lineage.ts";
import { CANARY_OF, type Step } from "./plan.ts";
import {
  markOf,
  refuseForeignSplit,
  tagOf,
  uploadedBefore,
  versionMessage,
  type ScriptState,
} from "./script-state.ts";
import { askLane, checkWorker, compareAnswers, type LaneAnswers, type SmokeRequest } from "./smoke.ts";
import { describeStep } from "./step-text.ts";
import { undo } from "./undo.ts";
import { DEFAULT_POLL_MS, replaced, stopped, watchPhase } from "./watch.ts";

/** A release under way. */
export interface ReleaseRun {
  /** Names the release. */
  readonly tag: string;
  readonly bundles: Bundles;
  readonly scripts: ScriptStates;
  /** Workers that the release brings new code for. */
  readonly changed: readonly RolloutWorker[];
  readonly plan: RolloutPlan;
  readonly smoke: readonly SmokeRequest[];
  readonly options: ReleaseOptions;
  /** `null` until the hub has its first release. */
  hub: RolloutClient | null;
  /** As last read. */
  rollout: RolloutState | null;
  /** Whether the present versions work on the schema as it is when this is asked. */
  readonly safety: () => Promise<RollbackSafety>;
  /** Bindings that did not answer before the release. */
  readonly knownFaults: readonly string[];
  /** What the stable lane answered before the release. */
  readonly answers: LaneAnswers;
  /** Versions that this run uploaded or deployed. */
  readonly versions: Partial<Record<WorkerKey, string>>;
  /** Workers whose traffic this run has given to the release. */
  readonly deployed: Set<WorkerKey>;
  readonly migrations: Partial<Record<D1Key, MigrationReport>>;
}

/** The open rollout of a run; a step that needs it is only planned when there is one. */
function openRollout({ hub, rollout }: ReleaseRun): {
  hub: RolloutClient;
  rollout: RolloutState;
  id: string;
} {
  if (hub === null || rollout === null || rollout.id === null) throw new Error("no rollout is open");
  return { hub, rollout, id: rollout.id };
}

const WORKER_OF: Readonly<Record<WorkerKey, RolloutWorker>> = {
  "archiver-canary": "archiver",
  archiver: "archiver",
  "hub-canary": "hub",
  hub: "hub",
};

function bundleOf({ bundles }: ReleaseRun, worker: WorkerKey): Bundle {
  const bundle = bundles[WORKER_OF[worker]];
  if (bundle === undefined) throw new Error(`no bundle was built for ${worker}`);
  return bundle;
}

const isStable = (worker: WorkerKey): worker is RolloutWorker => worker === "hub" || worker === "archiver";

/** Someone else may have ended the rollout since it was last read. */
async function assertOpen(run: ReleaseRun, hubMustAnswer = true): Promise<void> {
  const { hub, rollout } = run;
  if (hub === null || rollout?.status !== "promoting") return;
  const { id } = rollout;
  const state = await hub.state().catch((error: unknown) => {
    if (hubMustAnswer) throw error;
    return null;
  });
  if (state === null) return;
  if (state.id !== id) throw replaced(state);
  run.rollout = state;
  const end = stopped(state);
  if (end !== null) throw end;
}

/** Minutes may lie between plan and deployment: what is there now must still be what the plan was made for. */
async function assertUntouched(
  { api, topology }: ReleaseContext,
  { worker, current }: ScriptState,
): Promise<void> {
  const { name } = topology.workers[worker];
  const deployments = await api.deployments(name);
  refuseForeignSplit(name, deployments);
  const now = deployments[0] === undefined ? null : soleVersion(deployments[0].versions);
  if (now === current) return;
  throw new CliError(
    EXIT.failed,
    `${name} was changed while this release ran: it serves ${now ?? "nothing"} now`,
    {
      hints: ["See who deploys it, then release again."],
      data: { script: name, expected: current, found: now },
    },
  );
}

/**
 * Deploys, and looks again: someone may have taken the rollout back in the meantime, and
 * then found the former version still serving. What was deployed after that must not stay,
 * so the step fails, and `undo` returns it.
 */
async function deployWhileOpen<T>(run: ReleaseRun, worker: WorkerKey, work: () => Promise<T>): Promise<T> {
  if (!isStable(worker)) return work();
  await assertOpen(run);
  run.deployed.add(worker);
  try {
    return await work();
  } finally {
    // A hub that does not answer now may be the one that was just deployed: its check says so.
    await assertOpen(run, false);
  }
}

/** The good version that a deployment of `versionId` follows. */
function predecessor({ current, deployments }: ScriptState, versionId: string | null): string | null {
  return current === versionId && current !== null ? predecessorOf(current, deployments) : current;
}

async function upload(context: ReleaseContext, run: ReleaseRun, worker: WorkerKey): Promise<string> {
  if (isStable(worker)) await assertOpen(run);
  const state = run.scripts[worker];
  const bundle = bundleOf(run, worker);
  const mark = await markOf(context, worker, bundle.tag);
  const before = uploadedBefore(state, mark);
  const versionId =
    before ??
    (await context.wrangler.uploadVersion({
      config: context.configs[worker],
      entry: bundle.entry,
      tag: mark.tag,
      message: versionMessage(mark),
      secrets: state.secrets,
    }));
  run.versions[worker] = versionId;
  return before === null ? versionId : `${versionId}, uploaded by an earlier run`;
}

async function fullDeploy(context: ReleaseContext, run: ReleaseRun, worker: WorkerKey): Promise<string> {
  const state = run.scripts[worker];
  await assertUntouched(context, state);
  const bundle = bundleOf(run, worker);
  const mark = await markOf(context, worker, bundle.tag);
  run.deployed.add(worker);
  const versionId = await deployWhileOpen(run, worker, () =>
    context.wrangler.deploy({
      config: context.configs[worker],
      entry: bundle.entry,
      tag: mark.tag,
      message: releaseMessage(`${mark.tag} settings ${mark.settings}`, state.current),
      secrets: state.secrets,
    }),
  );
  run.versions[worker] = versionId;
  if (worker === "hub") run.hub ??= await openHub(context);
  return versionId;
}

async function deploy(context: ReleaseContext, run: ReleaseRun, worker: WorkerKey): Promise<string> {
  const state = run.scripts[worker];
  await assertUntouched(context, state);
  const opened = isStable(worker)
    ? undefined
    : run.rollout?.release?.workers[WORKER_OF[worker]].canaryVersion;
  const versionId = run.versions[worker] ?? opened;
  if (versionId === undefined) throw new Error(`no version of ${worker} to deploy`);
  run.deployed.add(worker);
  const message = releaseMessage(bundleOf(run, worker).tag, predecessor(state, versionId));
  await deployWhileOpen(run, worker, () =>
    context.wrangler.deployVersion(context.configs[worker], versionId, message),
  );
  run.versions[worker] = versionId;
  return versionId;
}

/** A canary that is no part of the release gets the code of its stable script. */
async function align(
  context: ReleaseContext,
  run: ReleaseRun,
  worker: RolloutWorker,
  versionId: string,
): Promise<string> {
  const canary = CANARY_OF[worker];
  await assertUntouched(context, run.scripts[canary]);
  const message = rollbackMessage(versionId, predecessorOf(versionId, run.scripts[canary].deployments));
  await context.wrangler.deployVersion(context.configs[canary], versionId, message);
  run.versions[canary] = versionId;
  return versionId;
}

/** The version that a Worker serves as far as this run knows. */
function served(run: ReleaseRun, worker: WorkerKey): string {
  const versionId = run.versions[worker] ?? run.scripts[worker].current;
  if (versionId === null) throw new Error(`${worker} serves nothing`);
  return versionId;
}

async function proveStable(context: ReleaseContext, run: ReleaseRun): Promise<string> {
  const { hub } = run;
  if (hub === null) return "nothing is released yet";
  await checkWorker(context, hub, "hub", served(run, "hub"), run.knownFaults);
  const found = await askLane(context, hub, "stable", run.smoke);
  compareAnswers("The present version on the new schema", run.smoke, run.answers, found);
  return `${run.smoke.length} requests answered as before`;
}

async function smoke(context: ReleaseContext, run: ReleaseRun): Promise<string> {
  const { hub } = openRollout(run);
  const good = await askLane(context, hub, "stable", run.smoke);
  const found = await askLane(context, hub, "canary", run.smoke);
  compareAnswers("The canary", run.smoke, good, found);
  return `${run.smoke.length} requests answered alike`;
}

function identity(run: ReleaseRun): ReleaseIdentity {
  const release = (worker: RolloutWorker): ReleaseIdentity["workers"][RolloutWorker] => {
    const changed = run.changed.includes(worker);
    const stable = run.scripts[worker];
    return {
      tag: changed ? bundleOf(run, worker).tag : (tagOf(stable, stable.current) ?? "unknown"),
      stableVersion: stable.current ?? "none",
      canaryVersion: served(run, CANARY_OF[worker]),
      changed,
    };
  };
  return { tag: run.tag, workers: { archiver: release("archiver"), hub: release("hub") } };
}

async function open(run: ReleaseRun): Promise<string> {
  if (run.hub === null) throw new Error("the hub is not released");
  run.rollout = await run.hub.start({
    release: identity(run),
    plan: run.plan,
    upTo: run.options.phase ?? null,
    rollback: await run.safety(),
  });
  return run.rollout.id ?? "";
}

async function begin(run: ReleaseRun): Promise<string> {
  const { hub, id } = openRollout(run);
  run.rollout = await hub.command(id, "begin", {});
  return "";
}

async function complete(run: ReleaseRun): Promise<string> {
  const { hub, id } = openRollout(run);
  const versions = { archiver: served(run, "archiver"), hub: served(run, "hub") };
  run.rollout = await hub.command(id, "complete", { versions });
  return id;
}

async function migrateOne(context: ReleaseContext, run: ReleaseRun, database: D1Key): Promise<string> {
  const { allowContract = false, requireBookmark = false } = run.options;
  const report = await applyMigrations(context, database, { allowContract, requireBookmark });
  run.migrations[database] = report;
  return report.bookmark === null ? "" : `bookmark ${report.bookmark}`;
}

/** Does one step. @returns what came of it, in a few words */
async function doStep(context: ReleaseContext, run: ReleaseRun, step: Step): Promise<string> {
  switch (step.kind) {
    case "migrate":
      return migrateOne(context, run, step.database);
    case "prove-stable":
      return proveStable(context, run);
    case "align":
      return align(context, run, step.worker, step.versionId);
    case "full-deploy":
      return fullDeploy(context, run, step.worker);
    case "upload":
      return upload(context, run, step.worker);
    case "deploy":
      return deploy(context, run, step.worker);
    case "triggers":
      await context.wrangler.deployTriggers(context.configs[step.worker]);
      return "";
    case "open":
      return open(run);
    case "check":
      return checkWorker(context, run.hub, step.worker, served(run, step.worker), run.knownFaults);
    case "smoke":
      return smoke(context, run);
    case "begin":
      return begin(run);
    case "go-on": {
      const { hub, id } = openRollout(run);
      run.rollout = await hub.command(id, "go-on", { upTo: run.options.phase ?? null });
      return "";
    }
    case "phase": {
      const { hub, id } = openRollout(run);
      return watchPhase(context, hub, {
        id,
        phase: step.phase,
        wait: run.options.wait ?? false,
        pollMs: run.options.pollMs ?? DEFAULT_POLL_MS,
        onState: (state) => {
          run.rollout = state;
        },
      });
    }
    case "promote": {
      const { hub, id } = openRollout(run);
      run.rollout = await hub.command(id, "promoting", { worker: step.worker });
      return "";
    }
    case "complete":
      return complete(run);
  }
}

/** A command that the hub refuses may only say that the rollout has moved: then where to is the error. */
async function inHubsWords(run: ReleaseRun, error: unknown): Promise<unknown> {
  const { hub, rollout } = run;
  if (!(error instanceof RolloutConflict) || hub === null || rollout === null) return error;
  const state = await hub.state().catch(() => null);
  if (state === null || state.id !== rollout.id) return error;
  run.rollout = state;
  return stopped(state) ?? error;
}

/**
 * Does the steps in their order, each with its events.
 * @throws {CliError} of the step that failed, after what it left half done was taken back
 */
export async function runSteps(
  context: ReleaseContext,
  run: ReleaseRun,
  steps: readonly Step[],
): Promise<void> {
  for (const step of steps) {
    const named = { type: "step", ...describeStep(step, run.plan) } as const;
    try {
      context.signal.throwIfAborted();
      context.onEvent({ ...named, status: "started", detail: null });
      const detail = await doStep(context, run, step);
      context.onEvent({ ...named, status: "done", detail });
    } catch (error) {
      context.onEvent({ ...named, status: "failed", detail: messageOf(error) });
      throw await undo(context, run, await inHubsWords(run, error));
    }
  }
}
