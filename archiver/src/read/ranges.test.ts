import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { DAY, EPOCH, flight, TestArchiver, type TestReadResult, useStorage } from "../../test/archiver.ts";
import { countedBucket, type RangeRequest, recordsOf } from "../../test/reads.ts";
import { compact } from "../compaction/index.ts";

useStorage();

const STEP = 9_000;
const timed = (count: number, fields: object = {}): readonly { readonly time: number }[] =>
  Array.from({ length: count }, (_, n) => ({ ...flight(0), ...fields, time: EPOCH + n * STEP }));

interface Extent {
  readonly start: number;
  readonly length: number;
  readonly key: string;
}

/** Blocks of a dataset that hold something of a range, as the index places them. */
async function matching(datasetId: string, from: number, to: number): Promise<readonly Extent[]> {
  const { results } = await env.DB.prepare(
    `SELECT file_path AS key, start_byte AS start, length FROM block_indexes b JOIN archived_files f ON f.id = file_id
     WHERE dataset_id = ?1 AND start_timestamp < ?3 AND end_timestamp >= ?2 ORDER BY file_path, start_byte`,
  )
    .bind(datasetId, from, to)
    .all<Extent>();
  return results;
}

/** One request a run of neighbouring blocks. */
function runsOf(blocks: readonly Extent[]): readonly RangeRequest[] {
  const runs: { key: string; offset: number; length: number }[] = [];
  for (const { key, start, length } of blocks) {
    const last = runs.at(-1);
    if (last?.key === key && last.offset + last.length === start) last.length += length;
    else runs.push({ key, offset: start, length });
  }
  return runs;
}

const inOrder = (requests: readonly RangeRequest[]): readonly RangeRequest[] =>
  requests.toSorted((a, b) => (a.key === b.key ? a.offset - b.offset : a.key < b.key ? -1 : 1));
const sum = (ranges: readonly { readonly length: number }[]): number =>
  ranges.reduce((total, { length }) => total + length, 0);

function figuresOf(page: TestReadResult): readonly [rangeReads: number, coldBytes: number] {
  if (!page.ok) throw new Error("refused");
  return [page.rangeReads, page.coldBytes];
}

/** Three datasets in one file, each in many blocks. */
async function threeDatasets(): Promise<{
  readonly reader: TestArchiver;
  readonly requests: RangeRequest[];
}> {
  const archiver = new TestArchiver({ settings: { blockBytes: 4 * 1024, fileBytes: 8 * 1024 * 1024 } });
  for (const datasetId of ["AAA", "LAS", "ZZZ"]) {
    for (let part = 0; part < 2; part += 1) {
      await archiver.store(timed(9_000, { delay: part }), { datasetId });
    }
  }
  await archiver.archive();
  const { bucket, requests } = countedBucket();
  return { reader: new TestArchiver({ bucket }), requests };
}

