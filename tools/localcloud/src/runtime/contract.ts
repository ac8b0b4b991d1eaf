import type { DataPlaneState, ScriptVersion } from "../model.ts";

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
  kv(namespaceId: string): KvAccess;
  r2(bucketName: string): R2Access;
  /** Runs the script's `scheduled` handler now, on a version picked by the split. */
  fireCron(scriptName: string, cron: string): Promise<{ outcome: string; versionId: string }>;
  queueStats(): Promise<readonly QueueStats[]>;
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
