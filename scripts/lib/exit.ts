/** How the scripts end: one exit code per kind of end, and the error that carries it. */

/** Exit codes of every script; documented in the README. */
export const EXIT = {
  ok: 0,
  failed: 1,
  /** Wrong arguments, or `--yes` missing without a terminal. */
  usage: 2,
  cancelled: 3,
  credentials: 4,
  /** A gate or a check failed, and what was released is taken back. */
  rolledBack: 5,
  rollbackFailed: 6,
  /** The rollout stays open and waits: held, inconclusive, or for an approval. */
  held: 7,
  /** The rollout is bad and cannot be taken back safely: a human has to decide. */
  frozen: 8,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export interface CliErrorOptions {
  /** What the user can do now, one line each. */
  readonly hints?: readonly string[];
  /** Figures that `--json` adds to the error document. */
  readonly data?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** An expected end of a script: a sentence on what happened, how to go on, and the exit code. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: ExitCode;
  readonly hints: readonly string[];
  readonly data: Readonly<Record<string, unknown>>;

  constructor(exitCode: ExitCode, message: string, options: CliErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.exitCode = exitCode;
    this.hints = options.hints ?? [];
    this.data = options.data ?? {};
  }
}

/** The sentence of any thrown value, never a stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
