/** Waits for a queue of the local cloud: what was accepted has reached the archiver only when it is empty. */
import { z } from "zod";
import type { Clock } from "../lib/clock.ts";
import { CliError, EXIT } from "../lib/exit.ts";

const TIMEOUT_MS = 60_000;
const POLL_MS = 100;

const stateSchema = z.object({ queues: z.array(z.object({ name: z.string(), backlog: z.int() })) });

/** Messages that no consumer has acknowledged yet. */
async function backlog(apiUrl: string, queue: string): Promise<number> {
  const response = await fetch(new URL("/__local/state", apiUrl));
  const { queues } = stateSchema.parse(await response.json());
  const found = queues.find(({ name }) => name === queue);
  if (found === undefined) throw new CliError(EXIT.failed, `the local cloud has no queue ${queue}`);
  return found.backlog;
}

/**
 * Resolves when the queue is empty.
 * @throws {CliError} when messages are left after a minute
 */
export async function queueDrained(
  apiUrl: string,
  queue: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const deadline = clock.now() + TIMEOUT_MS;
  for (let waiting = await backlog(apiUrl, queue); waiting > 0; waiting = await backlog(apiUrl, queue)) {
    if (clock.now() > deadline) throw new CliError(EXIT.failed, `${waiting} messages are still queued`);
    await clock.sleep(POLL_MS, signal);
  }
}
