/** Taking a promoted release back: the scripts return to the last good versions before it. */
import type { WorkerKey } from "../../../infra/topology.ts";
import {
  ROLLOUT_WORKERS,
  type ReleaseIdentity,
  type RolloutState,
  type RolloutWorker,
} from "../../../worker/src/rollout/contract.ts";
import type { ReleaseContext } from "../environment.ts";
import { CliError, EXIT } from "../exit.ts";
import { safetyOfApplied } from "../migrations/index.ts";
import type { RolloutClient } from "../rollout/client.ts";
import type { ReleaseTarget, ReturnedScript, RollbackOptions, RollbackReport } from "./events.ts";
import { rollbackTarget, soleVersion, type RollbackTarget } from "./lineage.ts";
import { CANARY_OF } from "./plan.ts";
import { refuseImpossibleReturn, returnScript } from "./return.ts";
import { rollbackStep } from "./rollback-step.ts";
import { refuseForeignSplit } from "./script-state.ts";
import { checkWorker } from "./smoke.ts";

/** Stable scripts return the other way round than they were released: the hub calls the archiver. */
const SCRIPTS_OF: Readonly<Record<ReleaseTarget, readonly WorkerKey[]>> = {
  hub: ["hub"],
  archiver: ["archiver"],
  all: ["hub", "archiver"],
  canary: ["hub-canary", "archiver-canary"],
};

/** The error for a script without a good version before its present one. */
export function nothingToReturnTo(script: string, current: string | null): CliError {
  return new CliError(
    EXIT.failed,
    `There is nothing to roll back to: ${script} has no good version before this one`,
    {
      hints: [
        ...(current === null ? ["It has no release at all."] : [`It serves ${current}.`]),
        "Release a mended version instead, or deploy a version by hand: npx wrangler versions list",
      ],
    },
  );
}

interface Return extends RollbackTarget {
  readonly worker: WorkerKey;
}

const isStable = (worker: WorkerKey): worker is RolloutWorker => worker === "hub" || worker === "archiver";

/** Where each script would go; a script of several that has nowhere to go stays. @throws when none has */
async function readTargets(
  context: ReleaseContext,
  workers: readonly WorkerKey[],
): Promise<readonly Return[]> {
  const found: Return[] = [];
  let first: CliError | null = null;
  for (const worker of workers) {
    const { name } = context.topology.workers[worker];
    const deployments = await context.api.deployments(name);
    refuseForeignSplit(name, deployments);
    const target = rollbackTarget(deployments);
    if (target === null) {
      first ??= nothingToReturnTo(name, deployments[0]?.versions[0]?.versionId ?? null);
    } else {
      found.push({ worker, ...target });
    }
  }
  if (found.length === 0 && first !== null) throw first;
  return found;
}

/** Content tag of what a script serves; `null` when it is not known. */
async function servedTag({ api, topology }: ReleaseContext, worker: WorkerKey): Promise<string | null> {
  const { name } = topology.workers[worker];
  const [deployments, versions] = await Promise.all([api.deployments(name), api.versions(name)]);
  const current = deployments[0] === undefined ? null : soleVersion(deployments[0].versions);
  return versions.find(({ id }) => id === current)?.tag ?? null;
}

/** Stable scripts that serve a release which was taken back. */
export async function servingAgain(
  context: ReleaseContext,
  release: ReleaseIdentity,
): Promise<readonly RolloutWorker[]> {
  const found: RolloutWorker[] = [];
  for (const worker of ROLLOUT_WORKERS) {
    const { changed, tag, stableVersion } = release.workers[worker];
    if (!changed) continue;
    const [current] = await context.api.deployments(context.topology.workers[worker].name);
    if (current === undefined || soleVersion(current.versions) === stableVersion) continue;
    if ((await servedTag(context, worker)) === tag) found.push(worker);
  }
  return found;
}

/**
 * What the newest release changed and nobody has taken back yet; everything when the
 * newest one is not the hub's last, or was taken back whole.
 */
