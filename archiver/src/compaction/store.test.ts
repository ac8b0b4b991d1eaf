import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { useStorage } from "../../test/archiver.ts";
import { BLOCKS, CANDIDATES, DATASET_TOTALS } from "./store.ts";

useStorage();

async function planOf(sql: string, values: readonly unknown[]): Promise<string> {
  const { results } = await env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .bind(...values)
    .all<{ detail: string }>();
  return results.map(({ detail }) => detail).join("\n");
}

describe("the queries of a compaction", () => {
  it("find live files by their state, and blocks by their file", async () => {
    expect(await planOf(CANDIDATES, [1, 1, "[]", 1])).toContain(
      "SEARCH archived_files USING INDEX idx_archived_files_state (state=?)",
    );
    for (const plan of [await planOf(BLOCKS, [1, 0, 1]), await planOf(DATASET_TOTALS, ["[1]"])]) {
      expect(plan).toContain("SEARCH block_indexes USING INDEX idx_block_indexes_file (file_id=?");
    }
    expect(await planOf(BLOCKS, [1, 0, 1])).not.toContain("USE TEMP B-TREE");
  });
});
