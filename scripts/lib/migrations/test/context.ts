/** A context whose databases are in memory and whose migrations are a test's own. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { topology, type D1Key } from "../../../../infra/topology.ts";
import type { ReleaseEvent } from "../../release/events.ts";
import { placeholderIds } from "../../render.ts";
import { temporaryDirectory } from "../../test/temporary.ts";
import { migrationsFolder, type MigrationContext } from "../pending.ts";
import { FakeDatabases } from "./fake-databases.ts";

export const NOW = "2026-11-22T07:00:00.000Z";

export interface Bench {
  readonly context: MigrationContext;
  readonly databases: FakeDatabases;
  readonly events: readonly ReleaseEvent[];
  readonly stop: AbortController;
  /** Writes a migration of a database; `null` deletes it. */
  readonly file: (database: D1Key, name: string, sql: string | null) => Promise<void>;
  /** Names of its tables, without SQLite's and wrangler's own. */
  readonly tables: (database: D1Key) => readonly string[];
  /** The messages of notes so far. */
  readonly notes: () => readonly string[];
}

export async function bench(overrides: Partial<MigrationContext> = {}): Promise<Bench> {
  const root = await temporaryDirectory();
  const databases = new FakeDatabases();
  const events: ReleaseEvent[] = [];
  const stop = new AbortController();
  const ids = placeholderIds();
  const config = (worker: string): string => path.join(root, ".wrangler/deploy/local", `${worker}.json`);
  const wanted = topology("local");
  const context: MigrationContext = {
    root,
    environment: "local",
    topology: wanted,
    ids,
    configs: {
      archiver: config("archiver"),
      "archiver-canary": config("archiver-canary"),
      hub: config("hub"),
      "hub-canary": config("hub-canary"),
    },
    directory: path.join(root, ".strata/local"),
    onEvent: (event) => {
      events.push(event);
    },
    signal: stop.signal,
    clock: { now: () => Date.parse(NOW), sleep: () => Promise.resolve() },
    api: databases.api,
    wrangler: databases.wrangler,
    ...overrides,
  };
  return {
    context,
    databases,
    events,
    stop,
    file: async (database, name, sql) => {
      const folder = path.join(root, migrationsFolder(context, database));
      await mkdir(folder, { recursive: true });
      if (sql === null) await rm(path.join(folder, name));
      else await writeFile(path.join(folder, name), sql);
    },
    tables: (database) =>
      databases
        .of(ids.d1[database])
        .query("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .map(({ name }) => String(name))
        .filter((name) => name !== "d1_migrations" && !name.startsWith("sqlite_")),
    notes: () => events.flatMap((event) => (event.type === "note" ? [event.message] : [])),
  };
}