async function newestOnly(
  context: ReleaseContext,
  targets: readonly Return[],
  rollout: RolloutState | null,
): Promise<readonly Return[]> {
  const ended = rollout?.status === "done" || rollout?.status === "rolled-back";
  const release = ended ? (rollout?.release ?? null) : null;
  if (release === null || targets.length < 2) return targets;
  const carriers: Return[] = [];
  for (const target of targets) {
    const { worker } = target;
    if (!isStable(worker) || !release.workers[worker].changed) continue;
    if ((await servedTag(context, worker)) === release.workers[worker].tag) carriers.push(target);
  }
  if (carriers.length === 0 || carriers.length === targets.length) return targets;
  context.onEvent({
    type: "note",
    message: `The release ${release.tag} is on ${carriers.map(({ worker }) => worker).join(" and ")} only; the other stays.`,
  });
  return carriers;
}

/**
 * Where nobody knows whether a rollout is open, a stable script that does not run what its
 * canary runs may be the good version of one: it stays.
 */
async function promotedOnly(
  context: ReleaseContext,
  targets: readonly Return[],
  fault: CliError,
): Promise<readonly Return[]> {
  const promoted: Return[] = [];
  for (const target of targets) {
    const { worker } = target;
    if (!isStable(worker)) continue;
    const [stable, canary] = [await servedTag(context, worker), await servedTag(context, CANARY_OF[worker])];
    if (stable === canary) promoted.push(target);
  }
  if (promoted.length > 0) return promoted;
  throw new CliError(fault.exitCode, fault.message, {
    hints: [
      ...fault.hints,
      "No script was returned: none runs what its canary runs, so each may be the good version of an open rollout.",
      "If none is open, return them all the same: npm run rollback -- --force",
    ],
    data: fault.data,
    cause: fault,
  });
}

/**
 * Refuses former versions that may not work on the schema as it is now; says so where it is only newer.
 * @throws {CliError} frozen
 */
async function refuseUnsafe(context: ReleaseContext, targets: readonly Return[]): Promise<void> {
  for (const { worker, to } of targets) {
    const { name } = context.topology.workers[worker];
    const version = (await context.api.versions(name)).find(({ id }) => id === to);
    if (version === undefined) continue;
    const safety = await safetyOfApplied(context, version.createdOn);
    if (!safety.safe) {
      throw new CliError(EXIT.frozen, `${name} is not returned to version ${to}: ${safety.why}`, {
        hints: ["Nothing was moved.", "Return it all the same: npm run rollback -- --force"],
        data: { script: name, version: to, why: safety.why },
      });
    }
    if (safety.newerSchema) {
      const message = `${name} returns to code from before the newest migrations; the schema stays newer.`;
      context.onEvent({ type: "note", message });
    }
  }
}

/** What is known of the hub's rollout. */
export interface KnownRollout {
  readonly hub: RolloutClient | null;
  readonly state: RolloutState | null;
  /** Why the hub's state is not known. */
  readonly fault: CliError | null;
}

/**
 * Returns the scripts of a target, and checks that they answer.
 * @throws {CliError} failed or frozen, before anything is moved; rollbackFailed
 */
export async function returnToVersions(
  context: ReleaseContext,
  target: ReleaseTarget,
  { hub, state, fault }: KnownRollout,
  options: RollbackOptions,
): Promise<RollbackReport> {
  const { force = false } = options;
  const found = await readTargets(context, SCRIPTS_OF[target]);
  const targets =
    fault !== null && !force
      ? await promotedOnly(context, found, fault)
      : target === "all"
        ? await newestOnly(context, found, state)
        : found;
  for (const { worker, to } of targets) await refuseImpossibleReturn(context, worker, to);
  if (!force) await refuseUnsafe(context, targets);
  const names = targets.map(
    ({ worker, from, to }) => `${context.topology.workers[worker].name} from version ${from} to ${to}`,
  );
  await options.confirm?.(`return ${names.join(", and ")}`);
  const returned: ReturnedScript[] = [];
  for (const { worker, from, to } of targets) {
    const { name } = context.topology.workers[worker];
    await rollbackStep(context, `deploy-${worker}`, `Return ${name} to version ${to}`, () =>
      returnScript(context, worker, to),
    );
    await rollbackStep(context, `check-${worker}`, "Check that it answers", () =>
      checkWorker(context, hub, worker, to, null),
    );
    returned.push({ worker, from, to });
  }
  return { environment: context.environment, target, kind: "version", returned, rolloutId: null };
}
