/** The messages of all queues, on disk: what `add` returned from survives the process. */
import { randomBytes } from "node:crypto";
import { DatabaseSync, type StatementSync } from "node:sqlite";

export const CONTENT_TYPES = ["json", "text", "bytes", "v8"] as const;
export type ContentType = (typeof CONTENT_TYPES)[number];

export interface NewMessage {
  readonly contentType: ContentType;
  readonly body: Uint8Array;
  /** Not delivered before that (ms UTC). */
  readonly visibleAt: number;
}

export interface StoredMessage {
  /** 32 hex digits. */
  readonly id: string;
  readonly contentType: ContentType;
  readonly body: Uint8Array;
  /** When it was sent (ms UTC). */
  readonly sentAt: number;
  /** Deliveries so far, the current one included. */
  readonly attempts: number;
}

export interface QueueTally {
  /** Messages not yet acknowledged, in flight included. */
  readonly backlog: number;
  readonly backlogBytes: number;
  readonly inFlight: number;
  /** Since when the oldest is in the queue (ms UTC); 0 when there is none. */
  readonly oldest: number;
  readonly delivered: number;
  readonly deadLettered: number;
}

/** The counts are kept by triggers: to count a long backlog for each message sent would take too long. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS messages (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    queue_id TEXT NOT NULL,
    content_type TEXT NOT NULL,
    sent_at INTEGER NOT NULL,
    queued_at INTEGER NOT NULL,
    visible_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    leased INTEGER NOT NULL DEFAULT 0,
    body BLOB NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS messages_ready ON messages (queue_id, leased, visible_at, sequence);
  CREATE INDEX IF NOT EXISTS messages_age ON messages (queue_id, queued_at);

  CREATE TABLE IF NOT EXISTS tallies (
    queue_id TEXT PRIMARY KEY,
    backlog INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    in_flight INTEGER NOT NULL DEFAULT 0,
    delivered INTEGER NOT NULL DEFAULT 0,
    dead_lettered INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TRIGGER IF NOT EXISTS message_added AFTER INSERT ON messages BEGIN
    INSERT INTO tallies (queue_id, backlog, bytes) VALUES (NEW.queue_id, 1, length(NEW.body))
    ON CONFLICT (queue_id) DO UPDATE SET backlog = backlog + 1, bytes = bytes + excluded.bytes;
  END;
  CREATE TRIGGER IF NOT EXISTS message_leased AFTER UPDATE OF leased ON messages BEGIN
    UPDATE tallies SET in_flight = in_flight + NEW.leased - OLD.leased WHERE queue_id = NEW.queue_id;
  END;
  CREATE TRIGGER IF NOT EXISTS message_removed AFTER DELETE ON messages BEGIN
    UPDATE tallies
    SET backlog = backlog - 1, bytes = bytes - length(OLD.body), in_flight = in_flight - OLD.leased
    WHERE queue_id = OLD.queue_id;
  END;
  CREATE TRIGGER IF NOT EXISTS message_moved AFTER UPDATE OF queue_id ON messages BEGIN
    UPDATE tallies SET backlog = backlog - 1, bytes = bytes - length(OLD.body) WHERE queue_id = OLD.queue_id;
    INSERT INTO tallies (queue_id, backlog, bytes) VALUES (NEW.queue_id, 1, length(NEW.body))
    ON CONFLICT (queue_id) DO UPDATE SET backlog = backlog + 1, bytes = bytes + excluded.bytes;
  END;
`;

/** The database is held by another process. */
export class StoreInUseError extends Error {
  override readonly name = "StoreInUseError";
}

