import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { neededOf } from "./need.ts";
import type { HotRow, Snapshot, StoredBlock } from "./store.ts";

interface Extent {
  readonly minTime: number;
  readonly maxTime: number;
  readonly recordCount: number;
}

const row = (extent: Extent, id = 1): HotRow => ({
  ...extent,
  id,
  messageId: `m${id}`,
  fingerprint: "",
  bytes: 1,
  data: null,
});
const block = (extent: Extent, state: StoredBlock["state"] = "live"): StoredBlock => ({
  ...extent,
  state,
  filePath: "",
  codec: "",
  sync: "",
  fingerprint: "",
  start: 0,
  length: 1,
  crc32: 0,
});
const ALL = Number.POSITIVE_INFINITY;
const QUERY = { to: 1_000, wholeFrom: 0, limit: 10 };
const times = (snapshot: Snapshot): readonly number[] =>
  [...snapshot.hot, ...snapshot.cold].map(({ minTime }) => minTime);

describe("what a page needs of a snapshot", () => {
  const ten = (minTime: number): Extent => ({ minTime, maxTime: minTime + 9, recordCount: 10 });

  it("ends where the records that lie wholly before are more than the limit", () => {
    const snapshot = {
      hot: [row(ten(0)), row(ten(50))],
      cold: [block(ten(10)), block(ten(20))],
      completeBefore: ALL,
    };
    const needed = neededOf(snapshot, QUERY);
    expect(times(needed)).toEqual([0, 10]);
    expect(needed.completeBefore).toBe(20);
  });

  it("is everything when that is not enough", () => {
    const snapshot = { hot: [row(ten(0))], cold: [], completeBefore: 70 };
    expect(neededOf(snapshot, QUERY)).toEqual(snapshot);
  });

  it("does not count on lost blocks, nor on what the range cuts", () => {
    const snapshot = {
      hot: [row({ minTime: -5, maxTime: 5, recordCount: 100 })],
      cold: [
        block(ten(10), "lost"),
        block(ten(20)),
        block({ minTime: 25, maxTime: 2_000, recordCount: 100 }),
      ],
      completeBefore: ALL,
    };
    expect(neededOf(snapshot, QUERY)).toEqual(snapshot);
  });

  it("holds the first records of the range, whatever the sources are", () => {
    const source = fc
      .array(fc.nat(60), { minLength: 1, maxLength: 6 })
      .map((all) => ({ all: all.sort((a, b) => a - b), isHot: all.length % 2 === 0 }));
    fc.assert(
      fc.property(
        fc.array(source, { maxLength: 8 }),
        fc.record({
          wholeFrom: fc.nat(30),
          to: fc.integer({ min: 31, max: 61 }),
          limit: fc.integer({ min: 1, max: 9 }),
        }),
        (sources, query) => {
          const extent = (all: readonly number[]): Extent => ({
            minTime: Math.min(...all),
            maxTime: Math.max(...all),
            recordCount: all.length,
          });
          const sorted = sources.sort((a, b) => extent(a.all).minTime - extent(b.all).minTime);
          const snapshot = {
            hot: sorted.filter(({ isHot }) => isHot).map(({ all }) => row(extent(all))),
            cold: sorted.filter(({ isHot }) => !isHot).map(({ all }) => block(extent(all))),
            completeBefore: ALL,
          };
          const needed = neededOf(snapshot, query);
          const inRange = sources
            .flatMap(({ all }) => all)
            .filter((time) => time >= query.wholeFrom && time < query.to)
            .sort((a, b) => a - b);
          const last = inRange[query.limit] ?? ALL;
          expect(needed.completeBefore).toBeGreaterThan(last === ALL ? 0 : last);
          const within = (part: Snapshot): readonly number[] => times(part).filter((time) => time <= last);
          expect(within(needed)).toEqual(within(snapshot));
          expect(times(needed).every((time) => time < needed.completeBefore)).toBe(true);
        },
      ),
    );
  });
});
