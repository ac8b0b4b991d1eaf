import { describe, expect, it } from "vitest";
import { BufferRequestSchema } from "../records/shapes.ts";
import { createHub } from "../app.ts";
import { openApiDocument } from "./document.ts";
import { exampleOf } from "./example.ts";

const schemas = openApiDocument(createHub()).components?.schemas ?? {};

describe("exampleOf", () => {
  it("makes a body that the route takes", () => {
    const example = exampleOf({ $ref: "#/components/schemas/BufferRequest" }, schemas);
    expect(BufferRequestSchema.safeParse(example).success).toBe(true);
  });

  it("ends for a schema that holds itself", () => {
    const loop = { $ref: "#/components/schemas/Loop" };
    expect(exampleOf(loop, { Loop: { type: "array", items: loop } })).toBeInstanceOf(Array);
  });

  it("takes what the schema gives before it makes something up", () => {
    expect(exampleOf({ type: "string", example: "given" }, {})).toBe("given");
    expect(exampleOf({ type: "string", enum: ["first", "second"] }, {})).toBe("first");
    expect(exampleOf({ anyOf: [{ const: 1 }, { const: 2 }] }, {})).toBe(1);
    expect(exampleOf({ type: "integer", minimum: 3 }, {})).toBe(3);
  });
});
