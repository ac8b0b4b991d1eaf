import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { shapeFaults } from "./shape.ts";

describe("the shape of an answer", () => {
  it.each<readonly [string, unknown, unknown, readonly string[]]>([
    ["is kept with other values", { id: 1, name: "a" }, { id: 2, name: "b" }, []],
    ["may grow", { id: 1 }, { id: 1, more: true }, []],
    ["must not lose a field", { id: 1, name: "a" }, { id: 1 }, ["name is missing"]],
    ["must not lose a field further in", { a: { b: { c: 1 } } }, { a: { b: {} } }, ["a.b.c is missing"]],
    ["must not change a kind", { id: 1 }, { id: "1" }, ["id is of kind string, not number"]],
    ["is not an object any more", { id: 1 }, [], ["the answer is of kind array, not object"]],
    ["may have null on either side", { a: 1, b: null }, { a: null, b: 1 }, []],
    ["is looked at in the elements of a list", [{ id: 1 }], [{ name: "a" }], ["[].id is missing"]],
    ["says nothing with an empty list", { items: [{ id: 1 }] }, { items: [] }, []],
    [
      "finds an optional field in any element",
      [{ id: 1 }, { id: 2, note: "x" }],
      [{ id: 1, note: "y" }, { id: 2 }],
      [],
    ],
    [
      "compares lists of plain values",
      { tags: ["a"] },
      { tags: [1] },
      ["tags[] is of kind number, not string"],
    ],
  ])("%s", (_, good, found, faults) => {
    expect(shapeFaults(good, found)).toEqual(faults);
  });

  it("is always its own, and that of itself with more", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.dictionary(fc.string(), fc.jsonValue()), (value, more) => {
        expect(shapeFaults(value, value)).toEqual([]);
        if (typeof value !== "object" || value === null || Array.isArray(value)) return;
        expect(shapeFaults(value, { ...more, ...value })).toEqual([]);
      }),
    );
  });

  it("is not kept when any field is taken away", () => {
    const objects = fc.dictionary(fc.string({ minLength: 1 }), fc.integer(), { minKeys: 1 });
    fc.assert(
      fc.property(objects, (good) => {
        for (const name of Object.keys(good)) {
          const { [name]: _gone, ...rest } = good;
          expect(shapeFaults(good, rest)).toEqual([`${name} is missing`]);
        }
      }),
    );
  });
});
