import { describe, expect, it } from "vitest";
import { canonicalForm, registry, SchemaError, SchemaRegistry } from "./index.ts";
import { fingerprintOfForm } from "../avro/index.ts";

const TIME = { name: "time", type: { type: "long", logicalType: "timestamp-millis" } };

const source = (fields: readonly unknown[], version = 1, table = "readings") => ({
  table,
  version,
  schema: { type: "record", name: "Reading", fields },
});

const record = (name: string, fields: readonly unknown[]) => ({ type: "record", name, fields });

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
    const old = versions.known.find(
      ({ fingerprint }) => versions.find("readings", fingerprint)?.version === 9,
    );
    expect(versions.find("flights", old?.fingerprint ?? "")).toBeUndefined();
  });

  it.each([
    ["no record", { table: "readings", version: 1, schema: "long" }],
    ["no schema at all", { table: "readings", version: 1, schema: { type: "record" } }],
    [
      "an error in place of a record",
      { table: "readings", version: 1, schema: { type: "error", name: "E", fields: [TIME] } },
    ],
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
    ["a record that holds itself", source([TIME, { name: "a", type: ["null", "Reading"] }])],
    ["a record without a name inside", source([TIME, { name: "a", type: { type: "record", fields: [] } }])],
    [
      "items that take no bytes",
      source([TIME, { name: "a", type: { type: "array", items: record("N", []) } }]),
    ],
    ["a field that would set a prototype", source([TIME, { name: "__proto__", type: "int" }])],
    [
      "a record named as avsc names its field's variable",
      source([TIME, { name: "a", type: record("_b", [{ name: "b", type: "int" }]) }]),
    ],
    ["a default that does not fit", source([TIME, { name: "a", type: "int", default: "1" }])],
    ["a name that is no table", source([TIME], 1, "Readings!")],
    [
      "the generic envelope",
      {
        table: "readings",
        version: 1,
        schema: record("strata.Generic", [TIME, { name: "body", type: "string" }]),
      },
    ],
  ])("refuses a schema with %s when it starts", (_, bad) => {
    expect(() => new SchemaRegistry([bad])).toThrow(SchemaError);
  });

  it("refuses two versions that are one", () => {
    expect(() => new SchemaRegistry([source([TIME], 1), source([TIME], 2)])).toThrow(
      "repeats an earlier version",
    );
  });

  it("refuses to start with a version that the newest of its table cannot read, and names both", () => {
    const incompatible = [
      source([TIME, { name: "a", type: "string" }], 1),
      source([TIME, { name: "a", type: "int" }], 2),
    ];
    expect(() => new SchemaRegistry(incompatible)).toThrow(
      "schemas/readings/v2.avsc cannot read schemas/readings/v1.avsc",
    );
    const withoutDefault = [source([TIME], 1), source([TIME, { name: "a", type: "int" }], 2)];
    expect(() => new SchemaRegistry(withoutDefault)).toThrow(SchemaError);
  });

  it("takes documentation off the schema that goes into files, and nothing off a default", () => {
    const inner = record("Note", [{ name: "doc", type: "string", doc: "text" }]);
    const [schema] = [
      new SchemaRegistry([
        source([TIME, { name: "note", type: inner, default: { doc: "kept" }, doc: "gone" }]),
      ]),
    ].map((made) => made.newest("readings"));
    expect(schema?.json).not.toContain("gone");
    expect(schema?.json).toContain('"default":{"doc":"kept"}');
    expect(schema?.decode(schema.type.toBuffer({ time: 1 }))).toEqual({ time: 1, note: { doc: "kept" } });
  });
});

describe("the schema of a file that someone sends", () => {
  const flights = registry.newest("flights");
  const schema: { fields: { name: string; type: unknown }[]; name: string; namespace: string } = JSON.parse(
    flights?.json ?? "",
  );

  it("is found by its canonical form: layout, documentation and the way to write the name do not matter", () => {
    expect(registry.findBySchemaText("flights", flights?.json ?? "")).toBe(flights);
    const { namespace, ...rest } = schema;
    const other = { ...rest, doc: "mine", name: `${namespace}.${schema.name}` };
    expect(registry.findBySchemaText("flights", JSON.stringify(other, null, 2))).toBe(flights);
    expect(registry.findBySchemaText("earthquakes", flights?.json ?? "")).toBeUndefined();
  });

  it("may lack the logical type of its time, but not have another: microseconds are no milliseconds", () => {
    const withTime = (type: unknown) =>
      JSON.stringify({ ...schema, fields: [{ name: "time", type }, ...schema.fields.slice(1)] });
    expect(registry.findBySchemaText("flights", withTime("long"))).toBe(flights);
    const micros = withTime({ type: "long", logicalType: "timestamp-micros" });
    expect(registry.findBySchemaText("flights", micros)).toBeUndefined();
  });

  it.each([
    "",
    "{",
    "null",
    '"long"',
    "[]",
    '{"type":"record"}',
    '{"type":"record","name":"strata.flights.Flight"}',
  ])("is none when it is %j", (text) => {
    expect(registry.findBySchemaText("flights", text)).toBeUndefined();
  });
});

describe("a fingerprint", () => {
  const fingerprint = (schema: unknown) => fingerprintOfForm(canonicalForm(schema));

  it("is that of the canonical form: documentation and logical types do not change it", () => {
    const plain = fingerprint(record("R", [{ name: "time", type: "long" }]));
    const dressed = fingerprint({ ...record("R", [{ ...TIME, order: "ignore" }]), doc: "d", aliases: ["Q"] });
    expect(dressed).toBe(plain);
    expect(fingerprint("long")).toBe("c32c497df6730c97fa07362aa5023f37d49a027ec452360778114cf427965add");
  });
});
