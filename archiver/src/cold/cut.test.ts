import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BlockCutter, type CutBlock } from "./cut.ts";

type Entry = readonly [bytes: Uint8Array, time: number];

function cut(entries: readonly Entry[], targetBytes: number): readonly CutBlock[] {
  const cutter = new BlockCutter("LAS", targetBytes);
  const blocks: CutBlock[] = [];
  for (const [bytes, time] of entries) {
    const full = cutter.add(bytes, time);
    if (full !== null) blocks.push(full);
  }
  const last = cutter.flush();
  return last === null ? blocks : [...blocks, last];
}

const entries = fc.array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.nat(100)), {
  maxLength: 60,
});

describe("a block cutter", () => {
  it("keeps every record, in its order, and says when a block begins and ends", () => {
    fc.assert(
      fc.property(entries, fc.integer({ min: 1, max: 100 }), (records, target) => {
        const blocks = cut(records, target);
        const joined = Buffer.concat(blocks.map((block) => block.records));
        expect(joined).toEqual(Buffer.concat(records.map(([bytes]) => bytes)));
        let next = 0;
        for (const block of blocks) {
          const of = records.slice(next, next + block.recordCount);
          expect(block).toMatchObject({ datasetId: "LAS", minTime: of[0]?.[1], maxTime: of.at(-1)?.[1] });
          expect(block.records.length).toBe(of.reduce((sum, [bytes]) => sum + bytes.length, 0));
          next += block.recordCount;
        }
        expect(next).toBe(records.length);
      }),
    );
  });

  it("makes no block larger than the target but of a single larger record, and none smaller than it must", () => {
    fc.assert(
      fc.property(entries, fc.integer({ min: 1, max: 100 }), (records, target) => {
        const blocks = cut(records, target);
        let next = 0;
        for (const { recordCount, records: bytes } of blocks) {
          expect(bytes.length <= target || recordCount === 1).toBe(true);
          next += recordCount;
          const following = records[next]?.[0].length ?? Number.POSITIVE_INFINITY;
          expect(bytes.length + following).toBeGreaterThan(target);
        }
      }),
    );
  });

  it("copies records: what becomes of their buffer later does not change a block", () => {
    const bytes = Uint8Array.of(1, 2, 3);
    const cutter = new BlockCutter("LAS", 100);
    cutter.add(bytes, 1);
    bytes.fill(9);
    const block = cutter.flush();
    cutter.add(Uint8Array.of(7, 7, 7), 2);
    expect(block?.records).toEqual(Buffer.from([1, 2, 3]));
  });

  it("has no last block when nothing was added since the one before", () => {
    const cutter = new BlockCutter("LAS", 100);
    expect(cutter.flush()).toBeNull();
    cutter.add(Uint8Array.of(1), 1);
    expect([cutter.flush()?.recordCount, cutter.flush()]).toEqual([1, null]);
  });
});
