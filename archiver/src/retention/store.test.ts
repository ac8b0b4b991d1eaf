import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { useStorage } from "../../test/archiver.ts";
import { DELETE_REPLACED, DELETE_UNFINISHED, DELETING, EXPIRED, READABLE } from "./store.ts";

useStorage();

async function planOf(sql: string, values: readonly unknown[]): Promise<string> {
  const { results } = await env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .bind(...values)
    .all<{ detail: string }>();
  return results.map(({ detail }) => detail).join("\n");
}

describe("the queries of retention", () => {
  it.each([
    ["unfinished files", DELETE_UNFINISHED, [1]],
    ["replaced files", DELETE_REPLACED, [1, 1]],
    ["expired files", EXPIRED, [1, 1, 1]],
    ["files that are being deleted", DELETING, [0, 1, 1]],
    ["files of a page", READABLE, ["a", "b", 1, 1]],
  ])("find %s by an index", async (_, sql, values) => {
    const plan = await planOf(sql, values);
    expect(plan).toContain("SEARCH archived_files USING ");
    expect(plan).not.toContain("SCAN archived_files");
  });
});
