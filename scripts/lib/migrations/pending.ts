/** D1 migrations: which files there are, and which of them a database has applied. */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { WORKER_KEYS, type D1Key, type Topology, type WorkerKey } from "../../../infra/topology.ts";
import { D1QueryError, type CloudflareApi, type Rows } from "../cloudflare-api.ts";
import type { ReleaseContext } from "../environment.ts";
import type { Wrangler } from "../wrangler.ts";
import { CliError, EXIT } from "../exit.ts";
import type { MigrationFile } from "./lint/lint.ts";

/** What of a `ReleaseContext` migrations need. */
export interface MigrationContext extends Pick<
  ReleaseContext,
  "root" | "environment" | "topology" | "ids" | "configs" | "directory" | "onEvent" | "signal" | "clock"
> {
  readonly api: Pick<CloudflareApi, "queryD1" | "timeTravelBookmark" | "restoreBookmark">;
  readonly wrangler: Pick<Wrangler, "applyMigrations">;
}

const APPLIED = 'SELECT name, applied_at FROM "d1_migrations" ORDER BY id';

/** Names of the migrations in `files` that a database has not applied, in the order in which wrangler applies them. */
export function pendingOf(files: readonly string[], applied: readonly string[]): readonly string[] {
  const done = new Set(applied);
  return files
    .filter((file) => file.endsWith(".sql") && !done.has(file))
    .toSorted((a, b) => (Number.parseInt(a, 10) || 0) - (Number.parseInt(b, 10) || 0) || (a < b ? -1 : 1));
}

/** The Worker whose config names the database to wrangler. */
export function ownerOf({ workers }: Topology, database: D1Key): WorkerKey {
  const owner = WORKER_KEYS.find((key) =>
    workers[key].bindings.some((binding) => binding.kind === "d1" && binding.database === database),
  );
  if (owner === undefined) throw new Error(`no Worker binds the database ${database}`);
  return owner;
}

/** A file that wrangler has applied. */
export interface AppliedFile {
  readonly name: string;
  /** Unix time in ms, of whole seconds; `null` where the database does not say. */
  readonly at: number | null;
}

async function appliedRows(api: MigrationContext["api"], databaseId: string): Promise<Rows> {
  try {
    return await api.queryD1(databaseId, APPLIED);
  } catch (error) {
    // Wrangler makes the table with the first migration.
    if (error instanceof D1QueryError && error.message.includes("no such table")) return [];
    throw error instanceof D1QueryError ? new CliError(EXIT.failed, error.message, { cause: error }) : error;
  }
}

/** SQLite's CURRENT_TIMESTAMP (`2026-11-22 07:00:00`, UTC) as Unix time in ms. */
function timeOf(value: unknown): number | null {
  const at = typeof value === "string" ? Date.parse(`${value.replace(" ", "T")}Z`) : Number.NaN;
  return Number.isNaN(at) ? null : at;
}

/** The files that a database has applied, oldest first. */
export async function appliedMigrations(
  { api, ids }: MigrationContext,
  database: D1Key,
): Promise<readonly AppliedFile[]> {
  const rows = await appliedRows(api, ids.d1[database]);
  return rows.flatMap(({ name, applied_at }) =>
    typeof name === "string" ? [{ name, at: timeOf(applied_at) }] : [],
  );
}

/** Where a database's migrations are, below the repository. */
export function migrationsFolder({ topology }: Pick<MigrationContext, "topology">, database: D1Key): string {
  return topology.d1[database].migrations;
}

/** Names of a database's migration files, in the order in which wrangler applies them. */
export async function migrationNames(
  context: Pick<MigrationContext, "root" | "topology">,
  database: D1Key,
): Promise<readonly string[]> {
  const folder = path.join(context.root, migrationsFolder(context, database));
  const files = await readdir(folder).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  });
  return pendingOf(files, []);
}

/** Files that `migrate` would apply to the database, oldest first; changes nothing. */
export async function pendingMigrations(
  context: MigrationContext,
  database: D1Key,
): Promise<readonly string[]> {
  const files = await migrationNames(context, database);
  if (files.length === 0) return [];
  const applied = await appliedMigrations(context, database);
  return pendingOf(
    files,
    applied.map(({ name }) => name),
  );
}

/** Reads migration files of a database; each is called by its path below the repository. */
export function readMigrations(
  context: Pick<MigrationContext, "root" | "topology">,
  database: D1Key,
  names: readonly string[],
): Promise<readonly MigrationFile[]> {
  return Promise.all(
    names.map(async (name) => {
      const file = path.posix.join(migrationsFolder(context, database), name);
      return { file, sql: await readFile(path.join(context.root, file), "utf8") };
    }),
  );
}
