import { z } from "zod";
import type { QueueConsumer, QueueConsumerSettings, QueueRecord } from "../model.ts";
import { booleanColumn, jsonColumn } from "./columns.ts";
import type { Database } from "./database.ts";

export interface StoredQueue extends QueueRecord {
  /** Milliseconds UTC. */
  readonly createdAt: number;
  /** Milliseconds UTC. */
  readonly modifiedAt: number;
}

export interface StoredConsumer extends QueueConsumer {
  /** Milliseconds UTC. */
  readonly createdAt: number;
}

const queueRow = z
  .object({
    id: z.string(),
    name: z.string(),
    created_at: z.number(),
    modified_at: z.number(),
    delivery_delay_seconds: z.number(),
    delivery_paused: booleanColumn,
    retention_seconds: z.number(),
  })
  .transform((row): StoredQueue => ({
    id: row.id,
    name: row.name,
    createdAt: row.created_at,
    modifiedAt: row.modified_at,
    deliveryDelaySeconds: row.delivery_delay_seconds,
    deliveryPaused: row.delivery_paused,
    retentionSeconds: row.retention_seconds,
  }));

const settingsSchema: z.ZodType<QueueConsumerSettings> = z.object({
  batchSize: z.number(),
  maxWaitMs: z.number(),
  maxRetries: z.number(),
  retryDelaySeconds: z.number(),
  maxConcurrency: z.number().nullable(),
});

const consumerRow = z
  .object({
    id: z.string(),
    queue_id: z.string(),
    script_name: z.string(),
    dead_letter_queue: z.string().nullable(),
    settings: jsonColumn(settingsSchema),
    created_at: z.number(),
  })
  .transform((row): StoredConsumer => ({
    id: row.id,
    queueId: row.queue_id,
    scriptName: row.script_name,
    deadLetterQueue: row.dead_letter_queue,
    settings: row.settings,
    createdAt: row.created_at,
  }));

/** Queues and their consumers; a queue has one consumer at most. */
export class Queues {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  list(): StoredQueue[] {
    return this.#database.all(queueRow, "SELECT * FROM queues ORDER BY created_at, name");
  }

  get(id: string): StoredQueue | null {
    return this.#database.get(queueRow, "SELECT * FROM queues WHERE id = ?", id);
  }

  byName(name: string): StoredQueue | null {
    return this.#database.get(queueRow, "SELECT * FROM queues WHERE name = ?", name);
  }

  put(queue: StoredQueue): void {
    this.#database.run(
      `INSERT INTO queues
         (id, name, created_at, modified_at, delivery_delay_seconds, delivery_paused, retention_seconds)
       VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET name = excluded.name, modified_at = excluded.modified_at,
         delivery_delay_seconds = excluded.delivery_delay_seconds,
         delivery_paused = excluded.delivery_paused, retention_seconds = excluded.retention_seconds`,
      queue.id,
      queue.name,
      queue.createdAt,
      queue.modifiedAt,
      queue.deliveryDelaySeconds,
      queue.deliveryPaused ? 1 : 0,
      queue.retentionSeconds,
    );
  }

  /** Deletes the queue and its consumer. */
  delete(id: string): void {
    this.#database.run("DELETE FROM queues WHERE id = ?", id);
  }

  consumers(): StoredConsumer[] {
    return this.#database.all(consumerRow, "SELECT * FROM queue_consumers ORDER BY created_at, id");
  }

  consumerOf(queueId: string): StoredConsumer | null {
    return this.#database.get(consumerRow, "SELECT * FROM queue_consumers WHERE queue_id = ?", queueId);
  }

  putConsumer(consumer: StoredConsumer): void {
    this.#database.run(
      `INSERT INTO queue_consumers (id, queue_id, script_name, dead_letter_queue, settings, created_at)
       VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET script_name = excluded.script_name,
         dead_letter_queue = excluded.dead_letter_queue, settings = excluded.settings`,
      consumer.id,
      consumer.queueId,
      consumer.scriptName,
      consumer.deadLetterQueue,
      JSON.stringify(consumer.settings),
      consumer.createdAt,
    );
  }

  deleteConsumer(id: string): void {
    this.#database.run("DELETE FROM queue_consumers WHERE id = ?", id);
  }
}
