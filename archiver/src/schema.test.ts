import { env } from "cloudflare:workers";
import { getTableConfig, type SQLiteTable } from "drizzle-orm/sqlite-core";
import { describe, expect, it } from "vitest";
import { useStorage } from "../test/archiver.ts";
import * as cold from "./archive/schema.ts";
import { PICK } from "./archive/store.ts";
import * as hot from "./buffer/schema.ts";
import { COLD, HOT } from "./read/store.ts";

useStorage();

const TABLES: readonly SQLiteTable[] = [...Object.values(hot), ...Object.values(cold)];

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

describe("the queries", () => {
  async function plan(sql: string, values: readonly unknown[]): Promise<string> {
    const { results } = await env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .bind(...values)
      .all<{ detail: string }>();
    return results.map(({ detail }) => detail).join("\n");
  }

  it("of a read and of an archive run use an index and scan no table", async () => {
    for (const [sql, values, index] of [
      [HOT, ["LAS", "flights", 0, 1, 10, 10], "idx_buffer_logs_read"],
      [COLD, ["LAS", "flights", 0, 1, 10], "idx_block_indexes_dataset_table"],
      [PICK, [9, "[]", "[]", 10, 10], "idx_buffer_logs_archive"],
    ] as const) {
      const detail = await plan(sql, values);
      expect(detail).toContain(`USING INDEX ${index}`);
      expect(detail).not.toMatch(/SCAN (b|f|buffer_logs|block_indexes|archived_files)\b(?! USING INDEX)/);
    }
  });
});
