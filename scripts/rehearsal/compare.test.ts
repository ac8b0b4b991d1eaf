import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addComparisons, compareRecords } from "./compare.ts";

const record = fc.record({ time: fc.integer({ min: 0, max: 3 }), delay: fc.integer({ min: 0, max: 2 }) });

describe("comparing sent with read records", () => {
  it("finds nothing wrong in any other order of the same records", () => {
    fc.assert(
      fc.property(fc.array(record), (records) => {
        expect(compareRecords(records, records.toReversed())).toMatchObject({ lost: 0, doubled: 0 });
      }),
    );
  });

  it("counts one lost for each record left out and one doubled for each repeated", () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1 }), fc.nat(), (records, seed) => {
        const index = seed % records.length;
        const without = records.toSpliced(index, 1);
        const repeated = [...records, ...records.slice(index, index + 1)];
        expect(compareRecords(records, without)).toMatchObject({ lost: 1, doubled: 0 });
        expect(compareRecords(records, repeated)).toMatchObject({ lost: 0, doubled: 1 });
      }),
    );
  });

  it("sees a changed record as one lost and one that was never sent", () => {
    expect(compareRecords([{ time: 1, delay: 2 }], [{ time: 1, delay: 3 }])).toEqual({
      sent: 1,
      read: 1,
      lost: 1,
      doubled: 1,
    });
  });

  it("does not mind the order of fields", () => {
    expect(compareRecords([{ a: 1, b: 2 }], [{ b: 2, a: 1 }])).toMatchObject({ lost: 0, doubled: 0 });
  });

  it("adds comparisons up", () => {
    const one = compareRecords([{ a: 1 }], []);
    expect(addComparisons([one, one])).toEqual({ sent: 2, read: 0, lost: 2, doubled: 0 });
  });
});
