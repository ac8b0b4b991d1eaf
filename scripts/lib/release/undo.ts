/**
 * Takes back what a failed or cancelled release left half done, and says in
 * what state things are. A rollout that has traffic is not touched: the hub
 * judges it, and the same release can be gone on with.
 */
import type { WorkerKey } from "../../../infra/topology.ts";
import type { RolloutState } from "../../../worker/src/rollout/contract.ts";
import type { ReleaseContext } from "../environment.ts";
import { CliError, EXIT, messageOf } from "../exit.ts";
import { RolloutConflict, type RolloutClient } from "../rollout/client.ts";
import { describeRollout, isOpen } from "../rollout/text.ts";
import { awaitConfirmed, returnPromoted, returnScript } from "./return.ts";
import { SmokeError } from "./smoke.ts";
import type { ReleaseRun } from "./steps.ts";

function withHints(error: CliError, hints: readonly string[]): CliError {
  return new CliError(error.exitCode, error.message, {
    hints: [...error.hints, ...hints],
    data: error.data,
    cause: error.cause,
  });
}

function rollbackFailed(what: string, why: CliError, error: unknown): CliError {
  return new CliError(EXIT.rollbackFailed, `${why.message}; and ${what} failed: ${messageOf(error)}`, {
    hints: [
      ...why.hints,
      ...(error instanceof CliError ? error.hints : []),
      "Take it back by hand: npm run rollback, and npm run status to see what serves.",
    ],
    data: why.data,
    cause: error,
  });
}

/** Longest reason that is sent to the hub, in characters. */
const MAX_REASON = 400;

/** Takes the rollout to 0 %. The hub that was promoted may be what does not answer: then its former version does it. */
async function closeLane(
  context: ReleaseContext,
  { rollout, deployed }: ReleaseRun,
  hub: RolloutClient,
  reason: string,
): Promise<RolloutState> {
  if (rollout === null || rollout.id === null) throw new Error("no rollout is open");
  const { id, release, rollback } = rollout;
  try {
    return await hub.command(id, "rollback", { reason });
  } catch (error) {
    const former = release?.workers.hub.stableVersion;
    const conflict = error instanceof RolloutConflict;
    if (conflict || !deployed.has("hub") || former === undefined || !rollback.safe) throw error;
    await returnScript(context, "hub", former);
    return hub.command(id, "rollback", { reason });
  }
}

/** Closes the rollout and returns every script that it has promoted. */
async function takeBack(context: ReleaseContext, run: ReleaseRun, why: CliError): Promise<CliError> {
  const { hub, rollout } = run;
  if (hub === null || rollout === null || rollout.id === null) return why;
  try {
    const closed =
      rollout.status === "rolling-back" || rollout.status === "rolled-back"
        ? rollout
        : await closeLane(context, run, hub, why.message.slice(0, MAX_REASON));
    run.rollout = closed;
    if (closed.status === "frozen") {
      return new CliError(EXIT.frozen, `${why.message}; it is not taken back: ${closed.reason ?? ""}`, {
        hints: [...why.hints, "Take it back all the same: npm run rollback -- --force"],
        data: { rollout: closed },
      });
    }
    const { state, returned } = await returnPromoted(context, hub, closed);
    run.rollout = await awaitConfirmed(context, hub, state);
    return withHints(
      why,
      returned.map(({ worker, to }) => `${context.topology.workers[worker].name} serves ${to} again.`),
    );
  } catch (failure) {
    return rollbackFailed("taking the rollout back", why, failure);
  }
}

/** What this run deployed returns, the last one first. */
async function returnDeployed(
  context: ReleaseContext,
  run: ReleaseRun,
  why: CliError,
  workers: readonly WorkerKey[],
): Promise<CliError> {
  const hints: string[] = [];
  let returned = false;
  try {
    for (const worker of workers.toReversed()) {
      const former = run.scripts[worker].current;
      const { name } = context.topology.workers[worker];
      if (former === null) {
        hints.push(`${name} has no version to return to. Mend it and release again.`);
        continue;
      }
      await returnScript(context, worker, former);
      returned = true;
      hints.push(`${name} serves ${former} again.`);
    }
  } catch (failure) {
    return rollbackFailed("returning to the former version", why, failure);
  }
  const exitCode = returned || why.exitCode !== EXIT.rolledBack ? why.exitCode : EXIT.failed;
  return new CliError(exitCode, why.message, {
    hints: [...why.hints, ...hints],
    data: why.data,
    cause: why.cause,
  });
}

const CANARIES: ReadonlySet<WorkerKey> = new Set(["hub-canary", "archiver-canary"]);

/** @returns the error to end with */
export async function undo(context: ReleaseContext, run: ReleaseRun, error: unknown): Promise<unknown> {
  if (!(error instanceof CliError)) return error;
  const { rollout } = run;
  const bad = error instanceof SmokeError || error.exitCode === EXIT.rolledBack;

  if (rollout === null || !isOpen(rollout)) {
    const deployed = [...run.deployed];
    if (!bad) return error;
    // The canaries of a rollout that was taken back get no traffic; a stable script that got
    // the release after someone else had returned it does.
    const left =
      rollout?.status === "rolled-back" ? deployed.filter((worker) => !CANARIES.has(worker)) : deployed;
    return left.length > 0 ? returnDeployed(context, run, error, left) : error;
  }
  // Once it has begun, the hub judges it by itself, if only by copies: whoever watched may go.
  if (rollout.status === "preparing" && (rollout.phaseStartedAt === null || bad)) {
    const closed = await takeBack(context, run, error);
    return closed.exitCode === EXIT.rollbackFailed || closed.exitCode === EXIT.frozen
      ? closed
      : withHints(closed, ["The rollout was closed at 0 %: no client met the release."]);
  }
  if (bad && (rollout.status === "promoting" || rollout.status === "rolling-back")) {
    return takeBack(context, run, error);
  }
  const touched = [...run.deployed].some((worker) => !CANARIES.has(worker));
  if ("rollout" in error.data || error.exitCode === EXIT.held) return error;
  return withHints(error, [
    describeRollout(rollout),
    "It stays open, and the hub goes on judging it.",
    ...(touched ? ["Some stable scripts have the release already; npm run status shows which."] : []),
    "Go on: run the same release again. Take it back: npm run rollback",
  ]);
}
