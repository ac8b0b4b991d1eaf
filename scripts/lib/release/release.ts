/**
 * Releases: read what is deployed, plan, do the plan. `plan.ts` decides what is
 * done, `steps.ts` how each step is done; the hub judges.
 */
import { createHash } from "node:crypto";
import {
  ROLLOUT_WORKERS,
  type RollbackSafety,
  type RolloutState,
  type RolloutWorker,
} from "../../../worker/src/rollout/contract.ts";
import type { ReleaseContext } from "../environment.ts";
import { CliError, EXIT } from "../exit.ts";
import { lintPending, safetyOfApplied } from "../migrations/index.ts";
import type { RolloutClient } from "../rollout/client.ts";
import { isOpen } from "../rollout/text.ts";
import type { PlanEvent, ReleaseOptions, ReleaseReport, ReleaseTarget } from "./events.ts";
import {
  buildTargets,
  readPending,
  readRollout,
  readScripts,
  readWorkers,
  type Bundles,
  type ScriptStates,
  WORKERS_OF,
} from "./facts.ts";
import { refuseHopelessRollout } from "./preconditions.ts";
import { changedBy, planCanaries, planRelease, type ReleaseFacts, type Step } from "./plan.ts";
import { askLane } from "./smoke.ts";
import { describeStep } from "./step-text.ts";
import { runSteps, type ReleaseRun } from "./steps.ts";

interface Observed {
  readonly facts: ReleaseFacts;
  readonly bundles: Bundles;
  readonly scripts: ScriptStates;
  readonly hub: RolloutClient | null;
  readonly rollout: RolloutState | null;
}

async function observe(
  context: ReleaseContext,
  target: ReleaseTarget,
  options: ReleaseOptions,
): Promise<Observed> {
  const targets = WORKERS_OF[target];
  const bundles = await buildTargets(context, targets, options);
  const scripts = await readScripts(context, options.rotateSecrets ?? false);
  const [workers, pending, { hub, rollout }, defaults] = await Promise.all([
    readWorkers(context, scripts, bundles),
    readPending(context, targets),
    readRollout(context, scripts.hub.current !== null),
    import("../../rollout.plan.ts"),
  ]);
  return {
    bundles,
    scripts,
    hub,
    rollout,
    facts: {
      workers,
      pending,
      rollout,
      plan: options.plan ?? (context.environment === "local" ? defaults.local : defaults.default),
      upTo: options.phase ?? null,
      direct: options.direct ?? false,
      detach: options.detach ?? false,
    },
  };
}

/** The tag of the one bundle that changes, or one made of all of them. */
function releaseTag(bundles: Bundles, changed: readonly RolloutWorker[]): string {
  const tags = (changed.length === 0 ? ROLLOUT_WORKERS : changed).flatMap(
    (worker) => bundles[worker]?.tag ?? [],
  );
  const [only = ""] = tags;
  if (tags.length < 2) return only;
  return `r-${createHash("sha256").update(tags.join("\n")).digest("hex").slice(0, 12)}`;
}

/**
 * Whether the present versions, which were uploaded before, work on what has been migrated since.
 * Each is asked for by itself: what the older one never knew, the newer one may need.
 */
async function presentSafety(context: ReleaseContext, { scripts }: Observed): Promise<RollbackSafety> {
  let newerSchema = false;
  for (const { versions, current } of [scripts.hub, scripts.archiver]) {
    const version = versions.find(({ id }) => id === current);
    if (version === undefined) {
      if (current === null) continue;
      const why = `version ${current} is not among those that can still be deployed, so nobody knows what it was made for`;
      return { safe: false, why };
    }
    const safety = await safetyOfApplied(context, version.createdOn);
    if (!safety.safe) return safety;
    newerSchema ||= safety.newerSchema;
  }
  return { safe: true, newerSchema };
}

