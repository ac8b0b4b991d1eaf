import { describe, expect, it } from "vitest";
import { measurePhase, promises, summary, type RehearsalReport } from "./report.ts";

const none = { requests: 0, canary: 0, failed: 0 };

const GOOD: RehearsalReport = {
  engine: "pulumi 3.259.0",
  provider: "local stand-in",
  records: { sent: 100, read: 100, lost: 0, doubled: 0, hot: 20, cold: 80 },
  bytes: { json: 10_000, cold: 2_000 },
  phases: [
    measurePhase(1, { read: { requests: 2_000, canary: 230, failed: 0 }, write: { ...none, requests: 50 } }),
    measurePhase(2, {
      read: { requests: 900, canary: 900, failed: 0 },
      write: { requests: 2_000, canary: 165, failed: 0 },
    }),
    measurePhase(3, {
      read: { requests: 90, canary: 90, failed: 0 },
      write: { requests: 40, canary: 40, failed: 0 },
    }),
  ],
  goodRollout: { requests: 5_000, failed: 0 },
  badCopies: { requests: 400, failed: 0, phase: 0, canaryAnswers: 0, reason: "gate" },
  badRollout: { requests: 500, failed: 0, spared: 15, secondsToZero: 1.2, reason: "gate" },
  rollback: {
    scripts: [
      { worker: "hub", from: "v2", to: "v1" },
      { worker: "archiver", from: "v2", to: "v1" },
    ],
    seconds: 1,
  },
  compaction: {
    before: { files: 9, blocks: 40, records: 100, bytes: 2_400 },
    after: { files: 3, blocks: 30, records: 100, bytes: 2_000 },
  },
  erasure: {
    datasetId: "ATL",
    sent: 10,
    found: 0,
    filesRewritten: 2,
    others: { sent: 90, read: 90, lost: 0, doubled: 0 },
  },
  verification: { files: 3, records: 90, faults: 0 },
  steps: [{ step: "Start the local cloud", seconds: 0.7 }],
  seconds: 50,
};

const broken = (change: Partial<RehearsalReport>): readonly string[] =>
  promises({ ...GOOD, ...change })
    .filter(({ kept }) => !kept)
    .map(({ text }) => text);

describe("the promises of a rehearsal", () => {
  it("are all kept by a good one", () => {
    expect(broken({})).toEqual([]);
  });

  it.each([
    ["a lost record", { records: { ...GOOD.records, lost: 1 } }, "1 lost"],
    ["a doubled record", { records: { ...GOOD.records, doubled: 2 } }, "2 doubled"],
    ["a failed request", { goodRollout: { requests: 5_000, failed: 1 } }, "1 of 5000 requests failed"],
    [
      "files that were not merged",
      { compaction: { ...GOOD.compaction, after: { ...GOOD.compaction.after, files: 9 } } },
      "9 → 9 files",
    ],
    [
      "a record that compaction lost",
      { compaction: { ...GOOD.compaction, after: { ...GOOD.compaction.after, records: 99 } } },
      "99 of 100 records",
    ],
    [
      "an erased record that is still read",
      { erasure: { ...GOOD.erasure, found: 1 } },
      "1 of its 10 records",
    ],
    [
      "a neighbour's record that an erasure took along",
      { erasure: { ...GOOD.erasure, others: { sent: 90, read: 89, lost: 1, doubled: 0 } } },
      "1 lost",
    ],
    ["a fault in the archive", { verification: { ...GOOD.verification, faults: 1 } }, "1 faults"],
    ["a bad one that users met", { badCopies: { ...GOOD.badCopies, phase: 1 } }, "0 of 400 requests met it"],
    ["a slow return", { badRollout: { ...GOOD.badRollout, secondsToZero: 10.1 } }, "10.1 s"],
    [
      "a rollback that changed nothing",
      { rollback: { ...GOOD.rollback, scripts: [{ worker: "hub", from: "v2", to: "v2" }] } },
      "rolled back (hub to v2)",
    ],
  ])("are broken by %s", (_, change, said) => {
    const [only, ...rest] = broken(change);
    expect(only).toContain(said);
    expect(rest).toEqual([]);
  });

  it.each([
    ["more than 12 % of reads in phase 1", 1, { requests: 2_000, canary: 241, failed: 0 }, none],
    [
      "one write in phase 1",
      1,
      { requests: 2_000, canary: 200, failed: 0 },
      { ...none, requests: 50, canary: 1 },
    ],
    ["a phase without reads", 2, none, { requests: 2_000, canary: 200, failed: 0 }],
    [
      "one read left on the stable lane in phase 3",
      3,
      { requests: 9, canary: 8, failed: 0 },
      { ...none, requests: 9, canary: 9 },
    ],
  ] as const)("are broken by %s", (_, phase, read, write) => {
    expect(broken({ phases: [measurePhase(phase, { read, write })] })).toHaveLength(1);
  });

  it("stand in the summary with what was measured", () => {
    const text = summary(GOOD);
    expect(text).toContain("11.5 % of 2000 reads");
    expect(text).toContain("20 records were read from D1 and 80 from R2");
    expect(text).toContain("local stand-in");
  });
});
