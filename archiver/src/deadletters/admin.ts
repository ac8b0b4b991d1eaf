/** What an operator does with dead letters: list, send back, delete. */
import type { DeadLetterChoice, DeadLetterOutcome, DeadLetterPage } from "../contract.ts";
import { errorFields, log } from "../log.ts";
import { queueBatches, sendRequests } from "../message/index.ts";
import {
  countLetters,
  deleteLetters,
  newestId,
  type Scope,
  selectLetters,
  selectPage,
  type StoredLetter,
} from "./store.ts";

/** Letters of one page at most. */
export const MAX_PAGE_LETTERS = 100;

/** Letters that one call sends back at most, in about 100 subrequests. */
export const REPLAY_LETTERS = 200;

/** Letters that are in memory at once: 20 of 128 KB are 3.4 MB of base64. */
const REPLAY_STEP = 20;

/** Letters that one call deletes at most. */
export const PURGE_LETTERS = 1_000;

/** A page of dead letters, oldest first. `limit` is brought into 1 to 100. */
export async function listDeadLetters(
  request: { readonly after?: number | undefined; readonly limit: number },
  { db }: { readonly db: D1Database },
): Promise<DeadLetterPage> {
  const limit = Math.min(Math.max(Math.trunc(request.limit), 1), MAX_PAGE_LETTERS);
  const { letters, total } = await selectPage(db, request.after ?? 0, limit + 1);
  const page = letters.slice(0, limit);
  return { letters: page, total, next: letters.length > limit ? (page.at(-1)?.id ?? null) : null };
}

export interface ReplayBindings {
  readonly db: D1Database;
  /** Where messages are ingested. */
  readonly queue: Pick<Queue<Uint8Array>, "sendBatch">;
}

/**
 * Sends letters back to the ingest queue as they first came, at most
 * `REPLAY_LETTERS` a call; call it again while some remain. A letter is deleted
 * after it was sent: what dies in between is sent twice and stored once. When
 * the queue refuses after some were sent, the others remain.
 * @throws when the queue takes none, or D1 fails
 */
export async function replayDeadLetters(
  choice: DeadLetterChoice,
  { db, queue }: ReplayBindings,
): Promise<DeadLetterOutcome> {
  const scope = await scopeOf(choice, db);
  let done = 0;
  try {
    while (done < REPLAY_LETTERS) {
      const letters = await selectLetters(db, scope, Math.min(REPLAY_STEP, REPLAY_LETTERS - done));
      if (letters.length === 0) break;
      for (const batch of queueBatches(letters.map(withBytes), ({ bytes }) => bytes.byteLength)) {
        await queue.sendBatch(sendRequests(batch.map(({ bytes }) => bytes)));
        await deleteLetters(db, { ids: batch.map(({ id }) => id) }, batch.length);
        done += batch.length;
      }
    }
  } catch (error) {
    log.warn("deadletters.replay_stopped", { done, ...errorFields(error) });
    if (done === 0) throw error;
  }
  log.info("deadletters.replayed", { letters: done });
  return { done, remaining: await countLetters(db, scope) };
}

function withBytes({ id, body }: StoredLetter): { readonly id: number; readonly bytes: Uint8Array } {
  return { id, bytes: Buffer.from(body, "base64") };
}

/** Deletes letters for good, at most `PURGE_LETTERS` a call; call it again while some remain. */
export async function purgeDeadLetters(
  choice: DeadLetterChoice,
  { db }: { readonly db: D1Database },
): Promise<DeadLetterOutcome> {
  const scope = await scopeOf(choice, db);
  const done = await deleteLetters(db, scope, PURGE_LETTERS);
  log.info("deadletters.purged", { letters: done });
  return { done, remaining: await countLetters(db, scope) };
}

/** "All" is every letter that there is now: one that comes back while a call works is left to the next. */
async function scopeOf(choice: DeadLetterChoice, db: D1Database): Promise<Scope> {
  return "all" in choice ? { upTo: await newestId(db) } : { ids: choice.ids };
}
