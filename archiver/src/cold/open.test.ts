import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { coalesce, type ColdBlock, MAX_RANGE_BYTES } from "./index.ts";

describe("coalescing", () => {
  const block = (filePath: string, start: number, length: number): ColdBlock => ({
    filePath,
    start,
    length,
    codec: "deflate",
    sync: "",
    fingerprint: "",
    crc32: 0,
    recordCount: 1,
    minTime: 0,
  });

  it("joins neighbours of one file, and only them, in any order", () => {
    const blocks = [
      block("b", 30, 10),
      block("a", 110, 20),
      block("a", 100, 10),
      block("a", 140, 5),
      block("b", 20, 10),
    ];
    expect(coalesce(blocks).map(({ filePath, offset, length }) => [filePath, offset, length])).toEqual([
      ["a", 100, 30],
      ["a", 140, 5],
      ["b", 20, 20],
    ]);
  });

  it("covers every block once, byte for byte", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 50 }), fc.boolean()), { maxLength: 20 }),
        (parts) => {
          let offset = 100;
          const blocks = parts.flatMap(([length, wanted]) => {
            const start = offset;
            offset += length;
            return wanted ? [block("a", start, length)] : [];
          });
          const ranges = coalesce(blocks);
          expect(ranges.flatMap((range) => range.blocks)).toEqual(blocks);
          for (const range of ranges) {
            expect(range.offset).toBe(range.blocks[0]?.start);
            expect(range.length).toBe(range.blocks.reduce((sum, { length }) => sum + length, 0));
          }
        },
      ),
    );
  });

  it("keeps a request within its bound", () => {
    const half = MAX_RANGE_BYTES / 2;
    const ranges = coalesce([block("a", 0, half), block("a", half, half), block("a", 2 * half, half)]);
    expect(ranges.map(({ length }) => length)).toEqual([MAX_RANGE_BYTES, half]);
  });
});
