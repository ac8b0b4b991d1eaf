/** Steering an open rollout from a terminal: each command names the phase it acts on, so a repeat does no harm. */
import type { RolloutState } from "../../../worker/src/rollout/contract.ts";
import type { ReleaseContext } from "../environment.ts";
import { CliError, EXIT } from "../exit.ts";
import { openHub } from "./hub.ts";
import { describeRollout, isOpen } from "./text.ts";

export const CONTROLS = ["promote", "hold", "resume", "approve"] as const;
export type Control = (typeof CONTROLS)[number];

export interface ControlOptions {
  /** Default: the phase that the rollout is in; for `approve`, the one after it. */
  readonly phase?: number;
  readonly reason?: string;
  /** `resume`: out of `frozen` too. */
  readonly force?: boolean;
  /** Called with what will be done, before it is done; throws to stop. */
  readonly confirm?: (what: string) => Promise<void>;
}

/**
 * Gives the command.
 * @throws {CliError} failed, when no rollout is open or it is not in a state for the command
 */
export async function control(
  context: ReleaseContext,
  command: Control,
  options: ControlOptions = {},
): Promise<RolloutState> {
  const hub = await openHub(context);
  const state = await hub.state();
  const { id } = state;
  if (id === null || !isOpen(state)) {
    throw new CliError(EXIT.failed, "No rollout is open", {
      hints: id === null ? [] : [describeRollout(state)],
      data: { rollout: state },
    });
  }
  const phase = options.phase ?? (command === "approve" ? state.phase + 1 : state.phase);
  await options.confirm?.(`${command} phase ${phase} of the ${describeRollout(state)}`);
  const reason = options.reason === undefined ? {} : { reason: options.reason };
  switch (command) {
    case "promote":
      return hub.command(id, command, { phase, ...reason });
    case "hold":
      return hub.command(id, command, { phase, ...reason });
    case "resume":
      return hub.command(id, command, { phase, ...(options.force === true ? { force: true } : {}) });
    case "approve":
      return hub.command(id, command, { phase });
  }
}
