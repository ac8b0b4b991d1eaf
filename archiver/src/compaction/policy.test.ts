import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DAY, EPOCH } from "../../test/archiver.ts";
import type { Level } from "../cold/index.ts";
import { dayOf } from "../names.ts";
import {
  type ColdFile,
  MERGE_RECORD_BYTES,
  type Merge,
  monthOf,
  planCompaction,
  type PlanOptions,
  recordBytesOf,
  TARGET_BYTES,
} from "./policy.ts";

const HOUR = 3_600_000;
const KIB = 1024;
const MIB = 1024 * KIB;
const BLOCK_BYTES = 64 * KIB;

let ids = 0;

/** A file of the archive run of 2026-11-20. */
function file(fields: Partial<ColdFile> = {}): ColdFile {
  ids += 1;
  return {
    id: ids,
    table: "flights",
    period: "2026_11_20",
    fingerprint: "f1",
    codec: "deflate",
    level: 0,
    size: 100 * KIB,
    blocks: 4,
    retainedFrom: EPOCH + 12 * HOUR,
    ...fields,
  };
}

const files = (count: number, fields: Partial<ColdFile> = {}): readonly ColdFile[] =>
  Array.from({ length: count }, () => file(fields));

/** A day after the day of `file`, in a stack that keeps everything. */
function plan(
  list: readonly ColdFile[],
  { coldExpiryDays = null, ...options }: Partial<PlanOptions> & { coldExpiryDays?: number | null } = {},
): readonly Merge[] {
  return planCompaction(list, {
    now: EPOCH + 2 * DAY,
    force: false,
    settings: { coldExpiryDays, blockBytes: BLOCK_BYTES },
    ...options,
  });
}

const sizesOf = (merges: readonly Merge[]): readonly number[] => merges.map(({ sources }) => sources.length);

/** The files as they are after merges; a merged file has the bytes of its sources. */
function apply(list: readonly ColdFile[], merges: readonly Merge[]): readonly ColdFile[] {
  const gone = new Set(merges.flatMap(({ sources }) => sources));
  const made = merges.map(({ period, level, sources }) => {
    const total = (count: (source: ColdFile) => number): number =>
      sources.reduce((sum, source) => sum + count(source), 0);
    return file({
      ...sources[0],
      id: (ids += 1),
      period,
      level,
      size: total(({ size }) => size),
      blocks: total(({ blocks }) => blocks),
      retainedFrom: Math.max(...sources.map(({ retainedFrom }) => retainedFrom)),
    });
  });
  return [...list.filter((one) => !gone.has(one)), ...made];
}

/** Plans and merges until nothing is due. @returns the files, and the bytes that were written */
function settle(
  list: readonly ColdFile[],
  options: Parameters<typeof plan>[1] = {},
): { readonly list: readonly ColdFile[]; readonly written: number } {
  let current = list;
  let written = 0;
  for (let round = 0; round <= list.length; round += 1) {
    const merges = plan(current, options);
    if (merges.length === 0) return { list: current, written };
    written += merges.flatMap(({ sources }) => sources).reduce((sum, { size }) => sum + size, 0);
    current = apply(current, merges);
  }
  throw new Error("planning does not end");
}

describe("the files of a day", () => {
  it("are merged two hours after its end", () => {
    const list = files(3);
    const closes = EPOCH + DAY + 2 * HOUR;
    expect(plan(list, { now: closes - 1 })).toEqual([]);
    expect(plan(list, { now: closes })).toEqual([{ period: "2026_11_20", level: 1, sources: list }]);
  });

  it("are merged before, when eight have gathered", () => {
    const now = EPOCH + DAY / 2;
    expect(plan(files(7), { now })).toEqual([]);
    expect(sizesOf(plan(files(8), { now }))).toEqual([8]);
    expect(plan([...files(7), file({ level: 1 })], { now })).toEqual([]);
  });

  it("are merged at any time by force, and never one alone", () => {
    const now = EPOCH + DAY / 2;
    expect(sizesOf(plan(files(2), { now, force: true }))).toEqual([2]);
    expect(plan(files(1), { now, force: true })).toEqual([]);
  });

  it("of other tables, periods, schemas or codecs stay apart", () => {
    const others = [
      file({ table: "earthquakes" }),
      file({ period: "2026_11_19" }),
      file({ fingerprint: "f2" }),
      file({ codec: "zstandard" }),
    ];
    expect(plan([file(), ...others])).toEqual([]);
  });

  it("take a small merged file in, and leave a large one out", () => {
    const late = files(2, { size: 100 });
    expect(sizesOf(plan([...late, file({ level: 1, size: 400 })]))).toEqual([3]);
    expect(sizesOf(plan([...late, file({ level: 1, size: 401 })]))).toEqual([2]);
  });
});

