import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { jsonPointer, zodFaults } from "./faults.ts";

function resolvePointer(document: unknown, pointer: string): unknown {
  return pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce((value: unknown, name) => (value === null ? null : Reflect.get(Object(value), name)), document);
}

describe("jsonPointer", () => {
  it("leads to the value for any names, as RFC 6901 resolves it", () => {
    const name = fc.string({ unit: fc.constantFrom("a", "/", "~", "0", "1", "é") });
    fc.assert(
      fc.property(fc.array(name, { maxLength: 4 }), (path) => {
        const document = path.reduceRight<unknown>((value, key) => ({ [key]: value }), "leaf");
        expect(resolvePointer(document, jsonPointer(path))).toBe("leaf");
      }),
    );
  });
});

describe("zodFaults", () => {
  it("names every fault, and every unknown key by itself", () => {
    const schema = z.strictObject({ records: z.array(z.strictObject({ delay: z.int() })) });
    const { error } = schema.safeParse({
      records: [{ delay: 1 }, { delay: "x", lat: 1, lon: 2 }],
      tabel: "t",
    });
    const paths = zodFaults(error ?? { issues: [] }).map(({ path }) => path);
    expect(paths).toEqual(["/records/1/delay", "/records/1/lat", "/records/1/lon", "/tabel"]);
  });
});
