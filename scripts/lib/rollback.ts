/** Taking a release back: an open rollout to 0 % at once, a promoted one to the last good version. */
import type { WorkerKey } from "../../infra/topology.ts";
import type { RolloutState } from "../../worker/src/rollout/contract.ts";
import type { ReleaseContext } from "./environment.ts";
import { CliError, EXIT, messageOf } from "./exit.ts";
import { describeRollout, openHub } from "./hub.ts";
import { rollbackMessage, rollbackTarget, type RollbackTarget } from "./lineage.ts";
import type { ReleaseTarget, RollbackOptions, RollbackReport } from "./release-events.ts";
import type { RolloutClient } from "./rollout-client.ts";
import { refuseForeignSplit } from "./script-state.ts";
import { checkArchiver, checkHub } from "./smoke.ts";

const WORKER_OF: Readonly<Record<ReleaseTarget, WorkerKey>> = {
  hub: "hub",
  canary: "hub-canary",
  archiver: "archiver",
};

const DEFAULT_REASON = "taken back by an operator";

/** A hub that cannot say where its rollout stands must not keep its bad version for that. */
interface Rollout {
  readonly hub: RolloutClient | null;
  readonly state: RolloutState | null;
}

async function readRollout(context: ReleaseContext): Promise<Rollout> {
  const hub = await openHub(context);
  try {
    return { hub, state: await hub.state() };
  } catch (error) {
    if (error instanceof CliError && error.exitCode === EXIT.credentials) throw error;
    context.onEvent({
      type: "note",
      message: `The hub does not say whether a rollout is open (${messageOf(error)}); its version is rolled back all the same.`,
    });
    return { hub, state: null };
  }
}

async function step<T>(
  context: ReleaseContext,
  id: string,
  title: string,
  work: () => Promise<T>,
): Promise<T> {
  const named = { type: "step", id, title } as const;
  context.onEvent({ ...named, status: "started", detail: null });
  try {
    const result = await work();
    context.onEvent({ ...named, status: "done", detail: null });
    return result;
  } catch (error) {
    context.onEvent({ ...named, status: "failed", detail: messageOf(error) });
    throw new CliError(EXIT.rollbackFailed, `The rollback failed: ${messageOf(error)}`, {
      hints: [
        ...(error instanceof CliError ? error.hints : []),
        "See what serves now: npm run status. Then run the rollback again: a repeat does no harm.",
      ],
      cause: error,
    });
  }
}

async function closeLane(
  context: ReleaseContext,
  hub: RolloutClient,
  state: RolloutState,
  options: RollbackOptions,
): Promise<RollbackReport> {
  const { phase, environment } = { phase: options.phase, environment: context.environment };
  if (phase !== undefined && phase !== state.phase) {
    throw new CliError(EXIT.failed, `The rollout is in phase ${state.phase}, not in phase ${phase}`, {
      hints: [describeRollout(state), "Leave --phase out to take it back whatever its phase is."],
      data: { rollout: state },
    });
  }
  await options.confirm?.(`close the ${describeRollout(state)}`);
  const id = state.id ?? "";
  const closed = await step(context, "close-lane", "Send all traffic to the stable version", () =>
    hub.rollback(id, options.reason ?? DEFAULT_REASON),
  );
  return {
    environment,
    target: "hub",
    kind: "lane",
    from: closed.release?.canaryVersion ?? "",
    to: closed.release?.stableVersion ?? "",
    rolloutId: closed.id,
  };
}

function nothingToReturnTo(script: string, current: string | null): CliError {
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

async function readTarget(context: ReleaseContext, worker: WorkerKey): Promise<RollbackTarget> {
  const { name } = context.topology.workers[worker];
  const deployments = await context.api.deployments(name);
  refuseForeignSplit(name, deployments);
  const target = rollbackTarget(deployments);
  if (target === null) throw nothingToReturnTo(name, deployments[0]?.versions[0]?.versionId ?? null);
  return target;
}

async function returnToVersion(
  context: ReleaseContext,
  target: ReleaseTarget,
  hub: RolloutClient | null,
  options: RollbackOptions,
): Promise<RollbackReport> {
  const worker = WORKER_OF[target];
  const { name } = context.topology.workers[worker];
  const { from, to, predecessor } = await readTarget(context, worker);
  await options.confirm?.(`return ${name} from version ${from} to ${to}`);
  await step(context, `deploy-${worker}`, `Return ${name} to version ${to}`, () =>
    context.wrangler.deployVersion(context.configs[worker], to, rollbackMessage(to, predecessor)),
  );
  await step(context, `check-${worker}`, "Check that it answers", async () => {
    if (target === "archiver") await checkArchiver(context, hub, to);
    else if (hub !== null) await checkHub(context, hub, target === "hub" ? "stable" : "canary", to, null);
  });
  return { environment: context.environment, target, kind: "version", from, to, rolloutId: null };
}

/**
 * Takes a release back.
 *
 * @throws {CliError} failed, when there is nothing to roll back to or the rollout
 *   is in another phase than asked for; rollbackFailed, when a step failed;
 *   credentials or cancelled otherwise
 */
export async function rollback(
  context: ReleaseContext,
  options: RollbackOptions = {},
): Promise<RollbackReport> {
  const target = options.target ?? "hub";
  const hubDeployed = (await context.api.deployments(context.topology.workers.hub.name)).length > 0;
  if (!hubDeployed) {
    if (target === "hub") throw nothingToReturnTo(context.topology.workers.hub.name, null);
    return returnToVersion(context, target, null, options);
  }
  const { hub, state } = await readRollout(context);
  const open = state?.status === "active" ? state : null;
  if (target === "hub" && open !== null && hub !== null) return closeLane(context, hub, open, options);
  if (target === "canary" && open !== null) {
    throw new CliError(EXIT.failed, `The canary serves traffic: ${describeRollout(open)}`, {
      hints: ["Take the rollout back: npm run rollback"],
      data: { rollout: open },
    });
  }
  if (options.phase !== undefined) {
    throw new CliError(
      EXIT.failed,
      `No rollout is open, so there is no phase ${options.phase} to take back`,
      {
        hints: ["Leave --phase out to return to the version before the present one."],
      },
    );
  }
  return returnToVersion(context, target, hub, options);
}
