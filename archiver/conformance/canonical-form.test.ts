import avsc from "avsc";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalForm, registry, SchemaError } from "../src/tables/index.ts";
import { anySchema } from "./arbitrary.ts";
import { Random } from "./random.ts";

function outcomeOf(schema: unknown): string {
  try {
    canonicalForm(schema);
    return "a form";
  } catch (error) {
    return error instanceof SchemaError ? "a SchemaError" : String(error);
  }
}

const seeds = fc.noShrink(fc.nat());

describe("a canonical form", () => {
  it("is that of avsc for every schema, and needs no compiler", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const schema = anySchema(new Random(seed));
        const type = avsc.Type.forSchema(JSON.parse(JSON.stringify(schema)));
        expect(canonicalForm(schema)).toBe(JSON.stringify(type.schema()));
      }),
      { numRuns: 2_000 },
    );
  });

  it("of JSON that is no schema is a SchemaError, whatever the JSON", () => {
    const almost = fc.letrec((tie) => ({
      node: fc.oneof(
        { depthSize: "small" },
        fc.jsonValue(),
        fc.constantFrom("int", "R", "record", "a.b"),
        fc.record(
          {
            type: fc.oneof(fc.constantFrom("record", "enum", "fixed", "array", "map", "int"), tie("node")),
            name: fc.oneof(fc.constantFrom("R", "a.R", ".R", "a..R", "", "int"), tie("node")),
            namespace: fc.oneof(fc.constantFrom("", "a", "-"), tie("node")),
            fields: fc.oneof(fc.array(tie("node"), { maxLength: 3 }), tie("node")),
            items: tie("node"),
            values: tie("node"),
            symbols: fc.oneof(fc.constant(["A"]), tie("node")),
            size: fc.oneof(fc.constant(4), tie("node")),
          },
          { requiredKeys: [] },
        ),
        fc.array(tie("node"), { maxLength: 3 }),
      ),
    }));
    fc.assert(
      fc.property(almost.node, (schema) => {
        expect(outcomeOf(schema)).toMatch(/^(a form|a SchemaError)$/);
      }),
      { numRuns: 3_000 },
    );
  });

  it("of a schema as deep as a hostile file can make it is a SchemaError, not a full stack", () => {
    const deep = `${'{"type":"array","items":'.repeat(100_000)}"int"${"}".repeat(100_000)}`;
    expect(() => canonicalForm(JSON.parse(deep))).toThrow(SchemaError);
    expect(registry.findBySchemaText("flights", deep)).toBeUndefined();
  });
});
