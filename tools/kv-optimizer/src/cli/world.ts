/** What the commands touch outside of themselves. */

export interface World {
  /** Absolute. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether standard output shows colours. */
  readonly colored: boolean;
  /** The report. */
  readonly print: (text: string) => void;
  /** A line for people, beside the report. */
  readonly tell: (line: string) => void;
  /** Resolves when the user ends the program. */
  readonly untilInterrupted: () => Promise<void>;
}

/** Colours on a terminal only, unless `FORCE_COLOR` says so; `NO_COLOR` wins. */
function showsColors(): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR !== undefined && NO_COLOR !== "") return false;
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== "") return FORCE_COLOR !== "0";
  return process.stdout.isTTY && TERM !== "dumb";
}

/** The process that this runs in. */
export function processWorld(): World {
  return {
    cwd: process.cwd(),
    env: process.env,
    colored: showsColors(),
    print: (text) => {
      process.stdout.write(text);
    },
    tell: (line) => {
      process.stderr.write(`${line}\n`);
    },
    untilInterrupted: async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      process.once("SIGINT", resolve);
      process.once("SIGTERM", resolve);
      await promise;
    },
  };
}
