/** D1 migrations: which are pending, and applying them through wrangler before any code is released. */
import { readdir } from "node:fs/promises";
import path from "node:path";
import { D1_KEYS, WORKER_KEYS, type D1Key, type Topology, type WorkerKey } from "../../infra/topology.ts";
import { D1QueryError, type CloudflareApi } from "./cloudflare-api.ts";
import type { ReleaseContext } from "./environment.ts";
import { CliError, EXIT, messageOf } from "./exit.ts";
import type { AppliedMigrations } from "./release-events.ts";

const APPLIED = 'SELECT name FROM "d1_migrations" ORDER BY id';

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

async function appliedIn(api: CloudflareApi, databaseId: string): Promise<readonly string[]> {
  try {
    const rows = await api.queryD1(databaseId, APPLIED);
    return rows.flatMap(({ name }) => (typeof name === "string" ? [name] : []));
  } catch (error) {
    // Wrangler makes the table with the first migration.
    if (error instanceof D1QueryError && error.message.includes("no such table")) return [];
    throw error instanceof D1QueryError ? new CliError(EXIT.failed, error.message, { cause: error }) : error;
  }
}

/** Files that `migrate` would apply to the database, oldest first; changes nothing. */
export async function pendingMigrations(
  context: ReleaseContext,
  database: D1Key,
): Promise<readonly string[]> {
  const { api, ids, root, topology } = context;
  const files = await readdir(path.join(root, topology.d1[database].migrations)).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  });
  if (files.length === 0) return [];
  return pendingOf(files, await appliedIn(api, ids.d1[database]));
}

/**
 * Applies the pending migrations of one database.
 * @returns their files
 * @throws {CliError} failed, with SQLite's sentence and the file; that file left no trace
 */
export async function applyMigrations(context: ReleaseContext, database: D1Key): Promise<readonly string[]> {
  const pending = await pendingMigrations(context, database);
  if (pending.length === 0) return [];
  const { name } = context.topology.d1[database];
  const config = context.configs[ownerOf(context.topology, database)];
  try {
    await context.wrangler.applyMigrations(config, name);
  } catch (error) {
    const left = await pendingMigrations(context, database);
    const [failed] = left;
    if (failed === undefined) return pending;
    const applied = pending.filter((file) => !left.includes(file));
    throw new CliError(EXIT.failed, `The migration ${failed} of ${name} was refused`, {
      hints: [
        ...(error instanceof CliError ? [error.message, ...error.hints] : [messageOf(error)]),
        "Nothing of this file was applied, and no code was released.",
        ...(applied.length === 0 ? [] : [`Applied before it: ${applied.join(", ")}`]),
      ],
      data: { database: name, file: failed, applied },
      cause: error,
    });
  }
  return pending;
}

/** Applies the pending migrations of the databases, in the order given, with one step event each. */
export async function migrate(
  context: ReleaseContext,
  databases: readonly D1Key[] = D1_KEYS,
): Promise<AppliedMigrations> {
  const applied: Partial<Record<D1Key, readonly string[]>> = {};
  for (const database of databases) {
    context.signal.throwIfAborted();
    const step = {
      type: "step",
      id: `migrate-${database}`,
      title: `Migrate the ${database} database`,
    } as const;
    context.onEvent({ ...step, status: "started", detail: null });
    try {
      const files = await applyMigrations(context, database);
      applied[database] = files;
      const detail = files.length === 0 ? "nothing is pending" : files.join(", ");
      context.onEvent({ ...step, status: "done", detail });
    } catch (error) {
      context.onEvent({ ...step, status: "failed", detail: messageOf(error) });
      throw error;
    }
  }
  return applied;
}
