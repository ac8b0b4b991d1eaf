/**
 * Seeded stories of everything together: requests with and without a key, late and
 * repeated deliveries, dead letters, runs, merges, retention with the clock moved,
 * erasures, reindexing, a changed expiry, and reads that go on page by page through
 * all of it. Any step may be killed, fail, come late or stall. At every page and in
 * the end each record is read as often as the model says, and in the end the bucket,
 * the index and the counts agree.
 */
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { useStorage } from "../test/archiver.ts";
import { bucketKeys } from "../test/bucket.ts";
import { reindexAll } from "../test/life.ts";
import { expectSound, faultsOf, index, Story } from "../test/story.ts";

useStorage();

/** A story that fails can be told alone: its number here, and one story. */
const FIRST_SEED = 0;
const STORIES = 100;

/** What a check says of things that retention has not yet removed. */
const WAITING = ["dead-row", "unindexed-object"];

async function forgetAll(): Promise<void> {
  const { results } = await env.DB.prepare(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_cf%' ESCAPE '\\' AND name NOT IN ('d1_migrations', 'row_spaces') ORDER BY name = 'archived_files'",
  ).all<{ name: string }>();
  await env.DB.batch(results.map(({ name }) => env.DB.prepare(`DELETE FROM "${name}"`)));
  await env.COLD.delete([...(await bucketKeys())]);
}

describe("the whole life of an archive", () => {
  it(`reads every record as often as it should, in ${STORIES} stories`, async () => {
    for (const level of ["info", "warn", "error"] as const) vi.spyOn(console, level).mockReturnValue();
    const fired = new Set<string>();
    for (let seed = FIRST_SEED; seed < FIRST_SEED + STORIES; seed += 1) {
      const story = new Story(seed, fired);
      try {
        await story.play();
        // What waits to be removed is no fault of a story in which nobody removes it.
        expect((await faultsOf(story)).filter(({ check }) => !WAITING.includes(check))).toEqual([]);
        await story.end();
        await expectSound(story);
        const before = await index();
        expect(await reindexAll(story.life.archiver())).toMatchObject({
          ok: true,
          superseded: [],
          conflicts: [],
        });
        expect(await index()).toEqual(before);
      } catch (cause) {
        throw new Error(`story ${seed} does not end well:\n${story.log.join("\n")}`, { cause });
      }
      await forgetAll();
    }
    const untried = ["killed", "failed", "late", "stalled"].flatMap((kind) =>
      ["batch", "run INSERT INTO buffer_logs", "r2 put", "r2 get"]
        .map((operation) => `${kind} at ${operation}`)
        .filter((name) => ![...fired].some((text) => text.startsWith(name))),
    );
    expect(untried).toEqual([]);
  }, 600_000);
});
