/** Does the steps of a plan. What a failing step leaves half done is taken back in `release-undo.ts`. */
import type { D1Key, WorkerKey } from "../../infra/topology.ts";
import type { GateSettings, RolloutState } from "../../worker/src/rollout/contract.ts";
import type { Bundle } from "./bundle.ts";
import type { ReleaseContext } from "./environment.ts";
import { CliError, EXIT, messageOf } from "./exit.ts";
import { readGate, type GateReading } from "./gate.ts";
import { describeRollout, openHub } from "./hub.ts";
import { predecessorOf, releaseMessage, soleVersion } from "./lineage.ts";
import { applyMigrations } from "./migrations.ts";
import type { GatePolicy, TrafficPhase } from "./release-events.ts";
import { describeStep, type Step } from "./release-plan.ts";
import { undo } from "./release-undo.ts";
import { RolloutConflict, type RolloutClient } from "./rollout-client.ts";
import {
  markOf,
  refuseForeignSplit,
  uploadedBefore,
  versionMessage,
  type ScriptState,
} from "./script-state.ts";
import { checkArchiver, checkHub } from "./smoke.ts";

/** A release under way. */
export interface ReleaseRun {
  readonly bundle: Bundle;
  readonly scripts: Readonly<Partial<Record<WorkerKey, ScriptState>>>;
  /** `null` until the hub has its first release. */
  hub: RolloutClient | null;
  /** As last read. */
  rollout: RolloutState | null;
  readonly gate: (phase: TrafficPhase) => GatePolicy;
  /** What the hub is told about the gate; the rest is its default. */
  readonly judge: Partial<GateSettings>;
  /** Bindings that did not answer before the release. */
  readonly knownFaults: readonly string[];
  /** Versions that this run uploaded or deployed. */
  readonly versions: Partial<Record<WorkerKey, string>>;
  /** Workers whose traffic this run has given to the release. */
  readonly deployed: Set<WorkerKey>;
  readonly migrations: Partial<Record<D1Key, readonly string[]>>;
}

/** While a phase is watched, its figures are told at least this often, in milliseconds. */
const GATE_EVENT_MS = 1_000;

/** The open rollout of a run; a step that needs it is only planned when there is one. */
function openRollout({ hub, rollout }: ReleaseRun): {
  hub: RolloutClient;
  rollout: RolloutState;
  id: string;
} {
  if (hub === null || rollout === null || rollout.id === null) throw new Error("no rollout is open");
  return { hub, rollout, id: rollout.id };
}

function stateOf({ scripts }: ReleaseRun, worker: WorkerKey): ScriptState {
  const state = scripts[worker];
  if (state === undefined) throw new Error(`the state of ${worker} was not read`);
  return state;
}

/** The error for a rollout that the hub has taken back. */
function takenBack(rollout: RolloutState): CliError {
  return new CliError(
    EXIT.rolledBack,
    `The release ${rollout.release?.tag ?? ""} was taken back in phase ${rollout.phase}: ${rollout.reason ?? "no reason given"}`,
    { hints: ["All traffic is on the stable version again."], data: { rollout } },
  );
}

