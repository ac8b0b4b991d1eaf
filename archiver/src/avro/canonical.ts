/**
 * Schemas as text, without compiling them: at request time avsc cannot make a
 * type, but the schema of a file that a client sends has to be found.
 */
import { createHash } from "node:crypto";
import { SchemaError } from "./error.ts";

const PRIMITIVES = new Set(["null", "boolean", "int", "long", "float", "double", "bytes", "string"]);
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** A schema comes from a client's file: deeper ones would end in a stack overflow. */
const MAX_DEPTH = 64;

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What is known where a schema stands: the namespace around it, and how deep it lies. */
interface Scope {
  readonly namespace: string;
  readonly depth: number;
}

/** Writes one schema: the names that it has defined, and each logical type in the order of the text. */
class Writer {
  readonly #defined = new Set<string>();
  readonly logicalTypes: (string | undefined)[] = [];

  write(schema: unknown, scope: Scope): string {
    if (scope.depth > MAX_DEPTH) throw new SchemaError(`the schema is nested more than ${MAX_DEPTH} deep`);
    const inner = { ...scope, depth: scope.depth + 1 };
    if (typeof schema === "string") return this.#reference(schema, scope);
    if (Array.isArray(schema)) return this.#union(schema, inner);
    if (!isObject(schema)) throw new SchemaError(`${JSON.stringify(schema)} is no schema`);
    const { type, logicalType } = schema;
    if (typeof type !== "string") throw new SchemaError(`${JSON.stringify(type)} is no kind of type`);
    if (PRIMITIVES.has(type)) return this.#primitive(type, logicalType);
    this.logicalTypes.push(typeof logicalType === "string" ? logicalType : undefined);
    switch (type) {
      case "array":
        return `{"type":"array","items":${this.write(schema["items"], inner)}}`;
      case "map":
        return `{"type":"map","values":${this.write(schema["values"], inner)}}`;
      case "enum":
        return `{"name":${this.#define(schema, scope)},"type":"enum","symbols":[${symbolsOf(schema)}]}`;
      case "fixed":
        return `{"name":${this.#define(schema, scope)},"type":"fixed","size":${sizeOf(schema)}}`;
      case "record":
      case "error":
        return this.#record(schema, type, inner);
      default:
        throw new SchemaError(`${JSON.stringify(type)} is no kind of type`);
    }
  }

  #primitive(name: string, logicalType?: unknown): string {
    this.logicalTypes.push(typeof logicalType === "string" ? logicalType : undefined);
    return `"${name}"`;
  }

  /** A name that ends in a primitive's is that primitive, in whatever namespace. */
  #reference(name: string, { namespace }: Scope): string {
    const short = name.slice(name.lastIndexOf(".") + 1);
    if (PRIMITIVES.has(short)) return this.#primitive(short);
    this.logicalTypes.push(undefined);
    const full = fullName(name, namespace);
    if (!this.#defined.has(full)) throw new SchemaError(`no type is named ${JSON.stringify(full)}`);
    return `"${full}"`;
  }

  #union(branches: readonly unknown[], scope: Scope): string {
    if (branches.length === 0) throw new SchemaError("a union has no branches");
    this.logicalTypes.push(undefined);
    return `[${branches.map((branch) => this.write(branch, scope)).join(",")}]`;
  }

  #define({ name, namespace }: Json, scope: Scope): string {
    if (typeof name !== "string") throw new SchemaError("a named type has no name");
    const full = fullName(name, namespace === undefined ? scope.namespace : namespace);
    if (PRIMITIVES.has(full.slice(full.lastIndexOf(".") + 1))) {
      throw new SchemaError(`${full} has the name of a primitive type`);
    }
    if (this.#defined.has(full)) throw new SchemaError(`${full} is defined twice`);
    this.#defined.add(full);
    return `"${full}"`;
  }

  #record(schema: Json, type: string, scope: Scope): string {
    const { fields } = schema;
    const defined = this.#define(schema, scope);
    if (!Array.isArray(fields)) throw new SchemaError(`${defined} has no fields`);
    const inner = { ...scope, namespace: namespaceIn(schema, scope) };
    const written = fields.map((field: unknown) => this.#field(field, inner));
    return `{"name":${defined},"type":"${type}","fields":[${written.join(",")}]}`;
  }

  #field(field: unknown, scope: Scope): string {
    if (!isObject(field)) throw new SchemaError(`${JSON.stringify(field)} is no field`);
    return `{"name":${nameText(field["name"])},"type":${this.write(field["type"], scope)}}`;
  }
}

/** The namespace of what a record holds: its own, else that of its name, else that around it. */
function namespaceIn({ name, namespace }: Json, scope: Scope): string {
  if (namespace !== undefined) return typeof namespace === "string" ? namespace : "";
  const dot = typeof name === "string" ? name.lastIndexOf(".") : -1;
  return typeof name === "string" && dot >= 0 ? name.slice(0, dot) : scope.namespace;
}

/** A name with a dot stands for itself, one without is in the namespace around it. */
function fullName(name: string, namespace: unknown): string {
  const inNamespace = typeof namespace === "string" && namespace !== "" ? `${namespace}.${name}` : name;
  const full = name.includes(".") ? name.replace(/^\./, "") : inNamespace;
  for (const part of full.split(".")) nameText(part);
  return full;
}

function nameText(name: unknown): string {
  if (typeof name === "string" && NAME.test(name)) return `"${name}"`;
  throw new SchemaError(`${JSON.stringify(name)} is no name`);
}

function symbolsOf({ symbols }: Json): string {
  if (Array.isArray(symbols) && symbols.length > 0) return symbols.map(nameText).join(",");
  throw new SchemaError("an enum has no symbols");
}

function sizeOf({ size }: Json): number {
  if (typeof size === "number" && Number.isInteger(size) && size >= 0 && size < 2 ** 31) return size;
  throw new SchemaError(`${JSON.stringify(size)} is no size`);
}

/** A schema's canonical form, and the logical types that it leaves out, in the order of its types. */
export interface Canonical {
  readonly form: string;
  readonly logicalTypes: readonly (string | undefined)[];
}

/** @throws SchemaError when it is no schema */
export function canonicalize(schema: unknown): Canonical {
  const writer = new Writer();
  const form = writer.write(schema, { namespace: "", depth: 0 });
  return { form, logicalTypes: writer.logicalTypes };
}

/**
 * The Parsing Canonical Form of a schema (Avro specification, "Transforming
 * into Parsing Canonical Form"), where names are resolved as avsc does.
 * Anonymous named types have none.
 * @throws SchemaError when it is no schema
 */
export function canonicalForm(schema: unknown): string {
  return canonicalize(schema).form;
}

/** The lower-case hex SHA-256 of a canonical form. */
export function fingerprintOfForm(form: string): string {
  return createHash("sha256").update(form).digest("hex");
}

/** A copy of a schema without its documentation; defaults stay whole, whatever their members are called. */
export function withoutDocs(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutDocs);
  if (!isObject(schema)) return schema;
  const kept = Object.entries(schema).filter(([key]) => key !== "doc");
  return Object.fromEntries(
    kept.map(([key, value]) => [key, key === "default" ? value : withoutDocs(value)]),
  );
}
