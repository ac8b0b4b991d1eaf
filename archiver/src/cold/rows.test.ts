import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  countOf,
  decodeRows,
  encodeRows,
  intersectRows,
  type RowSet,
  RowSetError,
  rowsOf,
  unionRows,
} from "./rows.ts";

const ids = fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 40 });

/** The ids of a set, one by one; fails where the set is not in its one form. */
function idsOf(rows: RowSet): readonly number[] {
  for (const [index, [first, last]] of rows.entries()) {
    expect(first).toBeLessThanOrEqual(last);
    expect(first).toBeGreaterThan((rows[index - 1]?.[1] ?? -1) + 1);
  }
  return rows.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, n) => first + n));
}

const sorted = (list: readonly number[]): readonly number[] => [...new Set(list)].sort((a, b) => a - b);

describe("a set of rows", () => {
  it("holds the ids that it was made of, in as few ranges as there can be", () => {
    fc.assert(
      fc.property(ids, (list) => {
        expect(idsOf(rowsOf(list))).toEqual(sorted(list));
        expect(countOf(rowsOf(list))).toBe(new Set(list).size);
      }),
    );
  });

  it("joins and meets as sets do", () => {
    fc.assert(
      fc.property(ids, ids, (a, b) => {
        expect(idsOf(unionRows(rowsOf(a), rowsOf(b)))).toEqual(sorted([...a, ...b]));
        expect(idsOf(intersectRows(rowsOf(a), rowsOf(b)))).toEqual(sorted(a.filter((id) => b.includes(id))));
      }),
    );
  });

  it("comes back from its text, also when it is empty or its ids are as large as they can be", () => {
    fc.assert(
      fc.property(fc.array(fc.maxSafeNat().map((id) => Math.max(id, 1))), (list) => {
        const rows = rowsOf(list);
        expect(decodeRows(encodeRows(rows))).toEqual(rows);
      }),
    );
    expect(decodeRows(encodeRows([]))).toEqual([]);
  });

  it("takes a few bytes when it is dense, whatever its size", () => {
    expect(encodeRows([[1, 2_000_000]]).length).toBeLessThan(24);
    const every = Array.from({ length: 2_000 }, (_, n) => 2 * n + 1);
    expect(encodeRows(rowsOf(every)).length).toBeLessThan(200);
  });

  const text = (pairs: string): string => deflateRawSync(pairs).toString("base64");

  it.each([
    ["nothing", ""],
    ["what is not base64", "!!!!"],
    ["what does not inflate", Buffer.from("rows").toString("base64")],
    ["a pair without a length", text("1")],
    ["a negative gap", text("5+1 -3+1")],
    ["ranges that overlap", text("5+3 0+1")],
    ["a row 0", text("0+3")],
    ["a fraction", text("1.5+1")],
    ["spaces between pairs", text("1+1  2+1")],
    ["a number beyond 53 bits", text("1+9007199254740993")],
    ["a number without end", text(`${"9".repeat(400)}+1`)],
    ["other digits", text("١+١")],
  ])("refuses %s", (_, hostile) => {
    expect(() => decodeRows(hostile)).toThrow(RowSetError);
  });

  /** What a text is taken for; nothing where it is refused as it should be. */
  function decoded(hostile: string): RowSet {
    try {
      return decodeRows(hostile);
    } catch (error) {
      if (error instanceof RowSetError) return [];
      throw error;
    }
  }

  it("refuses any text, or takes it for a set", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string().map(text), fc.stringMatching(/^[0-9+ ]*$/).map(text)),
        (hostile) => {
          const rows = decoded(hostile);
          expect(unionRows(rows)).toEqual(rows);
          expect(decodeRows(encodeRows(rows))).toEqual(rows);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it("refuses a text that inflates without end", () => {
    expect(() =>
      decodeRows(deflateRawSync(Buffer.alloc(80 * 1024 * 1024, "1+1 ")).toString("base64")),
    ).toThrow(RowSetError);
  });
});