/** Someone else may have ended the rollout since it was last read. */
async function assertOpen(run: ReleaseRun): Promise<void> {
  if (run.hub === null || run.rollout === null || run.rollout.status !== "active") return;
  const { id } = run.rollout;
  run.rollout = await run.hub.state();
  if (run.rollout.id === id && run.rollout.status === "rolled-back") throw takenBack(run.rollout);
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

/** The good version that a deployment of `versionId` follows. */
function predecessor({ current, deployments }: ScriptState, versionId: string | null): string | null {
  return current === versionId && current !== null ? predecessorOf(current, deployments) : current;
}

async function upload(context: ReleaseContext, run: ReleaseRun, worker: WorkerKey): Promise<string> {
  if (worker === "hub") await assertOpen(run);
  const state = stateOf(run, worker);
  const mark = await markOf(context, worker, run.bundle.tag);
  const before = uploadedBefore(state, mark);
  const versionId =
    before ??
    (await context.wrangler.uploadVersion({
      config: context.configs[worker],
      entry: run.bundle.entry,
      tag: mark.tag,
      message: versionMessage(mark),
      secrets: state.secrets,
    }));
  run.versions[worker] = versionId;
  return before === null ? versionId : `${versionId}, uploaded by an earlier run`;
}

async function fullDeploy(context: ReleaseContext, run: ReleaseRun, worker: WorkerKey): Promise<string> {
  if (worker === "hub") await assertOpen(run);
  const state = stateOf(run, worker);
  await assertUntouched(context, state);
  const mark = await markOf(context, worker, run.bundle.tag);
  run.deployed.add(worker);
  const versionId = await context.wrangler.deploy({
    config: context.configs[worker],
    entry: run.bundle.entry,
    tag: mark.tag,
    message: releaseMessage(`${mark.tag} settings ${mark.settings}`, state.current),
    secrets: state.secrets,
  });
  run.versions[worker] = versionId;
  if (worker === "hub") run.hub ??= await openHub(context);
  return versionId;
}

async function deploy(context: ReleaseContext, run: ReleaseRun, worker: WorkerKey): Promise<string> {
  if (worker === "hub") await assertOpen(run);
  const state = stateOf(run, worker);
  await assertUntouched(context, state);
  const versionId = run.versions[worker] ?? run.rollout?.release?.canaryVersion;
  if (versionId === undefined) throw new Error(`no version of ${worker} to deploy`);
  run.deployed.add(worker);
  const message = releaseMessage(run.bundle.tag, predecessor(state, versionId));
  await context.wrangler.deployVersion(context.configs[worker], versionId, message);
  run.versions[worker] = versionId;
  return versionId;
}

/** The version that a Worker serves as far as this run knows. */
function served(run: ReleaseRun, worker: WorkerKey): string {
  const versionId = run.versions[worker] ?? stateOf(run, worker).current;
  if (versionId === null) throw new Error(`${worker} serves nothing`);
  return versionId;
}

async function check(context: ReleaseContext, run: ReleaseRun, worker: WorkerKey): Promise<string> {
  const versionId = served(run, worker);
  if (worker === "archiver") return checkArchiver(context, run.hub, versionId);
  if (run.hub === null) return "not checked: the hub that leads to it is not released yet";
  const lane = worker === "hub" ? "stable" : "canary";
  await checkHub(context, run.hub, lane, versionId, run.knownFaults);
  return versionId;
}

async function open(run: ReleaseRun): Promise<string> {
  if (run.hub === null) throw new Error("the hub is not released");
  const release = {
    tag: run.bundle.tag,
    canaryVersion: served(run, "hub-canary"),
    stableVersion: served(run, "hub"),
  };
  run.rollout = await run.hub.start(release, run.judge);
  return run.rollout.id ?? "";
}

async function watchPhase(
  context: ReleaseContext,
  run: ReleaseRun,
  phase: TrafficPhase,
): Promise<GateReading> {
  const { clock, signal } = context;
  const { hub, id } = openRollout(run);
  const policy = run.gate(phase);
  const openedAt = clock.now();
  let toldAt = -Infinity;
  for (;;) {
    const state = await hub.state();
    run.rollout = state;
    const now = clock.now();
    const reading = readGate(state, id, phase, policy, openedAt, now);
    if (reading.verdict !== "waiting" || now - toldAt >= GATE_EVENT_MS) {
      context.onEvent({ type: "gate", phase, ...reading, state });
      toldAt = now;
    }
    if (reading.verdict !== "waiting") return reading;
    await clock.sleep(policy.pollMs, signal);
  }
}

async function enterPhase(context: ReleaseContext, run: ReleaseRun, phase: TrafficPhase): Promise<string> {
  const { hub, rollout, id } = openRollout(run);
  if (rollout.phase < phase) {
    try {
      run.rollout = await hub.setPhase(id, phase);
    } catch (error) {
      if (error instanceof RolloutConflict) await assertOpen(run);
      throw error;
    }
  }
  const { verdict, reason } = await watchPhase(context, run, phase);
  const { rollout: now } = openRollout(run);
  switch (verdict) {
    case "fail":
      throw now.id === id ? takenBack(now) : new CliError(EXIT.failed, `In phase ${phase}: ${reason}`);
    case "inconclusive":
      throw new CliError(EXIT.failed, `The gate of phase ${phase} is inconclusive: ${reason}`, {
        hints: [
          describeRollout(now),
          "It stays open, and the hub goes on judging it.",
          "Go on when there is traffic: run the same release again. With --min-sample 0 a phase without traffic passes.",
          "Take it back: npm run rollback",
        ],
        data: { rollout: now },
      });
    case "pass":
    case "waiting":
      return reason;
  }
}

async function close(run: ReleaseRun): Promise<string> {
  const { hub, id } = openRollout(run);
  try {
    run.rollout = await hub.promote(id, served(run, "hub"));
  } catch (error) {
    if (!(error instanceof RolloutConflict)) throw error;
    run.rollout = await hub.state();
    if (run.rollout.status === "rolled-back") throw takenBack(run.rollout);
    if (run.rollout.id !== id || run.rollout.status !== "promoted") throw error;
  }
  return id;
}

/** Does one step. @returns what came of it, in a few words */
async function doStep(context: ReleaseContext, run: ReleaseRun, step: Step): Promise<string> {
  switch (step.kind) {
    case "migrate": {
      const files = await applyMigrations(context, step.database);
      run.migrations[step.database] = files;
      return "";
    }
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
      return check(context, run, step.worker);
    case "phase":
      return enterPhase(context, run, step.phase);
    case "close":
      return close(run);
  }
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
    const named = { type: "step", ...describeStep(step) } as const;
    try {
      context.signal.throwIfAborted();
      context.onEvent({ ...named, status: "started", detail: null });
      const detail = await doStep(context, run, step);
      context.onEvent({ ...named, status: "done", detail });
    } catch (error) {
      context.onEvent({ ...named, status: "failed", detail: messageOf(error) });
      throw await undo(context, run, error);
    }
  }
}
