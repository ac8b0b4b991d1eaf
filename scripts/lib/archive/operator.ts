/** What every operation of the archive works with. */
import type { Clock } from "../clock.ts";
import { CliError, EXIT } from "../exit.ts";
import type { ArchiveClient } from "./client.ts";
import { MAX_BUSY_MS } from "./hub-call.ts";

export interface Operator {
  readonly archive: ArchiveClient;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Tells people. */
  readonly tell: (line: string) => void;
}

const BUSY_POLL_MS = 5_000;
const PROGRESS_MS = 1_000;

/** `tell`, but no more than once a second: for operations of many short pages. */
export function sparingly({ tell, clock }: Pick<Operator, "tell" | "clock">): (line: string) => void {
  let toldAt = clock.now();
  return (line) => {
    const now = clock.now();
    if (now - toldAt < PROGRESS_MS) return;
    toldAt = now;
    tell(line);
  };
}

/**
 * Repeats a run that did not start because another holds the archive.
 * @throws {CliError} when the other holds it for longer than any run may take
 */
export async function onceRan<T extends { readonly ran: boolean }>(
  { clock, signal, tell }: Operator,
  run: () => Promise<T>,
): Promise<T> {
  const deadline = clock.now() + MAX_BUSY_MS;
  for (;;) {
    const result = await run();
    if (result.ran) return result;
    if (clock.now() + BUSY_POLL_MS > deadline) {
      throw new CliError(EXIT.failed, "Another run holds the archive and does not end", {
        hints: ["A run ends by itself after a few minutes: look at the archiver's log, then try again."],
      });
    }
    tell(`another run works on the archive; waiting ${BUSY_POLL_MS / 1_000} s`);
    await clock.sleep(BUSY_POLL_MS, signal);
  }
}
