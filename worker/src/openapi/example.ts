/** An example value of a JSON schema, as far as the schema tells one. */
import type { OpenApiDocument } from "./document.ts";

export type Schemas = NonNullable<NonNullable<OpenApiDocument["components"]>["schemas"]>;
export type Schema = Schemas[string];

const REFERENCE = /^#\/components\/schemas\/(.+)$/;

/** Deep enough for every body of this API; it also ends a schema that holds itself. */
const MAX_DEPTH = 8;

/** The name of the component that a schema refers to. */
export function referenceName(schema: Schema): string | null {
  return "$ref" in schema ? (REFERENCE.exec(schema.$ref)?.[1] ?? null) : null;
}

/** A value that fits, for people to start from. */
export function exampleOf(schema: Schema | undefined, schemas: Schemas, depth = 0): unknown {
  if (schema === undefined || depth > MAX_DEPTH) return {};
  if ("$ref" in schema) return exampleOf(schemas[referenceName(schema) ?? ""], schemas, depth + 1);
  if (schema.example !== undefined) return schema.example;
  if (schema.const !== undefined) return schema.const;
  const [first] = schema.enum ?? schema.anyOf ?? schema.oneOf ?? [];
  if (schema.enum !== undefined) return first;
  if (first !== undefined) return exampleOf(first, schemas, depth + 1);
  switch (schema.type) {
    case "object":
      return Object.fromEntries(
        Object.entries(schema.properties ?? {})
          .filter(([name]) => schema.required?.includes(name))
          .map(([name, property]) => [name, exampleOf(property, schemas, depth + 1)]),
      );
    case "array":
      return [exampleOf(schema.items, schemas, depth + 1)];
    case "string":
      return "string";
    case "boolean":
      return true;
    case "integer":
    case "number":
      return schema.minimum ?? 0;
    default:
      return {};
  }
}