export class MessageStore {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  /**
   * Opens the store for this process alone. Messages that were being delivered when an
   * earlier process ended are deliverable again.
   * @throws {StoreInUseError}
   */
  constructor(file: string) {
    this.#database = new DatabaseSync(file);
    try {
      // Written to the log, a message survives the process; only a power cut may lose the last ones.
      this.#database.exec(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
      );
      this.#database.exec(`BEGIN IMMEDIATE; ${SCHEMA} UPDATE messages SET leased = 0; COMMIT;`);
    } catch (error) {
      this.#database.close();
      if (error instanceof Error && error.message.includes("locked")) {
        throw new StoreInUseError("database is locked", { cause: error });
      }
      throw error;
    }
  }

  /** Stores messages, all or none, and returns their ids. */
  add(queueId: string, messages: readonly NewMessage[], now: number): readonly string[] {
    const insert = this.#prepare(
      `INSERT INTO messages (id, queue_id, content_type, body, sent_at, queued_at, visible_at)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    return this.#transaction(() =>
      messages.map(({ contentType, body, visibleAt }) => {
        const id = randomBytes(16).toString("hex");
        insert.run(id, queueId, contentType, body, now, now, visibleAt);
        return id;
      }),
    );
  }

  /** How many messages may be delivered now, counted up to `limit`, and since when the oldest of them. */
  ready(queueId: string, limit: number, now: number): { readonly count: number; readonly oldest: number } {
    const row = this.#prepare(
      `SELECT count(*) AS count, coalesce(min(visible_at), 0) AS oldest FROM (
         SELECT visible_at FROM messages
         WHERE queue_id = ? AND leased = 0 AND visible_at <= ? ORDER BY visible_at, sequence LIMIT ?)`,
    ).get(queueId, now, limit);
    return { count: Number(row?.["count"]), oldest: Number(row?.["oldest"]) };
  }

  /** When the next message after `now` becomes deliverable (ms UTC). */
  nextVisible(queueId: string, now: number): number | undefined {
    const row = this.#prepare(
      "SELECT min(visible_at) AS at FROM messages WHERE queue_id = ? AND leased = 0 AND visible_at > ?",
    ).get(queueId, now);
    const at = row?.["at"];
    return typeof at === "number" ? at : undefined;
  }

  /** Takes up to `limit` deliverable messages, oldest first; each counts as one more attempt. */
  lease(queueId: string, limit: number, now: number): readonly StoredMessage[] {
    const select = this.#prepare(
      `SELECT sequence, id, content_type, body, sent_at, attempts FROM messages
       WHERE queue_id = ? AND leased = 0 AND visible_at <= ? ORDER BY visible_at, sequence LIMIT ?`,
    );
    const take = this.#prepare("UPDATE messages SET leased = 1, attempts = attempts + 1 WHERE id = ?");
    return this.#transaction(() =>
      select.all(queueId, now, limit).map((row) => {
        const message: StoredMessage = {
          id: String(row["id"]),
          contentType: row["content_type"] as ContentType,
          body: row["body"] as Uint8Array,
          sentAt: Number(row["sent_at"]),
          attempts: Number(row["attempts"]) + 1,
        };
        take.run(message.id);
        return message;
      }),
    );
  }

  /** Removes delivered messages. */
  acknowledge(queueId: string, ids: readonly string[]): void {
    this.#transaction(() => {
      this.#remove(ids);
      this.#prepare("UPDATE tallies SET delivered = delivered + ? WHERE queue_id = ?").run(
        ids.length,
        queueId,
      );
    });
  }

  /** Makes leased messages deliverable again at `visibleAt` (ms UTC). */
  retry(ids: readonly string[], visibleAt: number): void {
    const update = this.#prepare("UPDATE messages SET leased = 0, visible_at = ? WHERE id = ?");
    this.#transaction(() => ids.forEach((id) => update.run(visibleAt, id)));
  }

  /** Gives leased messages back as if they had not been taken, deliverable at `visibleAt` (ms UTC). */
  release(ids: readonly string[], visibleAt: number): void {
    const update = this.#prepare(
      "UPDATE messages SET leased = 0, attempts = attempts - 1, visible_at = ? WHERE id = ?",
    );
    this.#transaction(() => ids.forEach((id) => update.run(visibleAt, id)));
  }

  /** Moves leased messages to a dead-letter queue, as new ones there. */
  deadLetter(queueId: string, ids: readonly string[], target: string, now: number): void {
    const give = this.#prepare("UPDATE messages SET leased = 0 WHERE id = ?");
    const take = this.#prepare(
      "UPDATE messages SET queue_id = ?, attempts = 0, queued_at = ?, visible_at = ? WHERE id = ?",
    );
    this.#transaction(() => {
      for (const id of ids) {
        give.run(id);
        take.run(target, now, now, id);
      }
      this.#prepare("UPDATE tallies SET dead_lettered = dead_lettered + ? WHERE queue_id = ?").run(
        ids.length,
        queueId,
      );
    });
  }

  /** Removes messages that will not be delivered. */
  discard(ids: readonly string[]): void {
    this.#transaction(() => this.#remove(ids));
  }

  /** Removes messages queued before `cutoff` (ms UTC) and not in flight; returns how many. */
  expire(queueId: string, cutoff: number): number {
    const { changes } = this.#prepare(
      "DELETE FROM messages WHERE queue_id = ? AND leased = 0 AND queued_at < ?",
    ).run(queueId, cutoff);
    return Number(changes);
  }

  tally(queueId: string): QueueTally {
    const counts = this.#prepare("SELECT * FROM tallies WHERE queue_id = ?").get(queueId);
    const age = this.#prepare("SELECT min(queued_at) AS oldest FROM messages WHERE queue_id = ?").get(
      queueId,
    );
    return {
      backlog: Number(counts?.["backlog"] ?? 0),
      backlogBytes: Number(counts?.["bytes"] ?? 0),
      inFlight: Number(counts?.["in_flight"] ?? 0),
      oldest: Number(age?.["oldest"] ?? 0),
      delivered: Number(counts?.["delivered"] ?? 0),
      deadLettered: Number(counts?.["dead_lettered"] ?? 0),
    };
  }

  /** Removes a queue's messages and counts. */
  drop(queueId: string): void {
    this.#transaction(() => {
      this.#prepare("DELETE FROM messages WHERE queue_id = ?").run(queueId);
      this.#prepare("DELETE FROM tallies WHERE queue_id = ?").run(queueId);
    });
  }

  close(): void {
    this.#database.close();
  }

  #remove(ids: readonly string[]): void {
    const remove = this.#prepare("DELETE FROM messages WHERE id = ?");
    for (const id of ids) remove.run(id);
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.set(sql, known);
    return known;
  }

  #transaction<T>(work: () => T): T {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
    }
  }
}
