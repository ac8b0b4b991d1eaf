/**
 * Releases: read what is deployed, plan, do the plan. `release-plan.ts` decides
 * what is done, `release-run.ts` how each step is done.
 */
import path from "node:path";
import type { D1Key, WorkerKey } from "../../infra/topology.ts";
import type { RolloutState } from "../../worker/src/rollout/contract.ts";
import { buildBundle, type Bundle } from "./bundle.ts";
import type { ReleaseContext } from "./environment.ts";
import { CliError, EXIT } from "./exit.ts";
import { openHub } from "./hub.ts";
import { pendingMigrations } from "./migrations.ts";
import {
  DEFAULT_GATE,
  type HubReleaseOptions,
  type PlanEvent,
  type ReleaseOptions,
  type ReleaseReport,
  type ReleaseTarget,
} from "./release-events.ts";
import {
  describeStep,
  planArchiver,
  planCanary,
  planHub,
  type PendingFacts,
  type ScriptFacts,
  type Step,
} from "./release-plan.ts";
import { runSteps, type ReleaseRun } from "./release-run.ts";
import type { RolloutClient } from "./rollout-client.ts";
import { isCurrent, markOf, readScriptState, type ScriptState } from "./script-state.ts";
import { triggersDiffer } from "./triggers.ts";

interface Observed {
  readonly state: ScriptState;
  readonly facts: ScriptFacts;
}

async function observe(
  context: ReleaseContext,
  worker: WorkerKey,
  tag: string,
  options: ReleaseOptions,
): Promise<Observed> {
  const state = await readScriptState(context, worker, options.rotateSecrets ?? false);
  return {
    state,
    facts: {
      current: isCurrent(state, await markOf(context, worker, tag)),
      needsFullDeploy: state.needsFullDeploy,
      deployed: state.current !== null,
    },
  };
}

async function build(context: ReleaseContext, worker: WorkerKey, options: ReleaseOptions): Promise<Bundle> {
  context.signal.throwIfAborted();
  return buildBundle({
    root: context.root,
    directory: path.join(context.directory, "bundles", worker),
    wrangler: context.wrangler,
    config: context.configs[worker],
    main: options.main ?? context.topology.workers[worker].main,
  });
}

async function pendingOf(context: ReleaseContext, database: D1Key): Promise<PendingFacts> {
  return { database, files: await pendingMigrations(context, database) };
}

interface Planned {
  readonly target: ReleaseTarget;
  readonly steps: readonly Step[];
  readonly run: ReleaseRun;
  readonly options: HubReleaseOptions;
}

async function carryOut(
  context: ReleaseContext,
  { target, steps, run, options }: Planned,
): Promise<ReleaseReport> {
  const plan: PlanEvent = {
    type: "plan",
    environment: context.environment,
    target,
    tag: run.bundle.tag,
    dryRun: options.dryRun ?? false,
    steps: steps.map(describeStep),
  };
  context.onEvent(plan);
  const report = (outcome: ReleaseReport["outcome"]): ReleaseReport => ({
    environment: context.environment,
    target,
    tag: run.bundle.tag,
    outcome,
    versions: run.versions,
    migrations: run.migrations,
    rolloutId: run.rollout?.id ?? null,
    phase: target === "hub" ? (options.phase ?? null) : null,
  });
  if (options.dryRun === true) return report("planned");
  if (steps.length === 0) return report("unchanged");
  await options.confirm?.(plan);
  await runSteps(context, run, steps);
  if (steps.every(({ kind }) => kind === "migrate")) return report("unchanged");
  return report(target === "hub" && options.phase !== undefined ? "phase" : "released");
}

interface RunParts {
  readonly bundle: Bundle;
  readonly scripts: ReleaseRun["scripts"];
  readonly hub: RolloutClient | null;
  readonly rollout: RolloutState | null;
  readonly options: HubReleaseOptions;
}

async function prepare({ bundle, scripts, hub, rollout, options }: RunParts): Promise<ReleaseRun> {
  const { gate = {} } = options;
  return {
    bundle,
    scripts,
    hub,
    rollout,
    gate: (phase) => ({ ...DEFAULT_GATE, ...(typeof gate === "function" ? gate(phase) : gate) }),
    judge: options.judge ?? {},
    knownFaults: hub === null ? [] : (await hub.health("stable")).faults,
    versions: {},
    deployed: new Set(),
    migrations: {},
  };
}