async function prepare(
  context: ReleaseContext,
  observed: Observed,
  steps: readonly Step[],
  options: ReleaseOptions,
): Promise<ReleaseRun> {
  const { hub, rollout, bundles, scripts, facts } = observed;
  const changed = changedBy(facts);
  const smoke = options.smoke ?? (await import("../../rollout.plan.ts")).smoke;
  const migrates = steps.some(({ kind }) => kind === "migrate");
  return {
    tag: releaseTag(bundles, changed),
    bundles,
    scripts,
    changed,
    plan: facts.plan,
    smoke,
    options,
    hub,
    rollout,
    safety: () => presentSafety(context, observed),
    knownFaults: hub === null || steps.length === 0 ? [] : (await hub.health("stable")).faults,
    answers: hub === null || !migrates ? [] : await askLane(context, hub, "stable", smoke),
    versions: {},
    deployed: new Set(),
    migrations: {},
  };
}

/** Whoever releases again what was taken back should know it: it may be a retry that nobody has thought about. */
function formerFate(rollout: RolloutState | null, tag: string): readonly string[] {
  if (rollout?.status !== "rolled-back" || rollout.release?.tag !== tag) return [];
  const why = `${rollout.endedAt ?? ""} in phase ${rollout.phase}: ${rollout.reason ?? "no reason given"}`;
  return [`${tag} was released before and taken back at ${why}. It is released again.`];
}

async function carryOut(
  context: ReleaseContext,
  target: ReleaseTarget,
  observed: Observed,
  steps: readonly Step[],
  options: ReleaseOptions,
): Promise<ReleaseReport> {
  const { environment } = context;
  // Every file of every database is read before the first is applied.
  await lintPending(context, observed.facts.pending, { allowContract: options.allowContract ?? false });
  const run = await prepare(context, observed, steps, options);
  await refuseHopelessRollout(context, steps, run.plan, run.changed, run.scripts);
  const plan: PlanEvent = {
    type: "plan",
    environment,
    target,
    tag: run.tag,
    dryRun: options.dryRun ?? false,
    steps: steps.map((step) => describeStep(step, run.plan)),
  };
  context.onEvent(plan);
  for (const message of formerFate(observed.rollout, run.tag)) context.onEvent({ type: "note", message });
  const report = (outcome: ReleaseReport["outcome"]): ReleaseReport => ({
    environment,
    target,
    tag: run.tag,
    outcome,
    versions: run.versions,
    migrations: run.migrations,
    rolloutId: run.rollout?.id ?? null,
    phase: options.phase ?? null,
  });
  if (options.dryRun === true) return report("planned");
  const begun = options.detach === true ? "begun" : "phase";
  const stands = target !== "canary" && observed.rollout !== null && isOpen(observed.rollout);
  if (steps.length === 0) return report(stands ? begun : "unchanged");
  await options.confirm?.(plan);
  await runSteps(context, run, steps);
  if (steps.every(({ kind }) => kind === "migrate" || kind === "triggers")) return report("unchanged");
  const rolls = steps.some(({ kind }) => kind === "begin" || kind === "phase" || kind === "go-on");
  const completed = steps.some(({ kind }) => kind === "complete");
  return report(rolls && !completed ? begun : "released");
}

/**
 * Releases Workers: canary scripts → smoke → the plan's phases, driven and judged by
 * the hub → the stable scripts. The first release goes to 100 % at once. An earlier
 * run of the same release is gone on with. `canary` puts the working tree on the
 * canary scripts and stops there.
 *
 * @throws {CliError} rolledBack, when the hub or a check took the release back; frozen;
 *   held, when the rollout waits for someone; failed, while another release is under
 *   way; cancelled, when the signal was aborted; each says what state things are in
 */
export async function release(
  context: ReleaseContext,
  target: ReleaseTarget,
  options: ReleaseOptions = {},
): Promise<ReleaseReport> {
  if (options.direct === true && context.environment !== "local") {
    throw new CliError(EXIT.usage, `${context.environment} is released by phases, never directly`);
  }
  const observed = await observe(context, target, options);
  const steps = target === "canary" ? planCanaries(observed.facts) : planRelease(observed.facts);
  return carryOut(context, target, observed, steps, options);
}
