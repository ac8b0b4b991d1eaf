import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import type { z } from "zod";

const SCHEMA = `
CREATE TABLE IF NOT EXISTS meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS kv_namespaces (
  id TEXT PRIMARY KEY,
  title TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS d1_databases (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  read_replication TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS r2_buckets (
  name TEXT PRIMARY KEY,
  created_at INTEGER NOT NULL,
  location TEXT,
  storage_class TEXT NOT NULL,
  lifecycle TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS queues (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  modified_at INTEGER NOT NULL,
  delivery_delay_seconds INTEGER NOT NULL,
  delivery_paused INTEGER NOT NULL,
  retention_seconds INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS scripts (
  name TEXT PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  tag TEXT NOT NULL UNIQUE,
  port INTEGER NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  modified_at INTEGER NOT NULL,
  subdomain_enabled INTEGER NOT NULL,
  previews_enabled INTEGER NOT NULL,
  logpush INTEGER NOT NULL,
  observability TEXT NOT NULL,
  tags TEXT NOT NULL,
  migration_tag TEXT,
  crons TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS queue_consumers (
  id TEXT PRIMARY KEY,
  queue_id TEXT NOT NULL UNIQUE REFERENCES queues (id) ON DELETE CASCADE,
  script_name TEXT NOT NULL REFERENCES scripts (name) ON DELETE CASCADE ON UPDATE CASCADE,
  dead_letter_queue TEXT,
  settings TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS durable_object_classes (
  id TEXT PRIMARY KEY,
  script_name TEXT NOT NULL REFERENCES scripts (name) ON DELETE CASCADE ON UPDATE CASCADE,
  class_name TEXT NOT NULL,
  sqlite INTEGER NOT NULL,
  UNIQUE (script_name, class_name)
) STRICT;
CREATE TABLE IF NOT EXISTS bundles (
  etag TEXT PRIMARY KEY,
  main_module TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS bundle_modules (
  etag TEXT NOT NULL REFERENCES bundles (etag) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  contents BLOB NOT NULL,
  PRIMARY KEY (etag, position)
) STRICT;
CREATE TABLE IF NOT EXISTS versions (
  id TEXT PRIMARY KEY,
  script_name TEXT NOT NULL REFERENCES scripts (name) ON DELETE CASCADE ON UPDATE CASCADE,
  number INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  source TEXT NOT NULL,
  triggered_by TEXT,
  tag TEXT,
  message TEXT,
  etag TEXT NOT NULL REFERENCES bundles (etag),
  compatibility_date TEXT NOT NULL,
  compatibility_flags TEXT NOT NULL,
  bindings TEXT NOT NULL,
  migration_tag TEXT,
  UNIQUE (script_name, number)
) STRICT;
CREATE TABLE IF NOT EXISTS deployments (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  script_name TEXT NOT NULL REFERENCES scripts (name) ON DELETE CASCADE ON UPDATE CASCADE,
  created_at INTEGER NOT NULL,
  source TEXT NOT NULL,
  triggered_by TEXT,
  message TEXT,
  versions TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS deployments_by_script ON deployments (script_name, sequence);
`;

/** SQLite's result code when another connection holds the lock. */
const SQLITE_BUSY = 5;

/** Another process serves this directory. */
export class DirectoryInUseError extends Error {
  override readonly name = "DirectoryInUseError";
}

/** One connection to the state file, held exclusively: the file lock is what keeps a second server out. */
export class Database {
  readonly #connection: DatabaseSync;

  /**
   * Opens (or creates) the state file in `directory` and takes it for this process.
   * The lock is the operating system's, so it is gone when the process is, however it ended.
   * @throws {DirectoryInUseError}
   */
  constructor(directory: string) {
    mkdirSync(directory, { recursive: true });
    this.#connection = new DatabaseSync(join(directory, "state.sqlite"));
    try {
      this.#connection.exec(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; BEGIN EXCLUSIVE; COMMIT; PRAGMA foreign_keys = ON;",
      );
    } catch (error) {
      this.#connection.close();
      if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY) {
        throw new DirectoryInUseError(`another local cloud serves ${directory}`);
      }
      throw error;
    }
    this.#connection.exec(SCHEMA);
  }

  exec(sql: string): void {
    this.#connection.exec(sql);
  }

  run(sql: string, ...params: SQLInputValue[]): void {
    this.#connection.prepare(sql).run(...params);
  }

  /** Every row of a query, each parsed by `schema`. */
  all<T>(schema: z.ZodType<T>, sql: string, ...params: SQLInputValue[]): T[] {
    return this.#connection
      .prepare(sql)
      .all(...params)
      .map((row) => schema.parse(row));
  }

  /** The first row, parsed by `schema`; `null` when there is none. */
  get<T>(schema: z.ZodType<T>, sql: string, ...params: SQLInputValue[]): T | null {
    const row = this.#connection.prepare(sql).get(...params);
    return row === undefined ? null : schema.parse(row);
  }

  close(): void {
    this.#connection.close();
  }
}