/** The hub's admin API and where its rollout stands; neither before the hub's first release. */
async function readRollout(
  context: ReleaseContext,
  hubDeployed: boolean,
): Promise<{ hub: RolloutClient; rollout: RolloutState } | { hub: null; rollout: null }> {
  if (!hubDeployed) return { hub: null, rollout: null };
  const hub = await openHub(context);
  return { hub, rollout: await hub.state() };
}

async function isDeployed(context: ReleaseContext, worker: WorkerKey): Promise<boolean> {
  return (await context.api.deployments(context.topology.workers[worker].name)).length > 0;
}

/**
 * Releases the archiver at 100 %, after the migrations of its database.
 * @throws {CliError} rolledBack, when it does not answer well and its predecessor is back;
 *   rollbackFailed, when that failed too; failed or credentials otherwise
 */
export async function releaseArchiver(
  context: ReleaseContext,
  options: ReleaseOptions = {},
): Promise<ReleaseReport> {
  const bundle = await build(context, "archiver", options);
  const { state, facts } = await observe(context, "archiver", bundle.tag, options);
  const { hub, rollout } = await readRollout(context, await isDeployed(context, "hub"));
  const steps = planArchiver({
    archiver: facts,
    pending: await pendingOf(context, "archive"),
    triggersDiffer: facts.deployed && (await triggersDiffer(context, "archiver")),
  });
  const run = await prepare({ bundle, scripts: { archiver: state }, hub, rollout, options });
  return carryOut(context, { target: "archiver", steps, run, options });
}

/**
 * Puts the hub's bundle on the canary script, which gets no traffic by that.
 * @throws {CliError} failed, while a rollout sends traffic to it; otherwise as `releaseArchiver`
 */
export async function releaseCanary(
  context: ReleaseContext,
  options: ReleaseOptions = {},
): Promise<ReleaseReport> {
  const bundle = await build(context, "hub", options);
  const { state, facts } = await observe(context, "hub-canary", bundle.tag, options);
  const { hub, rollout } = await readRollout(context, await isDeployed(context, "hub"));
  const steps = planCanary({ canary: facts, rollout });
  const run = await prepare({ bundle, scripts: { "hub-canary": state }, hub, rollout, options });
  return carryOut(context, { target: "canary", steps, run, options });
}

/**
 * Releases the hub by phases: canary script → 10 % of reads → all reads and
 * 10 % of writes → everything → the hub itself. The first release goes to 100 %
 * at once. An earlier run of the same release is gone on with.
 *
 * @throws {CliError} rolledBack, when the hub or a check took the release back;
 *   failed, while another release is under way or when a gate stays inconclusive;
 *   cancelled, when the signal was aborted; each says what state things are in
 */
export async function releaseHub(
  context: ReleaseContext,
  options: HubReleaseOptions = {},
): Promise<ReleaseReport> {
  if (options.direct === true && context.environment !== "local") {
    throw new CliError(EXIT.usage, `${context.environment} is released by phases, never directly`);
  }
  const bundle = await build(context, "hub", options);
  const [hubScript, canary, archiverDeployed, pending] = await Promise.all([
    observe(context, "hub", bundle.tag, options),
    observe(context, "hub-canary", bundle.tag, options),
    isDeployed(context, "archiver"),
    pendingOf(context, "hub"),
  ]);
  const { hub, rollout } = await readRollout(context, hubScript.facts.deployed);
  const steps = planHub({
    tag: bundle.tag,
    hub: hubScript.facts,
    canary: canary.facts,
    archiverDeployed,
    canaryVersion: canary.state.current,
    rollout,
    pending,
    upTo: options.phase ?? null,
    direct: options.direct ?? false,
  });
  const scripts = { hub: hubScript.state, "hub-canary": canary.state };
  const run = await prepare({ bundle, scripts, hub, rollout, options });
  return carryOut(context, { target: "hub", steps, run, options });
}

/** Releases the archiver, then the hub with its canary; `main` and the phases are the hub's. */
export async function releaseAll(
  context: ReleaseContext,
  options: HubReleaseOptions = {},
): Promise<readonly ReleaseReport[]> {
  const { rotateSecrets, confirm, dryRun } = options;
  const common: ReleaseOptions = {
    ...(rotateSecrets === undefined ? {} : { rotateSecrets }),
    ...(confirm === undefined ? {} : { confirm }),
    ...(dryRun === undefined ? {} : { dryRun }),
  };
  return [await releaseArchiver(context, common), await releaseHub(context, options)];
}
