import type { DataPlaneState, QueueRecord, ScriptVersion } from "../model.ts";
import type { QueueTally } from "./queues/message-store.ts";
import type { SentMessage } from "./queues/producer.ts";

/** What one SQL statement returned, with D1's meta fields. */
export interface SqlResult {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
  readonly meta: {
    /** Milliseconds. */
    readonly duration: number;
    readonly rowsRead: number;
    readonly rowsWritten: number;
    readonly changes: number;
    readonly lastRowId: number;
    readonly changedDb: boolean;
    /** Bytes. */
    readonly sizeAfter: number;
  };
}

/** Thrown by `D1Access.query` when SQLite refuses; `message` is SQLite's own sentence. */
export class SqlError extends Error {
  override readonly name = "SqlError";
}

/** Thrown by KV and R2 stores that refuse a key, a value or an option; `message` says why. */
export class StoreRefusal extends Error {
  override readonly name = "StoreRefusal";
}

export interface D1Access {
  /**
   * Runs one string of one or more statements, all or nothing.
   * @throws {SqlError}
   */
  query(sql: string, params: readonly unknown[]): Promise<readonly SqlResult[]>;
}

/** Thrown for a bookmark that was never handed out for the database, or that is no longer kept. */
export class UnknownBookmarkError extends Error {
  override readonly name = "UnknownBookmarkError";

  constructor(bookmark: string) {
    super(`the bookmark '${bookmark}' is not known for this database, or no longer kept`);
  }
}

/** Thrown when a database cannot be written as SQL; `message` says why. */
export class DumpRefusal extends Error {
  override readonly name = "DumpRefusal";
}

export interface DumpOptions {
  readonly noSchema: boolean;
  readonly noData: boolean;
  /** Only these tables and what belongs to them; empty: all. */
  readonly tables: readonly string[];
}

/** A database's past: one copy for every bookmark that was handed out. */
export interface TimeTravel {
  /** The bookmark of the database as it is now. */
  bookmark(): Promise<string>;
  /** The last bookmark handed out at `at` (ms UTC) or before; `null` when there is none. */
  bookmarkAt(at: number): Promise<string | null>;
  /**
   * Makes the database what it was. Requests to Workers that arrive meanwhile are held, those in
   * flight finish first (bounded).
   * @returns the bookmark that undoes it.
   * @throws {UnknownBookmarkError}
   */
  restore(bookmark: string): Promise<string>;
  /**
   * The database as it was, as SQL.
   * @throws {UnknownBookmarkError}
   * @throws {DumpRefusal}
   */
  dump(bookmark: string, options: DumpOptions): Promise<AsyncIterable<string>>;
}

export interface KvAccess {
  get(key: string): Promise<{ value: ArrayBuffer; metadata: unknown; expiration?: number } | null>;
  put(
    key: string,
    value: ArrayBuffer | string,
    options: { expiration?: number; expirationTtl?: number; metadata?: unknown },
  ): Promise<void>;
  delete(key: string): Promise<void>;
  list(options: { prefix?: string; cursor?: string; limit?: number }): Promise<{
    keys: { name: string; expiration?: number; metadata?: unknown }[];
    cursor: string | null;
  }>;
}

export interface R2Access {
  get(
    key: string,
  ): Promise<{ body: ArrayBuffer; etag: string; size: number; contentType: string | null } | null>;
  put(
    key: string,
    body: ArrayBuffer,
    options: { contentType?: string },
  ): Promise<{ etag: string; size: number }>;
  delete(key: string): Promise<void>;
  list(options: { prefix?: string; cursor?: string; limit?: number }): Promise<{
    objects: { key: string; size: number; etag: string; lastModified: number }[];
    cursor: string | null;
  }>;
}

/** Why a version cannot run: workerd's own words, as the API's error 10021 reports them. */
export interface StartupFault {
  readonly message: string;
}

/** One invocation of a script, as `wrangler tail` prints it: times in ms UTC, durations in ms. */
export interface Trace {
  readonly scriptName: string;
  readonly scriptVersion: { readonly id: string };
  readonly outcome: string;
  readonly logs: readonly {
    readonly level: string;
    readonly message?: unknown;
    readonly timestamp?: number;
  }[];
  readonly exceptions: readonly {
    readonly name: string;
    readonly message: string;
    readonly stack?: string | undefined;
    readonly timestamp?: number | undefined;
  }[];
  readonly eventTimestamp: number | null;
  /** What was handled, by its kind: `request` and `response`, `cron`, `queue`, `rpcMethod`, … */
  readonly event: Readonly<Record<string, unknown>> | null;
}

export interface QueueStats {
  readonly queueId: string;
  /** Messages not yet acknowledged, in flight included. */
  readonly backlog: number;
  readonly inFlight: number;
  readonly delivered: number;
  readonly deadLettered: number;
}

/** The data plane: deployed scripts in workerd, their storage, queues and crons. */
export interface Runtime {
  /**
   * Makes the data plane what `state` says. Requests that arrive meanwhile are
   * held and answered by the new versions; those in flight finish first.
   * Calls are serialised; the last one wins.
   */
  apply(state: DataPlaneState): Promise<void>;
  /** Starts a version alone, in a throw-away workerd; `null` when it starts. */
  checkStartup(version: ScriptVersion): Promise<StartupFault | null>;
  d1(databaseId: string): D1Access;
  timeTravel(databaseId: string): TimeTravel;
  kv(namespaceId: string): KvAccess;
  r2(bucketName: string): R2Access;
  /** Runs the script's `scheduled` handler now, on a version picked by the split. */
  fireCron(scriptName: string, cron: string): Promise<{ outcome: string; versionId: string }>;
  queueStats(): Promise<readonly QueueStats[]>;
  /**
   * Has `listener` called for each invocation of a script once it has ended, whatever version ran.
   * @returns what ends that.
   */
  watch(scriptName: string, listener: (trace: Trace) => void): Promise<() => void>;
  /**
   * Puts messages into a queue, as a queue binding does: once it returns they are delivered even
   * if the process ends. The queue need not have been part of a state that was applied.
   */
  send(queue: QueueRecord, messages: readonly SentMessage[]): Promise<QueueTally>;
  /** Removes what a deleted database, bucket, namespace, queue or script had stored. */
  dropD1(databaseId: string): Promise<void>;
  dropKv(namespaceId: string): Promise<void>;
  dropR2(bucketName: string): Promise<void>;
  dropQueue(queueId: string): Promise<void>;
  dropScript(scriptName: string): Promise<void>;
  /** Finishes what is in flight (bounded) and stops workerd. */
  stop(): Promise<void>;
}

export interface RuntimeOptions {
  /** Directory that holds everything the data plane persists. */
  readonly directory: string;
  /** Loopback address that the scripts' listeners bind. */
  readonly host: string;
  readonly log: (line: string) => void;
  /** How long requests under way may take before a change of versions cuts them off, in milliseconds; default 10,000. */
  readonly drainMs?: number;
}
