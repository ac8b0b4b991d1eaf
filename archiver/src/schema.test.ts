import { applyD1Migrations, reset } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { getTableConfig, type SQLiteTable } from "drizzle-orm/sqlite-core";
import { describe, expect, it } from "vitest";
import { flight, TestArchiver, useStorage } from "../test/archiver.ts";
import { COUNT, PICK } from "./archive/store.ts";
import * as background from "./background/schema.ts";
import * as hot from "./buffer/schema.ts";
import * as deadLetters from "./deadletters/schema.ts";
import * as erasure from "./erasure/schema.ts";
import * as ingest from "./ingest/schema.ts";
import * as integrity from "./integrity/schema.ts";
import { archivedFiles, blockIndexes, leases, rowSpaces } from "./manifest/schema.ts";
import * as retention from "./retention/schema.ts";
import { COLD, HOLDS_TABLE, HOT } from "./read/store.ts";
import { GENERIC_FINGERPRINT } from "./tables/index.ts";

useStorage();

const TABLES: readonly SQLiteTable[] = [
  ...[background, hot, deadLetters, erasure, ingest, integrity, retention].flatMap((tables) =>
    Object.values(tables),
  ),
  archivedFiles,
  blockIndexes,
  leases,
  rowSpaces,
];

async function pragma<T>(call: string): Promise<readonly T[]> {
  return (await env.DB.prepare(`SELECT * FROM ${call}`).all<T>()).results;
}

describe("the migrations", () => {
  it("make the tables that the Drizzle schema describes, column by column and index by index", async () => {
    for (const table of TABLES) {
      const { name, columns, indexes } = getTableConfig(table);
      const made = await pragma<{ name: string; type: string; notnull: number; pk: number }>(
        `pragma_table_info('${name}')`,
      );
      expect(made.map((column) => [column.name, column.type.toLowerCase(), column.notnull === 1])).toEqual(
        columns.map((column) => [column.name, column.getSQLType(), column.notNull]),
      );
      const madeIndexes = await pragma<{ name: string; origin: string }>(`pragma_index_list('${name}')`);
      const unique = columns.filter((column) => column.isUnique).map((column) => column.uniqueName);
      expect(
        madeIndexes
          .filter(({ origin }) => origin === "c")
          .map((index) => index.name)
          .sort(),
      ).toEqual([...indexes.map((index) => index.config.name), ...unique].sort());
    }
  });

  it("make every table of the database", async () => {
    const made = await pragma<{ name: string }>(
      "sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_cf%' ESCAPE '\\' AND name <> 'd1_migrations'",
    );
    expect(made.map(({ name }) => name).sort()).toEqual(
      TABLES.map((table) => getTableConfig(table).name).sort(),
    );
  });
});

describe("a new database", () => {
  it("numbers its hot rows from where no database before it has come", async () => {
    await reset();
    const before = Math.floor(Date.now() / 1_000) * 1_000_000;
    await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
    const after = Date.now() * 1_000;
    const [space] = (
      await env.DB.prepare("SELECT first_row AS first FROM row_spaces").all<{ first: number }>()
    ).results;
    expect(space?.first).toBeGreaterThanOrEqual(before);
    expect(await env.DB.prepare("SELECT count(*) AS rows FROM buffer_logs").first("rows")).toBe(0);
    const archiver = new TestArchiver();
    await archiver.store([flight(1)]);
    const id = Number(await env.DB.prepare("SELECT id FROM buffer_logs").first("id"));
    expect(id).toBeGreaterThan(space?.first ?? Number.POSITIVE_INFINITY);
    expect(id).toBeLessThan(after + 2_000_000);
    expect(await archiver.archive()).toMatchObject({ hotRows: 1, remaining: 0 });
    expect(await archiver.readAll()).toEqual([flight(1)]);
  });
});

describe("the queries", () => {
  async function plan(sql: string, values: readonly unknown[]): Promise<string> {
    const { results } = await env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .bind(...values)
      .all<{ detail: string }>();
    return results.map(({ detail }) => detail).join("\n");
  }

  it.each([
    ["hot rows of a read", HOT, ["LAS", "flights", 0, 1, 10, 10, 0, 10], "buffer_logs_read"],
    ["cold blocks of a read", COLD, ["LAS", "flights", 0, 1, 10, 0, 10, -1], "block_indexes_dataset_table"],
    ["a table that is hot", HOLDS_TABLE, ["flights", -1], "buffer_logs_archive"],
    ["a table that is cold", HOLDS_TABLE, ["flights", -1], "archived_files_period"],
    ["rows to archive", PICK, [9, "", "", 0, GENERIC_FINGERPRINT, "[]", 10, 10, 10], "buffer_logs_archive"],
    ["their number", COUNT, [9, "", "", 0, GENERIC_FINGERPRINT, "[]"], "buffer_logs_archive"],
  ])("for %s use an index and scan no table", async (_, sql, values, index) => {
    const detail = await plan(sql, values);
    expect(detail).toMatch(new RegExp(`USING (COVERING )?INDEX idx_${index} `));
    expect(detail).not.toMatch(/SCAN (b|f|buffer_logs|block_indexes|archived_files)\b(?! USING INDEX)/);
  });
});
