/** Giving scripts their former versions back: what may be returned to, and doing it. */
import type { WorkerKey } from "../../../infra/topology.ts";
import type { RolloutState, RolloutWorker } from "../../../worker/src/rollout/contract.ts";
import type { Deployment } from "../cloudflare-api.ts";
import type { ReleaseContext } from "../environment.ts";
import { CliError, EXIT } from "../exit.ts";
import type { RolloutClient } from "../rollout/client.ts";
import type { ReturnedScript } from "./events.ts";
import { predecessorOf, rollbackMessage, soleVersion } from "./lineage.ts";

/**
 * Refuses a return that the platform would refuse, or that would break the Worker.
 * @throws {CliError} failed, with every reason: a Durable Object migration in between,
 *   a binding whose target is gone, a version that can no longer be deployed
 */
export async function refuseImpossibleReturn(
  { api, topology }: ReleaseContext,
  worker: WorkerKey,
  versionId: string,
): Promise<void> {
  const { name } = topology.workers[worker];
  const [version, migrationTag, deployable] = await Promise.all([
    api.versionDetail(name, versionId),
    api.migrationTag(name),
    api.versions(name),
  ]);
  const faults: string[] = [];
  if (version === null) {
    faults.push(`${name} has no version ${versionId} any more`);
  } else {
    if (!deployable.some(({ id }) => id === versionId)) {
      faults.push("only the last 100 versions of a Worker can be deployed, and it is not among them");
    }
    if ((version.migrationTag ?? null) !== migrationTag) {
      faults.push(
        `a Durable Object migration lies in between (${version.migrationTag ?? "none"} then, ${migrationTag ?? "none"} now), and none can be undone`,
      );
    }
    faults.push(...(await api.missingBindings(version.bindings)));
  }
  if (faults.length === 0) return;
  throw new CliError(EXIT.failed, `${name} cannot return to version ${versionId}`, {
    hints: [...faults, "Nothing was moved. Release a mended version instead."],
    data: { script: name, version: versionId, faults },
  });
}

const serving = ([current]: readonly Deployment[]): string | null =>
  current === undefined ? null : soleVersion(current.versions);

/** Deploys a version of a script at 100 %, unless it serves already. A lost answer is no failure when it does. */
export async function returnScript(
  context: ReleaseContext,
  worker: WorkerKey,
  versionId: string,
): Promise<ReturnedScript> {
  const { api, wrangler, configs, topology } = context;
  const { name } = topology.workers[worker];
  const deployments = await api.deployments(name);
  const from = serving(deployments);
  if (from !== versionId) {
    const message = rollbackMessage(versionId, predecessorOf(versionId, deployments));
    try {
      await wrangler.deployVersion(configs[worker], versionId, message);
    } catch (error) {
      if (serving(await api.deployments(name)) !== versionId) throw error;
    }
  }
  return { worker, from: from ?? "", to: versionId };
}

/** Longest time that a deployment which was begun elsewhere may take to show, in milliseconds. */
const IN_FLIGHT_MS = 8_000;
const LOOK_MS = 1_000;

/**
 * Keeps a script on its version while another run's deployment, which was announced and is
 * not seen yet, may still arrive.
 */
async function holdReturned(context: ReleaseContext, worker: WorkerKey, versionId: string): Promise<void> {
  const { api, clock, signal, topology } = context;
  const { name } = topology.workers[worker];
  const deadline = clock.now() + IN_FLIGHT_MS;
  while (clock.now() < deadline) {
    await clock.sleep(LOOK_MS, signal);
    if (serving(await api.deployments(name)) !== versionId) await returnScript(context, worker, versionId);
  }
}

/**
 * Returns the scripts that a rollout which was taken back has already promoted, and
 * tells the hub of each. They return together, in the order that the rollout states.
 */
export async function returnPromoted(
  context: ReleaseContext,
  hub: RolloutClient,
  state: RolloutState,
): Promise<{ readonly state: RolloutState; readonly returned: readonly ReturnedScript[] }> {
  const returned: ReturnedScript[] = [];
  let now = state;
  for (const worker of state.toReturn satisfies readonly RolloutWorker[]) {
    const target = state.release?.workers[worker].stableVersion;
    if (target === undefined || state.id === null) continue;
    const script = await returnScript(context, worker, target);
    // It was announced as promoted, and serves its former version: the deployment may be under way.
    if (script.from === target) await holdReturned(context, worker, target);
    returned.push(script);
    now = await hub.command(state.id, "returned", { worker });
  }
  return { state: now, returned };
}

/** Longest wait for the hub to confirm that nothing is left to return, in milliseconds. */
const CONFIRM_MS = 15_000;
const POLL_MS = 500;

/**
 * Waits, for a while, until the archiver has confirmed that its canary gets no more work and
 * the rollout has ended; till then its order runs out by itself.
 * @returns the last state that was read
 */
export async function awaitConfirmed(
  { clock, signal, onEvent }: ReleaseContext,
  hub: RolloutClient,
  state: RolloutState,
): Promise<RolloutState> {
  const deadline = clock.now() + CONFIRM_MS;
  let now = state;
  while (now.id === state.id && now.status === "rolling-back" && now.toReturn.length === 0) {
    if (signal.aborted) return now;
    if (clock.now() >= deadline) {
      onEvent({
        type: "note",
        message:
          "The archiver has not confirmed yet that its canary gets no more work; the hub goes on asking, and its order runs out by itself.",
      });
      return now;
    }
    await clock.sleep(POLL_MS, signal);
    now = await hub.state();
  }
  return now;
}
