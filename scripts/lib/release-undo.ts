/**
 * Takes back what a failed or cancelled release left half done, and says in
 * what state things are. A rollout that has traffic is not touched: the hub
 * judges it, and the same release can be gone on with.
 */
import type { WorkerKey } from "../../infra/topology.ts";
import type { ReleaseContext } from "./environment.ts";
import { CliError, EXIT, messageOf } from "./exit.ts";
import { describeRollout } from "./hub.ts";
import { predecessorOf, rollbackMessage } from "./lineage.ts";
import type { ReleaseRun } from "./release-run.ts";
import { SmokeError } from "./smoke.ts";

/** Gives a script its former version back. */
async function returnScript(
  context: ReleaseContext,
  run: ReleaseRun,
  worker: WorkerKey,
): Promise<string | null> {
  const state = run.scripts[worker];
  if (state?.current === null || state?.current === undefined) return null;
  const message = rollbackMessage(state.current, predecessorOf(state.current, state.deployments));
  await context.wrangler.deployVersion(context.configs[worker], state.current, message);
  return state.current;
}

function withHints(error: CliError, hints: readonly string[]): CliError {
  return new CliError(error.exitCode, error.message, {
    hints: [...error.hints, ...hints],
    data: error.data,
    cause: error.cause,
  });
}

function rollbackFailed(what: string, why: CliError, error: unknown): CliError {
  return new CliError(EXIT.rollbackFailed, `${why.message}; and ${what} failed: ${messageOf(error)}`, {
    hints: [...why.hints, "Take it back by hand: npm run rollback, and npm run status to see what serves."],
    data: why.data,
    cause: error,
  });
}

/** The Worker that must go back to its former version after this error, if one must. */
function mustReturn(run: ReleaseRun, error: CliError): WorkerKey | null {
  // The hub judges on its own clock: it can take a release back after its script got the new version.
  const bad = error instanceof SmokeError || error.exitCode === EXIT.rolledBack;
  if (!bad) return null;
  const served = (["hub", "archiver"] as const).find((worker) => run.deployed.has(worker));
  // In a rollout the canary has no traffic after it is closed, and the next release replaces its code.
  const alone =
    error instanceof SmokeError && run.rollout?.status !== "active" && run.deployed.has("hub-canary");
  return served ?? (alone ? "hub-canary" : null);
}

/** Longest reason that is sent to the hub, in characters. */
const MAX_REASON = 200;

async function closeRollout(run: ReleaseRun, reason: string): Promise<void> {
  if (run.hub === null || run.rollout?.status !== "active" || run.rollout.id === null) return;
  run.rollout = await run.hub.rollback(run.rollout.id, reason.slice(0, MAX_REASON));
}

/** @returns the error to end with */
export async function undo(context: ReleaseContext, run: ReleaseRun, error: unknown): Promise<unknown> {
  if (!(error instanceof CliError)) return error;

  const worker = mustReturn(run, error);
  if (worker !== null) {
    try {
      // First the traffic, then the lane: while it is open, clients are answered by the canary.
      const former = await returnScript(context, run, worker);
      if (former === null) {
        return new CliError(EXIT.failed, error.message, {
          hints: [
            ...error.hints,
            "It is the first release: there is no version to return to. Mend it and release again.",
          ],
          data: error.data,
        });
      }
      await closeRollout(run, error.message);
      return withHints(error, [`${context.topology.workers[worker].name} serves ${former} again.`]);
    } catch (failure) {
      return rollbackFailed("returning to the former version", error, failure);
    }
  }

  if (run.rollout?.status !== "active") return error;
  if (run.rollout.phase > 0) {
    return "rollout" in error.data
      ? error
      : withHints(error, [
          describeRollout(run.rollout),
          "It stays open, and the hub goes on judging it.",
          "Go on: run the same release again. Take it back: npm run rollback",
        ]);
  }
  try {
    await closeRollout(run, error.message);
    return withHints(error, ["The rollout was closed at 0 %: no client met the release."]);
  } catch (failure) {
    return rollbackFailed("closing the rollout", error, failure);
  }
}
