/** Follows a rollout that the hub drives, until a phase is over or it stands still. */
import type { RolloutState } from "../../../worker/src/rollout/contract.ts";
import type { ReleaseContext } from "../environment.ts";
import { CliError, EXIT } from "../exit.ts";
import type { RolloutClient } from "../rollout/client.ts";
import { describeRollout, phaseText } from "../rollout/text.ts";

/** While a phase is watched, its figures are told at least this often, in milliseconds. */
const EVENT_MS = 1_000;

export const DEFAULT_POLL_MS = 500;

/** The error for a rollout that the hub has taken back, or is taking back. */
function takenBack(rollout: RolloutState): CliError {
  return new CliError(
    EXIT.rolledBack,
    `The release ${rollout.release?.tag ?? ""} was taken back ${rollout.phase === 0 ? "before phase 1" : `in phase ${rollout.phase}`}: ${rollout.reason ?? "no reason given"}`,
    {
      hints: [
        rollout.phase === 0 ? "No user was answered by it." : "All traffic is on the stable version again.",
      ],
      data: { rollout },
    },
  );
}

function frozen(rollout: RolloutState): CliError {
  return new CliError(
    EXIT.frozen,
    `The rollout is frozen in phase ${rollout.phase}: ${rollout.reason ?? "no reason given"}`,
    {
      hints: [
        rollout.phase === 0
          ? "It has no share of the traffic, and gets no more copies until someone decides."
          : "It keeps its share of the traffic until someone decides.",
        "Take it back all the same: npm run rollback -- --force",
        "Go on all the same: npm run release:resume -- --force",
      ],
      data: { rollout },
    },
  );
}

function held(rollout: RolloutState): CliError {
  const { pause, phase, plan } = rollout;
  const next = Math.min(phase + 1, plan?.phases.length ?? phase + 1);
  const ways: Readonly<Record<string, readonly string[]>> = {
    approval: [`Approve phase ${next}: npm run release:approve -- --phase ${next}`],
    operator: ["Let it go on: npm run release:resume"],
    inconclusive: [
      "It goes on by itself when the sample is there.",
      "Go on without it: npm run release:promote",
    ],
    error: ["It goes on by itself when it can be measured again.", "Go on without: npm run release:promote"],
    webhook: ["Ask it again: npm run release:resume", "Go on without it: npm run release:promote"],
  };
  return new CliError(EXIT.held, `The rollout waits in phase ${phase}: ${pause?.missing ?? "it is held"}`, {
    hints: [
      describeRollout(rollout),
      "It stays open, and the hub goes on judging it.",
      ...(ways[pause?.why ?? "operator"] ?? []),
      "Then run the same release again: it goes on from there.",
      "Take it back: npm run rollback",
    ],
    data: { rollout },
  });
}

/** The error for a rollout that is not the hub's any more. */
export function replaced(rollout: RolloutState): CliError {
  return new CliError(EXIT.failed, "Another rollout has taken its place", {
    hints: [describeRollout(rollout)],
    data: { rollout },
  });
}

/** The error for a rollout that does not go on any more; `null` while it may. */
export function stopped(rollout: RolloutState): CliError | null {
  switch (rollout.status) {
    case "rolling-back":
    case "rolled-back":
      return takenBack(rollout);
    case "frozen":
      return frozen(rollout);
    default:
      return null;
  }
}

/** What a watched phase came to; `null` while it lasts. @throws {CliError} when it went no further */
function outcome(state: RolloutState, id: string, phase: number, wait: boolean): string | null {
  if (state.id !== id) throw replaced(state);
  const end = stopped(state);
  if (end !== null) throw end;
  switch (state.status) {
    case "done":
    case "promoting":
      return passed(state);
    case "paused":
      // It has passed this phase when it waits for the next one, or where it was told to stop.
      if (state.phase > phase || state.pause?.why === "reached") return passed(state);
      if (wait) return null;
      throw held(state);
    default:
      return state.phase > phase ? passed(state) : null;
  }
}

function passed({ judgement, transitions }: RolloutState): string {
  return judgement?.reason ?? transitions.at(-1)?.reason ?? "";
}

export interface WatchOptions {
  readonly id: string;
  readonly phase: number;
  /** Waits through holds and approvals. */
  readonly wait: boolean;
  readonly pollMs: number;
  /** Hears every state that is read. */
  readonly onState: (state: RolloutState) => void;
}

/**
 * Resolves with a sentence when the phase is passed.
 * @throws {CliError} rolledBack, frozen, or held
 */
export async function watchPhase(
  { clock, signal, onEvent }: ReleaseContext,
  hub: RolloutClient,
  { id, phase, wait, pollMs, onState }: WatchOptions,
): Promise<string> {
  let toldAt = -Infinity;
  let toldRevision = -1;
  for (;;) {
    const state = await hub.state();
    onState(state);
    const now = clock.now();
    if (state.revision !== toldRevision || now - toldAt >= EVENT_MS) {
      const began = Date.parse(state.phaseStartedAt ?? state.startedAt ?? "");
      onEvent({ type: "rollout", state, elapsedMs: Number.isNaN(began) ? 0 : Math.max(0, now - began) });
      toldAt = now;
      toldRevision = state.revision;
    }
    const reached = outcome(state, id, phase, wait);
    if (reached !== null) return reached;
    await clock.sleep(pollMs, signal);
  }
}

/** The line that a progress display shows for a state. @param now milliseconds UTC */
export function progressText(state: RolloutState, now: number): string {
  const text = phaseText(state, now);
  return text === "" ? state.status : text;
}
