/** Waits for the local cloud's queues: what was accepted has reached the archiver only when they are empty. */
import { z } from "zod";
import type { Clock } from "../lib/clock.ts";
import { CliError, EXIT } from "../lib/exit.ts";

const TIMEOUT_MS = 60_000;
const POLL_MS = 100;

const stateSchema = z.object({ queues: z.array(z.object({ backlog: z.int() })) });

/** Messages that no consumer has acknowledged yet. */
async function backlog(apiUrl: string): Promise<number> {
  const response = await fetch(new URL("/__local/state", apiUrl));
  const { queues } = stateSchema.parse(await response.json());
  return queues.reduce((total, queue) => total + queue.backlog, 0);
}

/**
 * Resolves when every queue is empty.
 * @throws {CliError} when messages are left after a minute; a dead-lettered one counts
 */
export async function queueDrained(apiUrl: string, clock: Clock, signal: AbortSignal): Promise<void> {
  const deadline = clock.now() + TIMEOUT_MS;
  for (let waiting = await backlog(apiUrl); waiting > 0; waiting = await backlog(apiUrl)) {
    if (clock.now() > deadline) throw new CliError(EXIT.failed, `${waiting} messages are still queued`);
    await clock.sleep(POLL_MS, signal);
  }
}
