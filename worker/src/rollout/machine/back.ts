/** How a rollout is taken back, frozen where that is not safe, and what must be returned. */
import { NO_SHARES, type RollbackSafety, type RolloutWorker } from "../contract.ts";
import { move, type Because, type Cause, type OpenState } from "./transition.ts";

/** Keeps its shares and waits for a human. */
export function freeze(state: OpenState, because: Because): OpenState {
  return move(state, { status: "frozen", pause: null }, because);
}

function whatStays(rollback: RollbackSafety): string {
  if (!rollback.safe) return `; forced although ${rollback.why}`;
  return rollback.newerSchema ? "; the schema stays newer" : "";
}

/**
 * To 0 % at once. Where the stable versions do not work on the schema it is frozen
 * instead, unless that is forced.
 */
export function takeBack(state: OpenState, because: Because, force = false): OpenState {
  const { rollback, promoted, shares } = state;
  if (!rollback.safe && !force) {
    return freeze(state, { ...because, reason: `${because.reason}; not taken back: ${rollback.why}` });
  }
  const confirmed = state.backgroundConfirmed && shares.background === NO_SHARES.background;
  const ended = confirmed && promoted.length === 0;
  return move(
    state,
    {
      status: ended ? "rolled-back" : "rolling-back",
      shares: NO_SHARES,
      pause: null,
      toReturn: promoted.toReversed(),
      closedAt: because.at,
      endedAt: ended ? because.at : null,
    },
    { ...because, reason: because.reason + whatStays(rollback) },
  );
}

/** One thing less to return. The state's reason stays the one for which it was taken back. */
function acknowledged(
  state: OpenState,
  patch: { toReturn?: readonly RolloutWorker[] },
  because: Because,
): OpenState {
  const { toReturn = state.toReturn } = patch;
  const ended = toReturn.length === 0 && state.backgroundConfirmed;
  const next = ended
    ? move(state, { toReturn, status: "rolled-back", endedAt: because.at }, because)
    : move(state, { toReturn }, because);
  return { ...next, reason: state.reason };
}

/** The script has its former version again. */
export function scriptReturned(state: OpenState, worker: RolloutWorker, cause: Cause): OpenState {
  const toReturn = state.toReturn.filter((other) => other !== worker);
  return acknowledged(
    state,
    { toReturn },
    { ...cause, reason: `the ${worker} has its former version again` },
  );
}

/** The archiver does as the shares say; while something else has to return that is no transition. */
export function backgroundConfirmed(state: OpenState, cause: Cause): OpenState {
  const confirmed = { ...state, backgroundConfirmed: true, updatedAt: cause.at };
  if (state.status !== "rolling-back" || state.toReturn.length > 0) return confirmed;
  return acknowledged(confirmed, {}, { ...cause, reason: "the archiver hands the canary no more work" });
}
