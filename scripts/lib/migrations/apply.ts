/** Applies D1 migrations through wrangler, one file at a time, before any code is released. */
import { copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { D1_KEYS, type D1Key } from "../../../infra/topology.ts";
import { CliError, EXIT, messageOf } from "../exit.ts";
import { writeJson } from "../json-file.ts";
import type { AppliedMigrations } from "../release/events.ts";
import { recordBookmark, restoreHint, writeJournal } from "./bookmark.ts";
import { examinePending, filesIn, isContract, lintPending, type MigrateOptions } from "./check.ts";
import { migrationsFolder, pendingMigrations, type MigrationContext } from "./pending.ts";
import type { MigrationReport } from "./report.ts";

/**
 * Has wrangler apply one file: it applies all that a folder holds and the database lacks, so it
 * gets a config of its own, whose folder holds nothing else.
 */
async function applyFile(context: MigrationContext, database: D1Key, file: string): Promise<void> {
  const { root, topology, ids, wrangler } = context;
  const { name } = topology.d1[database];
  const scratch = await mkdtemp(path.join(tmpdir(), "strata-migration-"));
  try {
    await mkdir(path.join(scratch, "pending"));
    await copyFile(
      path.join(root, migrationsFolder(context, database), file),
      path.join(scratch, "pending", file),
    );
    const config = path.join(scratch, "wrangler.json");
    await writeJson(config, {
      name: "strata-migration",
      account_id: ids.accountId,
      send_metrics: false,
      d1_databases: [
        {
          binding: "DB",
          database_name: name,
          database_id: ids.d1[database],
          migrations_dir: "pending",
        },
      ],
    });
    await wrangler.applyMigrations(config, name);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Where a run stands when it ends early. */
interface Progress {
  readonly database: D1Key;
  readonly applied: readonly string[];
  readonly left: readonly string[];
  readonly bookmark: string | null;
}

function standing(
  context: MigrationContext,
  { database, applied, left, bookmark }: Progress,
): readonly string[] {
  return [
    ...(applied.length === 0 ? [] : [`Applied before it: ${applied.join(", ")}`]),
    ...(left.length === 0 ? [] : [`Not applied: ${left.join(", ")}`]),
    ...(applied.length === 0 ? [] : [restoreHint(context, database, bookmark)]),
  ];
}

function refusal(context: MigrationContext, progress: Progress, error: unknown): CliError {
  const { database, applied, left, bookmark } = progress;
  const [file = "", ...rest] = left;
  const { name } = context.topology.d1[database];
  return new CliError(EXIT.failed, `The migration ${file} of ${name} was refused`, {
    hints: [
      ...(error instanceof CliError ? [error.message, ...error.hints] : [messageOf(error)]),
      "Nothing of this file was applied, and no code was released.",
      ...standing(context, { ...progress, left: rest }),
    ],
    data: { database: name, file, applied, left: rest, bookmark },
    cause: error,
  });
}

/** The user has stopped the run between two files. */
function throwIfStopped(context: MigrationContext, progress: Progress): void {
  const { signal, topology } = context;
  const { database, applied, left, bookmark } = progress;
  if (!signal.aborted) return;
  if (applied.length === 0) signal.throwIfAborted();
  const { name } = topology.d1[database];
  throw new CliError(EXIT.cancelled, `Stopped before ${left[0] ?? "the end"} of ${name}`, {
    hints: standing(context, progress),
    data: { database: name, applied, left, bookmark },
    cause: signal.reason,
  });
}

/** @returns the files that are in, which are all */
async function applyFiles(
  context: MigrationContext,
  database: D1Key,
  files: readonly string[],
  bookmark: string | null,
): Promise<void> {
  const applied: string[] = [];
  try {
    for (const [index, file] of files.entries()) {
      throwIfStopped(context, { database, applied, left: files.slice(index), bookmark });
      let fault: unknown = null;
      try {
        await applyFile(context, database, file);
      } catch (error) {
        fault = error;
      }
      // Wrangler has ended with code 0 on a refused file, and a lost answer does not mean that nothing was done.
      const pending = await pendingMigrations(context, database);
      if (pending.includes(file)) {
        const left = files.slice(index);
        const progress = { database, applied: [...applied], left, bookmark };
        throw refusal(
          context,
          progress,
          fault ?? new Error("wrangler did not apply it, and did not say why"),
        );
      }
      applied.push(file);
    }
  } finally {
    await writeJournal(context, { database, bookmark, event: "ended", files: applied });
  }
}

/**
 * Applies the pending migrations of one database: lints them, records the Time Travel bookmark,
 * then one file at a time; a stop between two files leaves the first in.
 *
 * @throws {CliError} failed, with the linter's findings (nothing was applied); failed, with SQLite's
 *   sentence, the file that left no trace, the files that are in and how to go back; cancelled
 */
export async function applyMigrations(
  context: MigrationContext,
  database: D1Key,
  options: MigrateOptions = {},
): Promise<MigrationReport> {
  const files = await pendingMigrations(context, database);
  if (files.length === 0) return { database, files, bookmark: null, contract: false };
  const findings = await examinePending(context, [{ database, files }], options);
  throwIfStopped(context, { database, applied: [], left: files, bookmark: null });
  const bookmark = await recordBookmark(context, database, files, options.requireBookmark ?? false);
  await applyFiles(context, database, files, bookmark);
  return { database, files, bookmark, contract: filesIn(findings.filter(isContract)).length > 0 };
}

/** What a step has come to, in a few words. */
function detailOf({ files, bookmark }: MigrationReport): string {
  if (files.length === 0) return "nothing is pending";
  return `${files.join(", ")}${bookmark === null ? "" : `; bookmark ${bookmark}`}`;
}

/**
 * Applies the pending migrations of the databases, in the order given, with one step event each.
 * Every file of every database is linted before the first is applied.
 */
export async function migrate(
  context: MigrationContext,
  databases: readonly D1Key[] = D1_KEYS,
  options: MigrateOptions = {},
): Promise<AppliedMigrations> {
  const pending = await Promise.all(
    databases.map(async (database) => ({ database, files: await pendingMigrations(context, database) })),
  );
  await lintPending(context, pending, options);
  const reports: Partial<Record<D1Key, MigrationReport>> = {};
  for (const database of databases) {
    context.signal.throwIfAborted();
    const step = {
      type: "step",
      id: `migrate-${database}`,
      title: `Migrate the ${database} database`,
    } as const;
    context.onEvent({ ...step, status: "started", detail: null });
    try {
      const report = await applyMigrations(context, database, options);
      reports[database] = report;
      context.onEvent({ ...step, status: "done", detail: detailOf(report) });
    } catch (error) {
      context.onEvent({ ...step, status: "failed", detail: messageOf(error) });
      throw error;
    }
  }
  return reports;
}