describe("a period that is no day", () => {
  it("is closed when nothing came for a day", () => {
    const list = files(2, { period: "summer-2026", retainedFrom: EPOCH });
    expect(plan(list, { now: EPOCH + DAY - 1 })).toEqual([]);
    expect(sizesOf(plan(list, { now: EPOCH + DAY }))).toEqual([2]);
  });

  it("belongs to no month, even if it is called like one", () => {
    const now = EPOCH + 60 * DAY;
    expect(plan([file({ period: "2026_11", level: 1 }), file({ level: 1 })], { now })).toEqual([]);
    expect(monthOf("2026_11_31")).toBeNull();
    expect(monthOf("2026_13_01")).toBeNull();
    expect(monthOf("2024_02_29")).toBe("2024_02");
  });
});

describe("the days of a month", () => {
  const days = (count: number): readonly ColdFile[] =>
    Array.from({ length: count }, (_, day) =>
      file({
        period: `2026_11_${String(day + 1).padStart(2, "0")}`,
        level: 1,
        retainedFrom: Date.UTC(2026, 10, day + 2),
      }),
    );
  const closes = Date.UTC(2026, 11, 3);

  it("are merged two days after its end", () => {
    expect(plan(days(30), { now: closes - 1 })).toEqual([]);
    expect(plan(days(30), { now: closes })).toMatchObject([{ period: "2026_11", level: 2 }]);
  });

  it("wait until none of them has something to merge", () => {
    const list = [...days(30), ...files(2)];
    expect(plan(list, { now: closes })).toMatchObject([{ period: "2026_11_20", level: 1 }]);
    expect(settle(list, { now: closes }).list).toMatchObject([{ period: "2026_11", level: 2 }]);
  });

  it("include one that never had a second file", () => {
    expect(sizesOf(plan([...days(5), file({ period: "2026_11_29" })], { now: closes }))).toEqual([6]);
  });

  it("stay days in a stack that keeps records for less than 90", () => {
    expect(sizesOf(plan(days(30), { now: closes, coldExpiryDays: 90 }))).toEqual([17, 13]);
    expect(plan(days(30), { now: closes, coldExpiryDays: 89 })).toEqual([]);
  });

  it("take a late day in only when it is worth writing the month again", () => {
    const month = file({ period: "2026_11", level: 2, size: 3 * MIB });
    const late = (size: number): ColdFile => file({ period: "2026_11_20", size });
    expect(plan([month, late(MIB)], { now: closes })).toEqual([]);
    expect(sizesOf(plan([month, late(2 * MIB)], { now: closes }))).toEqual([2]);
  });
});

describe("retention", () => {
  it("is begun together by all sources: none is kept two fifths of the expiry too long", () => {
    const at = (day: number): ColdFile => file({ retainedFrom: EPOCH + day * DAY });
    const list = [at(0), at(1), at(4), at(5), at(9)];
    const merges = plan(list, { now: EPOCH + 9 * DAY, coldExpiryDays: 10 + 1 });
    expect(merges.map(({ sources }) => sources)).toEqual([list.slice(0, 3)]);
  });

  it("is stretched once, however often records come late and are merged with older ones", () => {
    const oldest = new Map<ColdFile, number>();
    const oldestOf = (one: ColdFile): number => oldest.get(one) ?? one.retainedFrom;
    let list: readonly ColdFile[] = [];
    let longest = 0;
    for (let day = 0; day < 200; day += 1) {
      const now = EPOCH + day * DAY;
      const size = list.reduce((most, one) => Math.max(most, one.size), 100);
      if (day % 10 === 0) list = [...list, file({ retainedFrom: now, size })];
      for (const merge of plan(list, { now, coldExpiryDays: 30 })) {
        const merged = apply(merge.sources, [merge]);
        for (const one of merged) oldest.set(one, Math.min(...merge.sources.map(oldestOf)));
        list = [...list.filter((one) => !merge.sources.includes(one)), ...merged];
      }
      list = list.filter(({ retainedFrom }) => retainedFrom > now - 30 * DAY);
      longest = list.reduce((most, one) => Math.max(most, now - oldestOf(one)), longest);
    }
    expect(longest).toBeGreaterThan(30 * DAY);
    expect(longest).toBeLessThan(42 * DAY);
  });

  it("does not reach a file twice: one that expires within a day is left to it", () => {
    const list = files(2, { retainedFrom: EPOCH });
    expect(plan(list, { now: EPOCH + 29 * DAY - 2 * HOUR, coldExpiryDays: 30 })).toHaveLength(1);
    expect(plan(list, { now: EPOCH + 29 * DAY, coldExpiryDays: 30 })).toEqual([]);
  });
});

describe("a merge", () => {
  it("takes 64 files, 32 MiB and 50,000 blocks; a longer list becomes several", () => {
    expect(sizesOf(plan(files(150)))).toEqual([64, 64, 22]);
    expect(sizesOf(plan(files(40, { size: MIB, blocks: 4 })))).toEqual([32, 8]);
    expect(sizesOf(plan(files(8, { blocks: 20_000, size: 10 * KIB })))).toEqual([2, 2, 2, 2]);
  });

  it("takes no file that has reached the target", () => {
    expect(plan([...files(1), file({ size: TARGET_BYTES })])).toEqual([]);
  });

  it("takes no more records than a call has time for, judged by full blocks", () => {
    const list = files(4, { size: 7 * MIB, blocks: 1_024 });
    expect(sizesOf(plan(list))).toEqual([3]);
    expect(recordBytesOf({ blocks: 1_024, size: 7 * MIB }, BLOCK_BYTES)).toBe(64 * MIB);
    expect(MERGE_RECORD_BYTES).toBe(3 * 64 * MIB);
  });
});

