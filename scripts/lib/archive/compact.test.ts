import { describe, expect, it } from "vitest";
import { BUSY, FakeHub, problem } from "../test/fake-hub.ts";
import { failure } from "../test/released.ts";
import { compactArchive, compactedText, retainArchive, retainedLines } from "./compact.ts";

const COMPACT = "POST /admin/archive/compact";
const RETAIN = "POST /admin/archive/retain";
const spent = {
  d1Queries: 1,
  d1RowsRead: 1,
  d1RowsWritten: 1,
  r2ClassA: 1,
  r2ClassB: 1,
  r2BytesRead: 1,
  r2BytesWritten: 1,
  compressedBytes: 1,
  decompressedBytes: 1,
};
const run = (merges: number, remaining: number, ran = true) => ({
  body: {
    ran,
    merges,
    remaining,
    records: 100,
    filesBefore: 10,
    filesAfter: 1,
    blocksBefore: 20,
    blocksAfter: 5,
    bytesBefore: 2_000,
    bytesAfter: 1_500,
    spent,
  },
});

const stats = (files: number, blocks: number, bytes: number) => ({
  body: {
    hot: { rows: 0, records: 0, bytes: 0 },
    cold: { files, blocks, records: 200, bytes },
    replaced: { files: 0, bytes: 0 },
    lost: { files: 0, records: 0 },
    deadLetters: 0,
  },
});

/** A hub whose archive shrinks. */
const compacting = async (...runs: Parameters<FakeHub["on"]>[1][]): Promise<FakeHub> =>
  (await FakeHub.start())
    .on("GET /admin/archive/stats", stats(20, 40, 4_000), stats(2, 10, 3_000))
    .on(COMPACT, ...runs);

describe("a compaction", () => {
  it("is repeated until nothing is left to merge, and says what was cold before and after", async () => {
    const hub = await compacting(run(2, 3), run(3, 0));
    const result = await compactArchive(hub.operator(), true);
    expect(result).toMatchObject({ merges: 5, remaining: 0, records: 200 });
    expect(compactedText(result)).toBe("20 → 2 files, 40 → 10 blocks, 4.00 kB → 3.00 kB");
    expect(hub.bodies(COMPACT)).toEqual([{ force: true }, { force: true }]);
  });

  it("ends when a run merges nothing although something is left", async () => {
    const hub = await compacting(run(1, 2), run(0, 2));
    expect(await compactArchive(hub.operator(), false)).toMatchObject({ merges: 1, remaining: 2 });
  });

  it("waits for another run, however the hub says that there is one", async () => {
    const hub = await compacting(BUSY, run(0, 0, false), run(1, 0));
    expect(await compactArchive(hub.operator(), false)).toMatchObject({ merges: 1 });
    expect(hub.told).toEqual([
      "another run works on the archive; waiting 7 s",
      "another run works on the archive; waiting 5 s",
    ]);
  });

  it("gives up when the other run does not end", async () => {
    const hub = await compacting(run(0, 0, false));
    expect((await failure(compactArchive(hub.operator(), false))).message).toContain("does not end");
  });

  it("fails when a later run does", async () => {
    const hub = await compacting(run(2, 3), problem(500, "internal-error"));
    expect((await failure(compactArchive(hub.operator(), false))).message).toContain("answered 500");
  });
});

describe("retention", () => {
  it("clears away once, when no other run does", async () => {
    const cleared = {
      ran: true,
      expiredFiles: 1,
      expiredRecords: 2,
      replacedFiles: 3,
      deletedBytes: 4,
      orphans: 5,
      lostFiles: 6,
      forgotten: 7,
      spent,
    };
    const hub = (await FakeHub.start()).on(RETAIN, { body: { ...cleared, ran: false } }, { body: cleared });
    expect(await retainArchive(hub.operator())).toEqual(cleared);
    expect(hub.requests).toHaveLength(2);
  });

  it("says what it newly found lost, and what was lost and is there again", () => {
    const cleared = {
      expiredFiles: 0,
      expiredRecords: 0,
      replacedFiles: 0,
      deletedBytes: 0,
      orphans: 0,
      lostFiles: 1,
      restoredFiles: 2,
      forgotten: 0,
      spent,
    };
    expect(retainedLines(cleared)).toEqual(
      expect.arrayContaining([
        "1 file newly found lost: its object is missing",
        "2 files restored: what was lost is there again",
      ]),
    );
  });
});
