/**
 * D1 in memory for tests: real SQLite behind the calls that migrations make, with Time Travel
 * and wrangler's way of applying a folder. Faults are planted.
 */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import { D1QueryError, type CloudflareApi, type Rows } from "../../cloudflare-api.ts";
import { CliError, EXIT, messageOf } from "../../exit.ts";
import type { Wrangler } from "../../wrangler.ts";
import { pendingOf } from "../pending.ts";

const configSchema = z.object({
  d1_databases: z.tuple([z.object({ database_id: z.string(), migrations_dir: z.string() })]),
});

const JOURNAL =
  'CREATE TABLE IF NOT EXISTS "d1_migrations" (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL);';

interface Snapshot {
  readonly id: string;
  /** What was done until then. */
  readonly done: number;
}

class FakeDatabase {
  /** Every text that was executed, from which any moment can be made again. */
  readonly #done: string[] = [];
  readonly #snapshots: Snapshot[] = [];
  #database = new DatabaseSync(":memory:");

  query(sql: string): Rows {
    try {
      return this.#database.prepare(sql).all();
    } catch (error) {
      throw new D1QueryError(messageOf(error), { cause: error });
    }
  }

  /** All or nothing. */
  execute(sql: string): void {
    this.#database.exec("BEGIN");
    try {
      this.#database.exec(sql);
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
    }
    this.#done.push(sql);
  }

  bookmark(): string {
    const id = `${String(this.#done.length).padStart(8, "0")}-bookmark`;
    this.#snapshots.push({ id, done: this.#done.length });
    return id;
  }

  restore(bookmark: string): void {
    const found = this.#snapshots.find(({ id }) => id === bookmark);
    if (found === undefined) throw new CliError(EXIT.failed, `no bookmark ${bookmark}`);
    this.#database = new DatabaseSync(":memory:");
    for (const sql of this.#done.splice(0).slice(0, found.done)) this.execute(sql);
  }
}

export class FakeDatabases {
  readonly #databases = new Map<string, FakeDatabase>();
  /** Why there are no bookmarks; `null`: there are. */
  noBookmarks: Error | null = null;
  /** Called when wrangler is about to apply a folder's files, and after it has. */
  onApply: (moment: "before" | "after", files: readonly string[]) => void = () => {};
  /** Wrangler ends well and does nothing. */
  wranglerSleeps = false;

  of(databaseId: string): FakeDatabase {
    const known = this.#databases.get(databaseId) ?? new FakeDatabase();
    this.#databases.set(databaseId, known);
    return known;
  }

  readonly api: Pick<CloudflareApi, "queryD1" | "timeTravelBookmark" | "restoreBookmark"> = {
    queryD1: async (databaseId, sql) => this.of(databaseId).query(sql),
    timeTravelBookmark: async (databaseId) => {
      if (this.noBookmarks !== null) throw this.noBookmarks;
      return this.of(databaseId).bookmark();
    },
    restoreBookmark: async (databaseId, bookmark) => {
      const database = this.of(databaseId);
      const previousBookmark = database.bookmark();
      database.restore(bookmark);
      return { bookmark, previousBookmark };
    },
  };

  readonly wrangler: Pick<Wrangler, "applyMigrations"> = {
    applyMigrations: async (config) => {
      if (this.wranglerSleeps) return;
      const [{ database_id, migrations_dir }] = configSchema.parse(
        JSON.parse(await readFile(config, "utf8")),
      ).d1_databases;
      const database = this.of(database_id);
      database.execute(JOURNAL);
      const applied = database.query('SELECT name FROM "d1_migrations"').map(({ name }) => String(name));
      const folder = path.join(path.dirname(config), migrations_dir);
      const files = pendingOf(await readdir(folder), applied);
      this.onApply("before", files);
      for (const file of files) {
        const sql = await readFile(path.join(folder, file), "utf8");
        try {
          database.execute(`${sql}\nINSERT INTO "d1_migrations" (name) values ('${file}');`);
        } catch (error) {
          throw new CliError(
            EXIT.failed,
            `Migrating the database failed: ${messageOf(error)}: SQLITE_ERROR`,
            {
              cause: error,
            },
          );
        }
      }
      this.onApply("after", files);
    },
  };
}
