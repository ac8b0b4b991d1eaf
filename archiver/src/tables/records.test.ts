import { describe, expect, it } from "vitest";
import { decodeRecord, recordBytes, RecordError, scanRecords } from "./index.ts";
import { compileSchema, type TableSchema } from "../avro/index.ts";

const TIME = { name: "time", type: { type: "long", logicalType: "timestamp-millis" } };

const withValue = (type: unknown): TableSchema =>
  compileSchema({
    table: "readings",
    version: 1,
    schema: { type: "record", name: "Reading", fields: [TIME, { name: "value", type }] },
  });

/** A record at the time 0 whose value has these bytes. */
const holding = (...bytes: readonly number[]): Uint8Array => Uint8Array.of(0, ...bytes);

describe("a scan", () => {
  it("finds each record and its time, whatever kinds of fields follow", () => {
    const schema = withValue({
      type: "record",
      name: "Inner",
      fields: [
        { name: "text", type: "string" },
        { name: "maybe", type: ["null", "double"] },
        { name: "list", type: { type: "array", items: "long" } },
        { name: "map", type: { type: "map", values: "boolean" } },
        { name: "kind", type: { type: "enum", name: "Kind", symbols: ["A", "B"] } },
        { name: "share", type: "float" },
      ],
    });
    const value = {
      text: "ü".repeat(40),
      maybe: 1.5,
      list: [1, 2 ** 40],
      map: { a: true },
      kind: "B",
      share: 0.5,
    };
    const records = [
      { time: 1_766_500_000_123, value },
      { time: -1, value: { ...value, maybe: null, list: [], map: {} } },
    ];
    const run = scanRecords(schema, Buffer.concat(records.map((one) => schema.type.toBuffer(one))), 2);
    expect(run.times).toEqual([1_766_500_000_123, -1]);
    expect(records.map((_, index) => decodeRecord(schema, recordBytes(run, index)))).toEqual(records);
  });

  it("finds records at their own place when the bytes are a view into a larger buffer", () => {
    const schema = withValue("int");
    const around = new Uint8Array(40).fill(0xff);
    around.set(schema.type.toBuffer({ time: 5, value: 7 }), 20);
    const run = scanRecords(schema, around.subarray(20, 22), 1);
    expect(decodeRecord(schema, recordBytes(run, 0))).toEqual({ time: 5, value: 7 });
  });

  it("takes array and map blocks of negative count, which carry their size", () => {
    const list = withValue({ type: "array", items: "int" });
    const run = scanRecords(list, holding(0x03, 0x04, 0x02, 0x04, 0x02, 0x06, 0x00), 1);
    expect(decodeRecord(list, recordBytes(run, 0))).toEqual({ time: 0, value: [1, 2, 3] });
  });

  const array = { type: "array", items: "int" };
  const map = { type: "map", values: "int" };
  const nine = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
  it.each<[string, unknown, readonly number[]]>([
    ["ends inside a number", "int", [0x80]],
    ["ends inside a double", "double", [1, 2, 3]],
    ["ends inside a string", "string", [0x08, 0x41]],
    ["has a string of negative length", "string", [0x01]],
    ["has a string that is not UTF-8", "string", [0x04, 0xc3, 0x28]],
    [
      "has a long string that is not UTF-8",
      "string",
      [0x80, 0x01, ...Array.from({ length: 64 }, () => 0xff)],
    ],
    ["has an int of 33 bits", "int", [0x80, 0x80, 0x80, 0x80, 0x10]],
    ["has a long that a double cannot hold", "long", [...nine, 0x7f]],
    ["has a long of more than 64 bits", "long", [...nine, 0xff, 0x7f]],
    ["has a number of eleven bytes", "long", [...nine, 0xff, 0xff, 0x00]],
    ["has a boolean that is neither", "boolean", [2]],
    ["has a double that is infinite", "double", [0, 0, 0, 0, 0, 0, 0xf0, 0x7f]],
    ["has a float that is no number", "float", [0, 0, 0xc0, 0xff]],
    ["names a branch that a union does not have", ["null", "int"], [0x04]],
    ["names a negative branch", ["null", "int"], [0x01]],
    ["names a symbol that an enum does not have", { type: "enum", name: "E", symbols: ["A"] }, [0x02]],
    ["claims more items than there are bytes", array, [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x02]],
    ["has items of another size than they claim", array, [0x01, 0x08, 0x02, 0x00]],
    ["has items that would lead back", array, [0x01, 0x07, 0x02, 0x00]],
    ["has a map key that would set a prototype", map, [0x02, 0x12, ...Buffer.from("__proto__"), 0x02, 0x00]],
    ["has bytes after its last record", "int", [0x02, 0x00]],
  ])("refuses a record that %s", (_, type, bytes) => {
    expect(() => scanRecords(withValue(type), holding(...bytes), 1)).toThrow(RecordError);
  });

  it("refuses a negative long whose zigzag form a float rounds, and takes the last one that it does not", () => {
    const schema = withValue("long");
    const zigzag = (value: bigint) => {
      let rest = value < 0n ? -value * 2n - 1n : value * 2n;
      const groups: number[] = [];
      for (; rest > 0x7fn; rest >>= 7n) groups.push(Number(rest & 0x7fn) | 0x80);
      return holding(...groups, Number(rest));
    };
    for (const value of [-(2n ** 52n), 2n ** 53n - 2n]) {
      const run = scanRecords(schema, zigzag(value), 1);
      expect(decodeRecord(schema, recordBytes(run, 0))).toEqual({ time: 0, value: Number(value) });
    }
    for (const value of [-(2n ** 52n) - 1n, 2n ** 53n - 1n]) {
      expect(() => scanRecords(schema, zigzag(value), 1)).toThrow(RecordError);
    }
  });

  it("of more records than there are ends with the bytes, not with the count", () => {
    expect(() => scanRecords(withValue("int"), holding(0x02), Number.MAX_SAFE_INTEGER)).toThrow(RecordError);
  });
});

describe("defects of earlier archives", () => {
  it("float and double widths: a float takes four bytes and a double eight", () => {
    const schema = compileSchema({
      table: "readings",
      version: 1,
      schema: {
        type: "record",
        name: "Reading",
        fields: [
          TIME,
          { name: "f", type: "float" },
          { name: "d", type: "double" },
          { name: "end", type: "int" },
        ],
      },
    });
    const record = { time: 1, f: 0.5, d: 0.1, end: 7 };
    const bytes = schema.type.toBuffer(record);
    expect(bytes.length).toBe(1 + 4 + 8 + 1);
    const run = scanRecords(schema, Buffer.concat([bytes, bytes]), 2);
    expect(run.offsets).toEqual([0, 14, 28]);
    expect(decodeRecord(schema, recordBytes(run, 1))).toEqual(record);
  });
});