const anyFile = fc
  .record({
    table: fc.constantFrom("flights", "earthquakes"),
    day: fc.integer({ min: 0, max: 70 }),
    fingerprint: fc.constantFrom("f1", "f2"),
    codec: fc.constantFrom("deflate", "null"),
    level: fc.constantFrom<Level>(0, 0, 0, 1, 2),
    size: fc.oneof(fc.integer({ min: 200, max: 5_000 }), fc.integer({ min: 200, max: 40 * MIB })),
    blocks: fc.integer({ min: 1, max: 30_000 }),
    lateBy: fc.integer({ min: 0, max: 20 * DAY }),
    tag: fc.option(fc.constantFrom("spring", "2026_10"), { freq: 6 }),
  })
  .map(({ day, lateBy, tag, ...fields }): ColdFile => {
    const time = EPOCH - 60 * DAY + day * DAY;
    const period = tag ?? dayOf(time);
    const month = fields.level === 2 && tag === null;
    return file({ ...fields, period: month ? period.slice(0, 7) : period, retainedFrom: time + lateBy });
  });
const options = fc.record({
  now: fc.integer({ min: EPOCH, max: EPOCH + 40 * DAY }),
  force: fc.boolean(),
  coldExpiryDays: fc.constantFrom(null, 30, 120, 400),
});
const groupOf = ({ table, fingerprint, codec }: ColdFile): string => `${table} ${fingerprint} ${codec}`;

describe("a plan, whatever files there are,", () => {
  it("names no file twice, mixes nothing, and keeps every bound", () => {
    fc.assert(
      fc.property(fc.array(anyFile, { maxLength: 120 }), options, (list, chosen) => {
        const merges = plan(list, chosen);
        const named = merges.flatMap(({ sources }) => sources);
        expect(new Set(named).size).toBe(named.length);
        for (const { sources, level, period } of merges) {
          expect(sources.length).toBeGreaterThanOrEqual(2);
          expect(sources.length).toBeLessThanOrEqual(64);
          expect(new Set(sources.map(groupOf)).size).toBe(1);
          for (const source of sources) {
            expect(source.level).toBeLessThanOrEqual(level);
            expect(level === 1 ? source.period : source.period.slice(0, 7)).toBe(period);
          }
          expect(sources.reduce((sum, { size }) => sum + size, 0)).toBeLessThanOrEqual(TARGET_BYTES);
          expect(sources.reduce((sum, { blocks }) => sum + blocks, 0)).toBeLessThanOrEqual(50_000);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("comes to an end, and writes no byte more often than twice and a logarithm", () => {
    fc.assert(
      fc.property(fc.array(anyFile, { maxLength: 120 }), options, (list, chosen) => {
        const bytes = list.reduce((sum, { size }) => sum + size, 0);
        const { written } = settle(list, chosen);
        const smallest = Math.min(TARGET_BYTES, ...list.map(({ size }) => size));
        const growths = Math.log(TARGET_BYTES / smallest) / Math.log(1.5);
        expect(written).toBeLessThanOrEqual(bytes * (2 + growths));
      }),
      { numRuns: 300 },
    );
  });
});

/** An archive that gets a file every hour, and one late file in twenty; compacted every hour. */
function simulate(days: number, sizeOf: (hour: number) => number): Readonly<Record<string, number>> {
  let list: readonly ColdFile[] = [];
  let stored = 0;
  let written = 0;
  let most = 0;
  const start = Date.UTC(2026, 8, 1);
  for (let hour = 0; hour < days * 24; hour += 1) {
    const now = start + hour * HOUR;
    const time = hour % 20 === 0 ? now - 3 * DAY : now - HOUR;
    const fresh = file({ period: dayOf(time), size: sizeOf(hour), retainedFrom: now });
    stored += fresh.size;
    const settled = settle([...list, fresh], { now });
    list = settled.list;
    written += settled.written;
    most = Math.max(most, list.length);
  }
  return { amplification: written / stored, files: list.length, most };
}

describe("an archive that is compacted every hour for 90 days", () => {
  it("writes each byte less than three times again, and keeps fewer than 100 of 2,160 files", () => {
    for (const sizeOf of [
      () => 200 * KIB,
      (hour: number) => 20 * KIB * (1 + (hour % 24)),
      (hour: number) => ((hour * 7919) % 1000) * KIB + 300,
    ]) {
      const { amplification, files: left, most } = simulate(90, sizeOf);
      expect(amplification).toBeLessThan(3);
      expect(left).toBeLessThan(100);
      expect(most).toBeLessThan(100);
    }
  });
});
