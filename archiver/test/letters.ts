/** The dead-letter queue of a `TestArchiver`, and what is stored of its messages. */
import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { replayDeadLetters, storeDeadLetters } from "../src/deadletters/index.ts";
import type { DeadLetterChoice, DeadLetterOutcome } from "../src/contract.ts";
import { decodeRecord, recordBytes, registry, scanRecords } from "../src/tables/index.ts";
import type { Delivered, TestArchiver, TestMessage } from "./archiver.ts";

/** Gives letters to the dead-letter queue's consumer; those that wait, unless others are named. */
export async function deliverLetters(
  archiver: TestArchiver,
  letters: readonly TestMessage[] = archiver.dead.splice(0),
): Promise<Delivered> {
  const batch = createMessageBatch(
    "strata-ingest-dlq-local",
    letters.map((letter) => ({ ...letter, timestamp: archiver.now })),
  );
  const context = createExecutionContext();
  await storeDeadLetters(batch, archiver.bindings);
  const result = await getQueueResult(batch, context);
  return { acked: result.explicitAcks, retried: result.retryMessages.map(({ msgId }) => msgId) };
}

let replays = 0;

/** Sends letters back into the archiver's ingest queue. */
export function replay(archiver: TestArchiver, choice: DeadLetterChoice): Promise<DeadLetterOutcome> {
  const sendBatch: Queue<Uint8Array>["sendBatch"] = async (messages) => {
    for (const { body } of messages) {
      replays += 1;
      archiver.waiting.push({ id: `replay-${replays}`, body, attempts: 1 });
    }
    return { metadata: { metrics: { backlogCount: 0, backlogBytes: 0 } } };
  };
  return replayDeadLetters(choice, { db: archiver.db, queue: { sendBatch } });
}

interface StoredRow {
  readonly dataset: string;
  readonly table: string;
  readonly fingerprint: string;
  readonly records: number;
  readonly data: string;
}

/** Every record of `buffer_logs` with its dataset, in the order that they were stored in. */
export async function storedRecords(): Promise<
  readonly { readonly dataset: string; readonly record: Readonly<Record<string, unknown>> }[]
> {
  const { results } = await env.DB.prepare(
    `SELECT dataset_id AS dataset, table_name AS "table", schema_fingerprint AS fingerprint,
            record_count AS records, data FROM buffer_logs ORDER BY id`,
  ).all<StoredRow>();
  return results.flatMap(({ dataset, table, fingerprint, records, data }) => {
    const schema = registry.find(table, fingerprint);
    if (schema === undefined) throw new Error(`no schema ${fingerprint}`);
    const run = scanRecords(schema, Buffer.from(data, "base64"), records);
    return run.times.map((_, index) => ({ dataset, record: decodeRecord(schema, recordBytes(run, index)) }));
  });
}

/** Puts an erasure's tombstone, as the erasure's own batch does. */
export async function tombstone(datasetId: string, requestedAt: number): Promise<void> {
  await env.DB.prepare(
    `INSERT INTO erasures (id, dataset_id, requested_at, last_row, completed_at, hot_rows, hot_records, cold_blocks,
                           cold_records, dead_letters, files_rewritten, files_deleted, bytes_before, bytes_after)
     VALUES (?1, ?2, ?3, 0, ?3, 0, 0, 0, 0, 0, 0, 0, 0, 0)`,
  )
    .bind(crypto.randomUUID(), datasetId, requestedAt)
    .run();
}

/** D1 that fails statements whose SQL matches, as D1 says it. */
export function failingDatabase(matches: RegExp): D1Database {
  return new Proxy(env.DB, {
    get(target, name) {
      if (name !== "prepare") return Reflect.get(target, name).bind(target);
      return (sql: string) => {
        if (matches.test(sql)) throw new Error("D1_ERROR: Network connection lost.");
        return target.prepare(sql);
      };
    },
  });
}

/** A queue that refuses the sends whose number, from 0, it is told, and hands the others on. */
export function refusingSends(
  refused: ReadonlySet<number>,
  taken: (bodies: readonly Uint8Array[]) => void = () => {},
): Queue<Uint8Array>["sendBatch"] {
  let sends = 0;
  return async (messages) => {
    sends += 1;
    if (refused.has(sends - 1)) throw new Error("Queue sendBatch failed: Too Many Requests");
    taken([...messages].map(({ body }) => body));
    return { metadata: { metrics: { backlogCount: 0, backlogBytes: 0 } } };
  };
}
