import { describe, expect, it } from "vitest";
import { FakeHub } from "../test/fake-hub.ts";
import { failure } from "../test/released.ts";
import { archiveAll, archivedLines, statsLines } from "./run.ts";

const RUN = "POST /admin/archive/run";
const spent = {
  d1Queries: 2,
  d1RowsRead: 300,
  d1RowsWritten: 40,
  r2ClassA: 1,
  r2ClassB: 0,
  r2BytesRead: 0,
  r2BytesWritten: 5_000,
  compressedBytes: 20_000,
  decompressedBytes: 0,
};
const run = (hotRows: number, remaining: number, ran = true) => ({
  body: { ran, files: 1, blocks: 2, records: hotRows * 10, hotRows, coldBytes: 5_000, remaining, spent },
});

describe("archiving now", () => {
  it("is repeated until nothing is left, and says what it took in all", async () => {
    const hub = (await FakeHub.start()).on(RUN, run(100, 50), run(0, 0, false), run(50, 0));
    const total = await archiveAll(hub.operator());
    expect(total).toMatchObject({
      runs: 2,
      records: 1_500,
      hotRows: 150,
      remaining: 0,
      spent: { d1Queries: 4 },
    });
    expect(archivedLines(total)).toEqual([
      "archived  1,500 records of 150 rows in 2 runs",
      "to        2 files, 4 blocks, 10.00 kB",
      "D1        4 queries, 600 rows read, 80 written",
      "R2        2 class A, 0 class B, 0 bytes read, 10.00 kB written",
      "CPU       40.00 kB compressed, 0 bytes decompressed",
    ]);
    expect(hub.told).toContain("1,000 records archived, 50 rows to go");
  });

  it("ends when runs move nothing although something is left", async () => {
    const hub = (await FakeHub.start()).on(RUN, run(1, 7), run(0, 7));
    expect((await failure(archiveAll(hub.operator()))).message).toContain("7 hot rows are left");
    expect(hub.requests).toHaveLength(4);
  });
});

it("the stats are a line for each place", () => {
  expect(
    statsLines({
      hot: { rows: 2, records: 20, bytes: 999 },
      cold: { files: 1, blocks: 3, records: 1_440, bytes: 65_536 },
      replaced: { files: 0, bytes: 0 },
      lost: { files: 2, records: 9 },
      deadLetters: 4,
    }),
  ).toEqual([
    "hot           20 records in 2 rows, 999 bytes",
    "cold          1,440 records in 1 file, 3 blocks, 65.54 kB",
    "replaced      0 files, 0 bytes; no longer read, deleted after a grace",
    "lost          2 files, 9 records",
    "dead letters  4",
  ]);
});
