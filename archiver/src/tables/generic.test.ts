import { describe, expect, it } from "vitest";
import {
  decodeRecord,
  GENERIC_FINGERPRINT,
  isGeneric,
  recordBytes,
  RecordError,
  registry,
  scanRecords,
  type TableSchema,
} from "./index.ts";

function generic(table = "sensors"): TableSchema {
  const schema = registry.generic(table);
  if (schema === undefined) throw new Error(`${table} is no table name`);
  return schema;
}

const encode = (time: number, body: string): Buffer => generic().type.toBuffer({ time, body });

describe("the generic envelope", () => {
  it("is a schema of any table with a valid name, with schema files or without", () => {
    expect(registry.find("sensors", GENERIC_FINGERPRINT)).toMatchObject({ table: "sensors" });
    expect(registry.find("flights", GENERIC_FINGERPRINT)).toMatchObject({ table: "flights" });
    expect(registry.find("No Table", GENERIC_FINGERPRINT)).toBeUndefined();
    expect(registry.generic("")).toBeUndefined();
    expect(registry.newest("sensors")).toBeUndefined();
    expect(registry.generic("sensors")).toBe(registry.generic("sensors"));
    expect(isGeneric(generic())).toBe(true);
    expect(registry.tables.map((table) => registry.newest(table)).filter((s) => s && isGeneric(s))).toEqual(
      [],
    );
  });

  it("has one fingerprint, the one that its header's schema is found by", () => {
    expect(generic("a").fingerprint).toBe(GENERIC_FINGERPRINT);
    expect(registry.findBySchemaText("sensors", generic().json)).toBe(generic());
  });

  it("gives back any JSON object, time first", () => {
    const members = { "temp °C": 21.5, nested: { list: [1, null, "x"] }, __proto__x: 1, flag: false };
    const bytes = encode(1_766_500_000_123, JSON.stringify(members));
    const run = scanRecords(generic(), bytes, 1);
    expect(run.times).toEqual([1_766_500_000_123]);
    const record = decodeRecord(generic(), recordBytes(run, 0));
    expect(record).toEqual({ time: 1_766_500_000_123, ...members });
    expect(Object.keys(record)[0]).toBe("time");
    expect(registry.newestBytes(generic(), bytes)).toBe(bytes);
  });

  it("keeps a member that is named __proto__ as a member", () => {
    const record = decodeRecord(generic(), encode(1, '{"__proto__":{"admin":true}}'));
    expect(JSON.stringify(record)).toBe('{"time":1,"__proto__":{"admin":true}}');
    expect("admin" in record).toBe(false);
  });

  it.each(["", "{", "null", "[]", "7", '{"time":2}'])("with the body %j is a typed error", (body) => {
    expect(() => decodeRecord(generic(), encode(1, body))).toThrow(RecordError);
  });

  it("keeps no schema for every name that a request may make up", () => {
    const first = generic("t0");
    for (let index = 1; index <= 1_000; index += 1) generic(`t${index}`);
    expect(generic("t0")).not.toBe(first);
    expect(generic("t0")).toMatchObject({ table: "t0", fingerprint: GENERIC_FINGERPRINT });
  });
});
