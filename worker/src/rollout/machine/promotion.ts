/** The scripts get the release, or their former versions again. */
import { NO_SHARES, ROLLOUT_WORKERS } from "../contract.ts";
import { scriptReturned } from "./back.ts";
import { changed, refused, unchanged, type CommandOf, type Outcome } from "./command.ts";
import { move, type OpenState } from "./transition.ts";

/** Workers with new code that have to be promoted before the named one, or at all. */
function missingBefore({ release, promoted }: OpenState, worker?: string): readonly string[] {
  const end = ROLLOUT_WORKERS.findIndex((name) => name === worker);
  const before = end === -1 ? ROLLOUT_WORKERS : ROLLOUT_WORKERS.slice(0, end);
  return before.filter((name) => release.workers[name].changed && !promoted.includes(name));
}

function comesFirst(state: OpenState, missing: readonly string[]): Outcome {
  return refused(state, {
    kind: "out-of-order",
    why: `first the ${missing.join(", then the ")} gets the release`,
  });
}

/** Said before the script gets the release. */
export function promoting(state: OpenState, { worker, by }: CommandOf<"promoting">, at: string): Outcome {
  if (state.status !== "promoting") return refused(state, { kind: "not-promoting", status: state.status });
  if (state.promoted.includes(worker)) return unchanged(state);
  const missing = missingBefore(state, worker);
  if (missing.length > 0) return comesFirst(state, missing);
  const reason = `the ${worker} gets the release`;
  return changed(move(state, { promoted: [...state.promoted, worker] }, { at, by, reason }));
}

/** Every script carries the release: the lane closes. */
export function complete(state: OpenState, { versions, by }: CommandOf<"complete">, at: string): Outcome {
  if (state.status !== "promoting") return refused(state, { kind: "not-promoting", status: state.status });
  const missing = missingBefore(state);
  if (missing.length > 0) return comesFirst(state, missing);
  const carried = ROLLOUT_WORKERS.map((worker) => `the ${worker} runs ${versions[worker]}`).join(", ");
  const patch = { status: "done", shares: NO_SHARES, closedAt: at, endedAt: at } as const;
  return changed(move(state, patch, { at, by, reason: `promoted: ${carried}` }));
}

export function returned(state: OpenState, { worker, by }: CommandOf<"returned">, at: string): Outcome {
  if (state.status !== "rolling-back") {
    return refused(state, { kind: "out-of-order", why: "nothing is being returned: `rollback` comes first" });
  }
  if (!state.toReturn.includes(worker)) return unchanged(state);
  return changed(scriptReturned(state, worker, { at, by }));
}
