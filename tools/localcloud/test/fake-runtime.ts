import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import type { DataPlaneState, QueueRecord, ScriptVersion } from "../src/model.ts";
import {
  type D1Access,
  type KvAccess,
  type R2Access,
  type Runtime,
  SqlError,
  type SqlResult,
  type StartupFault,
  type TimeTravel,
  UnknownBookmarkError,
} from "../src/runtime/contract.ts";
import type { QueueTally } from "../src/runtime/queues/message-store.ts";
import type { SentMessage } from "../src/runtime/queues/producer.ts";

function statements(sql: string): string[] {
  return sql
    .split(";")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function d1(database: DatabaseSync): D1Access {
  return {
    async query(sql, params): Promise<readonly SqlResult[]> {
      database.exec("BEGIN");
      try {
        const results = statements(sql).map((one) => {
          const prepared = database.prepare(one);
          const rows = prepared.all(...params.map(String));
          return {
            columns: prepared.columns().map(({ name }) => name),
            rows: rows.map((row) => Object.values(row)),
            meta: {
              duration: 1,
              rowsRead: rows.length,
              rowsWritten: 0,
              changes: 0,
              lastRowId: 0,
              changedDb: false,
              sizeAfter: 4096,
            },
          };
        });
        database.exec("COMMIT");
        return results;
      } catch (error) {
        database.exec("ROLLBACK");
        throw new SqlError(error instanceof Error ? error.message : String(error));
      }
    },
  };
}

interface KvEntry {
  readonly value: ArrayBuffer;
  readonly metadata: unknown;
  readonly expiration?: number;
}

function kv(entries: Map<string, KvEntry>): KvAccess {
  return {
    get: async (key) => entries.get(key) ?? null,
    async put(key, value, { metadata, expiration }) {
      const bytes = typeof value === "string" ? new TextEncoder().encode(value).slice().buffer : value;
      entries.set(key, {
        value: bytes,
        metadata: metadata ?? null,
        ...(expiration === undefined ? {} : { expiration }),
      });
    },
    async delete(key) {
      entries.delete(key);
    },
    async list({ prefix = "", cursor = "", limit = 1000 }) {
      const names = [...entries.keys()].filter((key) => key.startsWith(prefix) && key > cursor).toSorted();
      const page = names.slice(0, limit);
      return {
        keys: page.map((name) => ({ name, metadata: entries.get(name)?.metadata })),
        cursor: names.length > limit ? (page.at(-1) ?? null) : null,
      };
    },
  };
}

interface R2Entry {
  readonly body: ArrayBuffer;
  readonly contentType: string | null;
}

function r2(objects: Map<string, R2Entry>): R2Access {
  const etag = (body: ArrayBuffer): string => createHash("md5").update(new Uint8Array(body)).digest("hex");
  return {
    async get(key) {
      const object = objects.get(key);
      return object === undefined
        ? null
        : { ...object, etag: etag(object.body), size: object.body.byteLength };
    },
    async put(key, body, { contentType }) {
      objects.set(key, { body, contentType: contentType ?? null });
      return { etag: etag(body), size: body.byteLength };
    },
    async delete(key) {
      objects.delete(key);
    },
    async list({ prefix = "", limit = 1000 }) {
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).toSorted();
      const shown = keys.slice(0, limit).flatMap((key) => {
        const object = objects.get(key);
        return object === undefined
          ? []
          : [{ key, size: object.body.byteLength, etag: etag(object.body), lastModified: 0 }];
      });
      return { objects: shown, cursor: keys.length > limit ? (keys[limit - 1] ?? null) : null };
    },
  };
}

/** A history of bookmarks without content. */
function timeTravel(): TimeTravel {
  const known: string[] = [];
  const mark = async (): Promise<string> => {
    const bookmark = `bookmark-${known.length}`;
    known.push(bookmark);
    return bookmark;
  };
  return {
    bookmark: mark,
    bookmarkAt: async () => known.at(-1) ?? null,
    async restore(bookmark) {
      if (!known.includes(bookmark)) throw new UnknownBookmarkError(bookmark);
      return await mark();
    },
    dump: async () => ReadableStream.from(["SELECT 1;\n"]),
  };
}

function lazily<T>(make: () => T): (id: string) => T {
  const made = new Map<string, T>();
  return (id) => {
    const known = made.get(id) ?? make();
    made.set(id, known);
    return known;
  };
}

/** A data plane that runs nothing and remembers what it was told. */
export class FakeRuntime implements Runtime {
  /** Every state applied, oldest first. */
  readonly applied: DataPlaneState[] = [];
  /** What was dropped, as `kind id`. */
  readonly dropped: string[] = [];
  /** What was sent to queues over REST, oldest first. */
  readonly sent: { readonly queue: string; readonly messages: readonly SentMessage[] }[] = [];
  /** Versions that were started alone. */
  readonly checked: ScriptVersion[] = [];
  /** The next start-up check finds this fault. */
  fault: StartupFault | null = null;
  /** The next `apply` fails with this. */
  applyError: Error | null = null;

  readonly kv: (id: string) => KvAccess;
  readonly d1: (id: string) => D1Access;
  readonly timeTravel: (id: string) => TimeTravel;
  readonly r2: (name: string) => R2Access;

  constructor() {
    this.kv = lazily(() => kv(new Map()));
    this.d1 = lazily(() => d1(new DatabaseSync(":memory:")));
    this.timeTravel = lazily(timeTravel);
    this.r2 = lazily(() => r2(new Map()));
  }

  async apply(state: DataPlaneState): Promise<void> {
    this.applied.push(state);
    const error = this.applyError;
    this.applyError = null;
    if (error !== null) {
      throw error;
    }
  }

  async checkStartup(version: ScriptVersion): Promise<StartupFault | null> {
    this.checked.push(version);
    const { fault } = this;
    this.fault = null;
    return fault;
  }

  async fireCron(scriptName: string, cron: string): Promise<{ outcome: string; versionId: string }> {
    return { outcome: `ok ${cron}`, versionId: scriptName };
  }

  async send(queue: QueueRecord, messages: readonly SentMessage[]): Promise<QueueTally> {
    this.sent.push({ queue: queue.name, messages });
    const backlogBytes = messages.reduce((total, { body }) => total + body.byteLength, 0);
    return { backlog: messages.length, backlogBytes, inFlight: 0, oldest: 1, delivered: 0, deadLettered: 0 };
  }

  queueStats = async () => [];
  watch = async () => () => undefined;
  dropKv = async (id: string) => this.#drop("kv", id);
  dropD1 = async (id: string) => this.#drop("d1", id);
  dropR2 = async (id: string) => this.#drop("r2", id);
  dropQueue = async (id: string) => this.#drop("queue", id);
  dropScript = async (id: string) => this.#drop("script", id);
  stop = async () => undefined;

  #drop(kind: string, id: string): void {
    this.dropped.push(`${kind} ${id}`);
  }
}
