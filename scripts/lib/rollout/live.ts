/** A rollout followed on the screen, redrawn in place, or as one event for each change. */
import { stripVTControlCharacters } from "node:util";
import type { RolloutState } from "../../../worker/src/rollout/contract.ts";
import type { ReleaseContext } from "../environment.ts";
import { CliError, messageOf } from "../exit.ts";
import { openHub } from "./hub.ts";
import { rolloutLines } from "./lines.ts";
import { isOpen } from "./text.ts";

export interface WatchRolloutOptions {
  /** Between two reads, in milliseconds. */
  readonly intervalMs: number;
  /** Where it is drawn; `null`: nowhere. */
  readonly output: NodeJS.WriteStream | null;
  /** Hears the first state and every one that differs from the one before. */
  readonly onChange: ((state: RolloutState) => void) | null;
}

/** Rows that lines take on a terminal of that width. */
function rowsOf(lines: readonly string[], columns: number): number {
  return lines.reduce(
    (rows, line) => rows + Math.max(1, Math.ceil(stripVTControlCharacters(line).length / columns)),
    0,
  );
}

/** Draws a block over the one before; where nothing can be redrawn, one for each change. */
class Screen {
  readonly #output: NodeJS.WriteStream;
  #rows = 0;
  #last = "";

  constructor(output: NodeJS.WriteStream) {
    this.#output = output;
  }

  /** @param change what is worth another block where nothing is redrawn */
  draw(lines: readonly string[], change: string): void {
    if (!this.#output.isTTY) {
      if (change !== this.#last) this.#output.write(`${lines.join("\n")}\n`);
      this.#last = change;
      return;
    }
    const up = this.#rows === 0 ? "" : `\u001B[${this.#rows}A\u001B[0J`;
    this.#output.write(`${up}${lines.join("\n")}\n`);
    this.#rows = rowsOf(lines, this.#output.columns || 80);
  }
}

/** What tells two states apart for an observer: transitions, verdicts and figures. */
function fingerprint({ revision, judgement, streak, toReturn }: RolloutState): string {
  return JSON.stringify([revision, judgement, streak, toReturn]);
}

/** What a log has to say: transitions and other verdicts, not every figure. */
function headlineOf({ revision, judgement, toReturn }: RolloutState): string {
  return JSON.stringify([revision, judgement?.verdict, toReturn]);
}

/**
 * Follows the rollout until it has ended, or at once when none is open. A hub that does not
 * answer for a moment is told and asked again: that is when the watch matters most.
 */
export async function watchRollout(
  context: ReleaseContext,
  { intervalMs, output, onChange }: WatchRolloutOptions,
): Promise<RolloutState> {
  const { clock, signal } = context;
  const hub = await openHub(context);
  const screen = output === null ? null : new Screen(output);
  let state = await hub.state();
  let told: string | null = null;
  for (;;) {
    const print = fingerprint(state);
    if (print !== told) onChange?.(state);
    told = print;
    screen?.draw(rolloutLines(state, clock.now()), headlineOf(state));
    if (!isOpen(state)) return state;
    await clock.sleep(intervalMs, signal);
    try {
      state = await hub.state();
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      signal.throwIfAborted();
      const silence = `  the hub does not answer: ${messageOf(error)}`;
      screen?.draw([...rolloutLines(state, clock.now()), silence], `${headlineOf(state)} ${silence}`);
    }
  }
}
