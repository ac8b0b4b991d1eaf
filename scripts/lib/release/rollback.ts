/** Taking a release back: an open rollout to 0 % at once, a promoted one to the last good versions. */
import type { RolloutState } from "../../../worker/src/rollout/contract.ts";
import type { ReleaseContext } from "../environment.ts";
import { CliError, EXIT } from "../exit.ts";
import type { RolloutClient } from "../rollout/client.ts";
import { openHub } from "../rollout/hub.ts";
import { describeRollout, isOpen } from "../rollout/text.ts";
import type { ReturnedScript, RollbackOptions, RollbackReport } from "./events.ts";
import { nothingToReturnTo, returnToVersions, servingAgain, type KnownRollout } from "./former.ts";
import { awaitConfirmed, refuseImpossibleReturn, returnPromoted } from "./return.ts";
import { rollbackStep } from "./rollback-step.ts";

const DEFAULT_REASON = "taken back by an operator";

/** A hub that cannot say where its rollout stands must not keep its bad version for that. */
async function readRollout(context: ReleaseContext): Promise<KnownRollout & { readonly hub: RolloutClient }> {
  const hub = await openHub(context);
  try {
    return { hub, state: await hub.state(), fault: null };
  } catch (error) {
    if (!(error instanceof CliError) || error.exitCode === EXIT.credentials) throw error;
    return { hub, state: null, fault: error };
  }
}

function notTakenBack(rollout: RolloutState): CliError {
  return new CliError(EXIT.frozen, `It is not taken back: ${rollout.reason ?? "that would not be safe"}`, {
    hints: [
      "The rollout is frozen: it keeps its share of the traffic until someone decides.",
      "Take it back all the same: npm run rollback -- --force",
    ],
    data: { rollout },
  });
}

async function closeLane(
  context: ReleaseContext,
  hub: RolloutClient,
  state: RolloutState,
  options: RollbackOptions,
): Promise<RollbackReport> {
  const { phase, force = false } = options;
  if (phase !== undefined && phase !== state.phase) {
    throw new CliError(EXIT.failed, `The rollout is in phase ${state.phase}, not in phase ${phase}`, {
      hints: [describeRollout(state), "Leave --phase out to take it back whatever its phase is."],
      data: { rollout: state },
    });
  }
  for (const worker of state.promoted) {
    const version = state.release?.workers[worker].stableVersion;
    if (version !== undefined) await refuseImpossibleReturn(context, worker, version);
  }
  await options.confirm?.(`close the ${describeRollout(state)}`);
  const id = state.id ?? "";
  const closed = await rollbackStep(
    context,
    "close-lane",
    "Send all traffic to the stable versions",
    async () => {
      const after = await hub.command(id, "rollback", {
        reason: options.reason ?? DEFAULT_REASON,
        ...(phase === undefined ? {} : { phase }),
        ...(force ? { force } : {}),
      });
      if (after.status === "frozen") throw notTakenBack(after);
      return after;
    },
  );
  let returned: readonly ReturnedScript[] = [];
  let last = closed;
  if (closed.toReturn.length > 0) {
    ({ state: last, returned } = await rollbackStep(
      context,
      "return-scripts",
      `Return ${closed.toReturn.map((worker) => context.topology.workers[worker].name).join(" and ")} to the former version`,
      () => returnPromoted(context, hub, closed),
    ));
  }
  await awaitConfirmed(context, hub, last);
  const { environment } = context;
  return { environment, target: options.target ?? "all", kind: "lane", returned, rolloutId: closed.id };
}

/** How long a rollback that names nothing is taken for one of the rollout that has just ended, in milliseconds. */
const JUST_NOW_MS = 15 * 60_000;

/**
 * The judge may have been faster than the operator: what was meant is back already, and the
 * release before it is not to go with it.
 */
async function refuseOneTooMany(
  context: ReleaseContext,
  { status, phase, endedAt, release, reason }: RolloutState,
): Promise<void> {
  // One that was closed at 0 % has met no client: what hurts now is the release before it.
  if (status !== "rolled-back" || phase === 0 || endedAt === null || release === null) return;
  const ago = context.clock.now() - Date.parse(endedAt);
  if (ago > JUST_NOW_MS) return;
  // A deployment that arrived after the return has brought it back: that is what is to be returned.
  if ((await servingAgain(context, release)).length > 0) return;
  throw new CliError(
    EXIT.failed,
    `The release ${release.tag} was taken back already, at ${endedAt}: ${reason ?? "no reason given"}`,
    {
      hints: [
        "Nothing was moved: all traffic is on the stable versions.",
        "To take back the release before it, too, name it: npm run rollback -- all",
      ],
    },
  );
}

/** The hub did not answer until it had its former version back: now it says whether a rollout is open. */
async function withoutAnswer(
  context: ReleaseContext,
  rollout: KnownRollout & { readonly hub: RolloutClient; readonly fault: CliError },
  options: RollbackOptions,
): Promise<RollbackReport> {
  const { hub, fault } = rollout;
  const { target = "all", phase, openOnly = false, confirm: _asked, ...rest } = options;
  if (openOnly || phase !== undefined || target === "canary") throw fault;
  context.onEvent({
    type: "note",
    message: `The hub does not say whether a rollout is open (${fault.message}); what was promoted is rolled back all the same.`,
  });
  const report = await returnToVersions(context, target, rollout, options);
  const state = await hub.state().catch(() => null);
  if (state === null || !isOpen(state)) return report;
  const { returned, rolloutId } = await closeLane(context, hub, state, rest);
  const others = returned.filter(({ from, to }) => from !== to);
  return { ...report, returned: [...report.returned, ...others], rolloutId };
}

/**
 * Takes a release back.
 *
 * @throws {CliError} failed, when there is nothing to roll back to, the newest release was
 *   taken back just now and none is named, the rollout is in another phase than asked for, or the return is impossible (nothing was moved then);
 *   frozen, when it would not be safe; rollbackFailed, when a step failed; credentials
 *   or cancelled otherwise
 */
export async function rollback(
  context: ReleaseContext,
  options: RollbackOptions = {},
): Promise<RollbackReport> {
  const target = options.target ?? "all";
  const hubDeployed = (await context.api.deployments(context.topology.workers.hub.name)).length > 0;
  if (!hubDeployed) {
    if (target === "hub") throw nothingToReturnTo(context.topology.workers.hub.name, null);
    return returnToVersions(context, target, { hub: null, state: null, fault: null }, options);
  }
  const rollout = await readRollout(context);
  const { hub, state, fault } = rollout;
  if (fault !== null) return withoutAnswer(context, { ...rollout, fault }, options);
  const open = state !== null && isOpen(state) ? state : null;
  if (open === null && options.openOnly === true) {
    throw new CliError(EXIT.failed, "No rollout is open", {
      hints: ["Take a promoted release back: npm run rollback"],
    });
  }
  if (open !== null && target !== "canary") return closeLane(context, hub, open, options);
  if (open !== null) {
    throw new CliError(EXIT.failed, `The canary is in a rollout: ${describeRollout(open)}`, {
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
  if (options.target === undefined && state !== null) await refuseOneTooMany(context, state);
  return returnToVersions(context, target, rollout, options);
}
