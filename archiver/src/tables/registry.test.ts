import { describe, expect, it } from "vitest";
import { registry, SchemaRegistry } from "./index.ts";
import { compileSchema, fingerprintOf, SchemaError } from "./registry.ts";
import { Type } from "./avsc.ts";

const TIME = { name: "time", type: { type: "long", logicalType: "timestamp-millis" } };

const source = (fields: readonly unknown[], version = 1, table = "readings") => ({
  table,
  version,
  schema: { type: "record", name: "Reading", fields },
});

describe("the schema registry", () => {
  it("knows the tables of the schema folder", () => {
    expect(registry.tables).toEqual(["earthquakes", "flights"]);
    expect(registry.newest("battles")).toBeUndefined();
  });

  it("finds the version that a record was written in, and writes the newest", () => {
    const versions = new SchemaRegistry([
      source([TIME, { name: "a", type: "int" }, { name: "b", type: "int", default: 0 }], 10),
      source([TIME, { name: "a", type: "int" }], 9),
    ]);
    expect(versions.newest("readings")?.version).toBe(10);
    for (const { table, fingerprint } of versions.known) {
      expect(versions.find(table, fingerprint)).toMatchObject({ table, fingerprint });
    }
    expect(versions.known).toHaveLength(2);
    const old = versions.known[1]?.fingerprint ?? "";
    expect(versions.find("readings", old)?.version).toBe(9);
    expect(versions.find("flights", old)).toBeUndefined();
  });

  it.each([
    ["no record", { table: "readings", version: 1, schema: "long" }],
    ["no time", source([{ name: "a", type: "int" }])],
    ["a time that is not first", source([{ name: "a", type: "int" }, TIME])],
    ["a time without its logical type", source([{ name: "time", type: "long" }])],
    ["bytes", source([TIME, { name: "a", type: "bytes" }])],
    [
      "a fixed value deep inside",
      source([
        TIME,
        {
          name: "a",
          type: { type: "array", items: { type: "map", values: { type: "fixed", name: "F", size: 2 } } },
        },
      ]),
    ],
    ["a union that JSON cannot tell apart", source([TIME, { name: "a", type: ["int", "long"] }])],
    ["a name that is no table", source([TIME], 1, "Readings!")],
  ])("refuses a schema with %s when it starts", (_, bad) => {
    expect(() => new SchemaRegistry([bad])).toThrow(SchemaError);
  });

  it("refuses two versions that are one", () => {
    expect(() => new SchemaRegistry([source([TIME], 1), source([TIME], 2)])).toThrow(
      "repeats an earlier version",
    );
  });
});

describe("a fingerprint", () => {
  it("is that of the canonical form: documentation and logical types do not change it", () => {
    const plain = fingerprintOf(
      Type.forSchema({ type: "record", name: "R", fields: [{ name: "time", type: "long" }] }),
    );
    const dressed = fingerprintOf(
      Type.forSchema({
        type: "record",
        name: "R",
        doc: "d",
        fields: [{ ...TIME, type: { type: "long", logicalType: "timestamp-millis" } }],
      }),
    );
    expect(dressed).toBe(plain);
    expect(fingerprintOf(Type.forSchema("long"))).toBe(
      "c32c497df6730c97fa07362aa5023f37d49a027ec452360778114cf427965add",
    );
  });
});

describe("a time reader", () => {
  it("skips every other field, whatever its kind", () => {
    const { type, timeOf } = compileSchema(
      source([
        TIME,
        { name: "text", type: "string" },
        { name: "maybe", type: ["null", "double"] },
        { name: "list", type: { type: "array", items: "long" } },
        { name: "map", type: { type: "map", values: "boolean" } },
      ]),
    );
    const record = { time: 1_766_500_000_123, text: "ü", maybe: 1.5, list: [1, 2 ** 40], map: { a: true } };
    const bytes = Buffer.concat([type.toBuffer(record), type.toBuffer({ ...record, time: -1, maybe: null })]);
    const first = timeOf(bytes, 0);
    expect(first.time).toBe(1_766_500_000_123);
    expect(timeOf(bytes, first.next)).toEqual({ time: -1, next: bytes.length });
  });
});
