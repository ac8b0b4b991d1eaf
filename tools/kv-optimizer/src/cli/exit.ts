/** How the program ends. */

export const EXIT = {
  ok: 0,
  /** Wrong arguments, or a scan that cannot run. */
  usage: 1,
  /** A check that found a regression, a stale baseline or a faulty comment. */
  regression: 2,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** An expected end with exit code 1: every fault as a sentence, and what to do now. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly faults: readonly string[];
  readonly hints: readonly string[];

  constructor(faults: readonly string[], hints: readonly string[] = []) {
    super(faults.join("\n"));
    this.faults = faults;
    this.hints = hints;
  }
}

/** The sentence of any thrown value, never a stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
