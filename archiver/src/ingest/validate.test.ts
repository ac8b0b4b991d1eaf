import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FaultList } from "../faults.ts";
import { Type } from "../tables/index.ts";
import { validate } from "./validate.ts";

const TYPE = Type.forSchema({
  type: "record",
  name: "Reading",
  fields: [
    { name: "time", type: "long" },
    { name: "level", type: { type: "enum", name: "Level", symbols: ["low", "high"] } },
    { name: "note", type: ["null", "string"], default: null },
    { name: "samples", type: { type: "array", items: "int" }, default: [] },
    { name: "gain", type: "float", default: 1 },
    { name: "labels", type: { type: "map", values: "string" }, default: {} },
    {
      name: "site",
      type: ["null", { type: "record", name: "Site", fields: [{ name: "lat", type: "double" }] }],
      default: null,
    },
  ],
});

const GOOD = { time: 1_766_500_000_123, level: "low" };

function faultsOf(value: unknown): readonly string[] {
  const faults = new FaultList();
  validate(TYPE, value, "/records/0", faults);
  return faults.kept.map(({ path, message }) => `${path}: ${message}`);
}

describe("validation", () => {
  it("takes a record that fits, with or without what has a default", () => {
    expect(faultsOf(GOOD)).toEqual([]);
    expect(
      faultsOf({ ...GOOD, note: "fine", samples: [1, 2], labels: { a: "b" }, site: { lat: 48.2 } }),
    ).toEqual([]);
  });

  it.each(["toString", "constructor", "__proto__", "Low", "", 0, null])(
    "takes %j for no symbol of an enum",
    (level) => {
      expect(faultsOf({ ...GOOD, level })).toEqual([
        expect.stringContaining("/records/0/level: must be one of low, high"),
      ]);
    },
  );

  it("lists every fault of a record with its place, and does not stop at the first", () => {
    const record = {
      level: "middle",
      note: 3,
      samples: [1, "2", 3.5],
      labels: { "a/b~c": 1 },
      site: {},
      extra: true,
    };
    expect(faultsOf(record)).toEqual([
      "/records/0/time: is missing; must be an integer from -4503599627370496 to 9007199254740990",
      '/records/0/level: must be one of low, high, not "middle"',
      "/records/0/note: must be null or a string, not 3",
      "/records/0/samples/1: must be an integer from -2147483648 to 2147483647, not a string",
      "/records/0/samples/2: must be an integer from -2147483648 to 2147483647, not 3.5",
      "/records/0/labels/a~1b~0c: must be a string, not 1",
      "/records/0/site/lat: is missing; must be a number",
      "/records/0/extra: is not a field of this table",
    ]);
  });

  it("repeats a text that is no symbol, and not more than the beginning of a long one", () => {
    const level = "ü".repeat(41);
    expect(faultsOf({ ...GOOD, level })).toEqual([
      `/records/0/level: must be one of low, high, not "${"ü".repeat(40)}"…`,
    ]);
  });

  it.each([null, 7, "text", [], undefined])("refuses %j, which is no record", (value) => {
    expect(faultsOf(value)).toEqual([expect.stringContaining("/records/0: must be an object, not")]);
  });

  it("refuses a member named like an object's own machinery", () => {
    expect(faultsOf(JSON.parse('{"time":1,"level":"low","__proto__":{"note":"x"}}'))).toEqual([
      "/records/0/__proto__: is not a field of this table",
    ]);
    expect(faultsOf(JSON.parse('{"time":1,"level":"low","labels":{"__proto__":"x"}}'))).toEqual([
      "/records/0/labels/__proto__: is a name that a map cannot hold",
    ]);
    expect(faultsOf(Object.create(GOOD))).toHaveLength(2);
  });

  it("refuses text that UTF-8 cannot hold, in values and in keys", () => {
    expect(faultsOf({ ...GOOD, note: "half \ud83d" })).toHaveLength(1);
    expect(faultsOf({ ...GOOD, labels: { "\udc00": "x" } })).toHaveLength(1);
    expect(faultsOf({ ...GOOD, note: "whole 😀" })).toEqual([]);
  });

  it("refuses numbers that would be stored as another number", () => {
    expect(faultsOf({ ...GOOD, time: -(2 ** 52) - 1 })).toHaveLength(1);
    expect(faultsOf({ ...GOOD, time: Number.MAX_SAFE_INTEGER })).toHaveLength(1);
    expect(faultsOf({ ...GOOD, site: { lat: Number.NaN } })).toHaveLength(1);
    expect(faultsOf({ ...GOOD, site: { lat: Number.POSITIVE_INFINITY } })).toHaveLength(1);
  });

  it("refuses a number that a float would store as infinity", () => {
    expect(faultsOf({ ...GOOD, gain: 3.4028235e38 })).toEqual([]);
    expect(faultsOf({ ...GOOD, gain: 1e39 })).toEqual([
      "/records/0/gain: must be within the range of a 32-bit float, not 1e+39",
    ]);
  });

  it("passes only what is decoded equal to what was encoded", () => {
    const record = fc.record({
      time: fc.maxSafeInteger(),
      level: fc.constantFrom("low", "high"),
      note: fc.oneof(fc.constant(null), fc.string({ unit: "binary", maxLength: 12 })),
      samples: fc.array(fc.integer(), { maxLength: 5 }),
      gain: fc.float({ noNaN: true }),
      labels: fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true, maxKeys: 4 }),
      site: fc.oneof(
        fc.constant(null),
        fc.record({ lat: fc.double({ noNaN: true }) }, { noNullPrototype: true }),
      ),
    });
    fc.assert(
      fc.property(record, (value) => {
        const plain: unknown = JSON.parse(JSON.stringify(value));
        if (faultsOf(plain).length > 0) return;
        const back: unknown = TYPE.fromBuffer(TYPE.toBuffer(plain));
        expect(JSON.parse(JSON.stringify(back))).toEqual(plain);
      }),
    );
  });
});

describe("a fault list", () => {
  it("keeps the first hundred and counts all", () => {
    const faults = new FaultList();
    for (let index = 0; index < 250; index += 1) faults.add(`/records/${index}`, "is wrong");
    expect(faults.count).toBe(250);
    expect(faults.kept).toHaveLength(100);
    expect(faults.kept[99]).toEqual({ path: "/records/99", message: "is wrong" });
  });
});