describe("a cold read", () => {
  it("makes one request for neighbouring blocks and fetches nothing else of the file", async () => {
    const { reader, requests } = await threeDatasets();
    const from = EPOCH + 20_000_000;
    const to = from + 40_000_000;
    const page = await reader.read({ from, to, limit: 10_000 });
    expect(recordsOf(page)).toHaveLength(2 * (Math.ceil(60_000_000 / STEP) - Math.ceil(20_000_000 / STEP)));
    const blocks = await matching("LAS", from, to);
    expect(blocks.length).toBeGreaterThan(20);
    expect(requests).toEqual(runsOf(blocks));
    expect(figuresOf(page)).toEqual([1, sum(blocks)]);
    expect(sum(requests) / sum(blocks)).toBe(1);
  });

  it("of one record fetches one block", async () => {
    const { reader, requests } = await threeDatasets();
    const time = EPOCH + 5_000 * STEP;
    const page = await reader.read({ from: time, to: time + 1 });
    expect(recordsOf(page)).toHaveLength(2);
    const blocks = await matching("LAS", time, time + 1);
    expect(blocks).toHaveLength(1);
    expect(requests).toEqual(runsOf(blocks));
  });

  it("makes one request a page where the blocks of a page are neighbours, and fetches no block that the page does not need", async () => {
    const { reader, requests } = await threeDatasets();
    let cursor: string | undefined;
    for (let next = 0; next < 18_000; next += 1_000) {
      const page = await reader.read({ limit: 1_000, cursor });
      const times = recordsOf(page).map(({ time }) => Number(time));
      expect(times).toHaveLength(1_000);
      expect(requests).toHaveLength(1);
      const needed = await matching("LAS", times[0] ?? 0, (times.at(-1) ?? 0) + 1);
      // Whether there is more may stand in the next block.
      expect(sum(requests)).toBeLessThanOrEqual(sum(needed) + 4_096);
      expect(sum(requests)).toBeGreaterThanOrEqual(sum(needed));
      requests.length = 0;
      cursor = page.ok ? (page.nextCursor ?? undefined) : undefined;
    }
    expect(cursor).toBeUndefined();
  });

  it("makes one request also where the weight of the records ends the page", async () => {
    const { reader, requests } = await threeDatasets();
    const page = await reader.read({ limit: 10_000 }, { pageBytes: 64 * 1024 });
    expect(recordsOf(page).length).toBeLessThan(9_000);
    expect(requests).toHaveLength(1);
  });

  it("makes one request a file where files overlap in time, and one in all when they were merged", async () => {
    const settings = { blockBytes: 4 * 1024 };
    const archiver = new TestArchiver({ settings });
    for (let part = 0; part < 5; part += 1) {
      for (const datasetId of ["AAA", "LAS", "ZZZ"]) {
        await archiver.store(timed(1_000, { delay: part }), { datasetId });
      }
      await archiver.archive();
    }
    const { bucket, requests } = countedBucket();
    const reader = new TestArchiver({ bucket });
    for (const ranges of [5, 1]) {
      const page = await reader.read();
      expect(recordsOf(page)).toHaveLength(5_000);
      const blocks = await matching("LAS", 0, EPOCH + 400 * DAY);
      expect(inOrder(requests)).toEqual(runsOf(blocks));
      expect(figuresOf(page)).toEqual([ranges, sum(blocks)]);
      requests.length = 0;
      await compact(archiver.bindings, { force: true });
    }
  });

  it("does not fetch the blocks of later pages", async () => {
    const archiver = new TestArchiver();
    for (let day = 0; day < 5; day += 1) await archiver.store([flight(day * 1440), flight(day * 1440 + 1)]);
    await archiver.archive();
    expect(await archiver.read({ limit: 2 })).toMatchObject({ cold: 2, rangeReads: 2 });
    expect(await archiver.read({ limit: 10 })).toMatchObject({ cold: 10, rangeReads: 5, nextCursor: null });
  });

  it("ends a page when its records weigh as much as one call may carry, hot and cold", async () => {
    const archiver = new TestArchiver();
    await archiver.store(timed(60).filter((_, n) => n % 2 === 0));
    await archiver.archive();
    await archiver.store(timed(60).filter((_, n) => n % 2 === 1));
    const bytes = (await env.DB.prepare("SELECT bytes FROM buffer_logs").first<number>("bytes")) ?? 0;
    const result = await archiver.read({}, { pageBytes: bytes / 3 });
    expect(recordsOf(result)).toEqual(timed(10));
    expect(result).toMatchObject({ nextCursor: expect.any(String) });
    expect(recordsOf(await archiver.read({}, { pageBytes: 1 }))).toEqual(timed(1));
  });

  it("fetches no more than one block beyond a page's weight", async () => {
    const archiver = new TestArchiver();
    for (let n = 0; n < 6; n += 1) {
      await archiver.store([flight(n)]);
      await archiver.archive();
    }
    expect(await archiver.read({}, { pageBytes: 1 })).toMatchObject({ cold: 1, rangeReads: 2 });
  });
});

describe("the listing of a small page", () => {
  it("has the rows and blocks that the page may need, and no others", async () => {
    const archiver = new TestArchiver();
    for (let n = 0; n < 40; n += 1) await archiver.store([flight(2 * n), flight(2 * n + 1)]);
    const sizes: number[] = [];
    const db = new Proxy(env.DB, {
      get(target, name) {
        if (name !== "batch") return Reflect.get(target, name).bind(target);
        return async (statements: D1PreparedStatement[]) => {
          const results = await target.batch(statements);
          sizes.push(...results.map(({ results: rows }) => rows.length));
          return results;
        };
      },
    });
    const reader = new TestArchiver({ db });
    expect(await reader.read({ limit: 4 })).toMatchObject({ hot: 4, nextCursor: expect.any(String) });
    expect(sizes).toEqual([3, 0]);
    await archiver.archive({ rowsPerPass: 1, filesPerCommit: 1 });
    sizes.length = 0;
    expect(await reader.read({ limit: 4 })).toMatchObject({ cold: 4, rangeReads: 3 });
    expect(sizes).toEqual([0, 3]);
  });
});
