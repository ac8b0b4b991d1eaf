/**
 * Arbitrary tables, and arbitrary changes of them that keep old records
 * readable. Each change says what becomes of a value: the slow, obvious model
 * that Avro's schema resolution is held against.
 */
import type { Random } from "./random.ts";

type Primitive = "boolean" | "int" | "long" | "float" | "double" | "string";

interface Field {
  readonly name: string;
  readonly shape: Shape;
  readonly aliases?: readonly string[];
  readonly default?: unknown;
}

/** A type whose values JSON can carry. */
export type Shape =
  | { readonly kind: "primitive"; readonly name: Primitive }
  | { readonly kind: "enum"; readonly name: string; readonly symbols: readonly string[] }
  | { readonly kind: "array" | "map" | "nullable"; readonly inner: Shape }
  | { readonly kind: "record"; readonly name: string; readonly fields: readonly Field[] };

type RecordShape = Extract<Shape, { kind: "record" }>;

interface Change<S extends Shape = Shape> {
  readonly shape: S;
  readonly migrate: (value: unknown) => unknown;
}

const PRIMITIVES = ["boolean", "int", "long", "float", "double", "string"] as const;

/** What Avro reads as what (specification, "Schema Resolution"); text as bytes is not for this archive. */
const PROMOTIONS: Readonly<Record<Primitive, readonly Primitive[]>> = {
  boolean: [],
  int: ["long", "float", "double"],
  long: ["float", "double"],
  float: ["double"],
  double: [],
  string: [],
};

const TIME = { name: "time", type: { type: "long", logicalType: "timestamp-millis" } };

export function schemaOf(shape: Shape): unknown {
  switch (shape.kind) {
    case "primitive":
      return shape.name;
    case "enum":
      return { type: "enum", name: shape.name, symbols: shape.symbols };
    case "array":
      return { type: "array", items: schemaOf(shape.inner) };
    case "map":
      return { type: "map", values: schemaOf(shape.inner) };
    case "nullable":
      return ["null", schemaOf(shape.inner)];
    case "record":
      return { type: "record", name: shape.name, fields: shape.fields.map(fieldOf) };
  }
}

function fieldOf({ name, shape, aliases, ...rest }: Field): unknown {
  return { name, type: schemaOf(shape), ...(aliases === undefined ? {} : { aliases }), ...rest };
}

/** The table whose record is a time and the shape's fields. */
export function tableSchemaOf({ name, fields }: RecordShape): unknown {
  return { type: "record", name, fields: [TIME, ...fields.map(fieldOf)] };
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A value with every float in it rounded to 32 bits: only the newest version's floats are floats. */
export function rounded(shape: Shape, value: unknown): unknown {
  switch (shape.kind) {
    case "primitive":
      return shape.name === "float" ? Math.fround(Number(value)) : value;
    case "enum":
      return value;
    case "nullable":
      return value === null ? null : rounded(shape.inner, value);
    case "array":
      return Array.isArray(value) ? value.map((item) => rounded(shape.inner, item)) : value;
    case "map":
      return Object.fromEntries(
        Object.entries(value ?? {}).map(([key, item]) => [key, rounded(shape.inner, item)]),
      );
    case "record": {
      const members = isRecord(value) ? value : {};
      const fields = shape.fields.map((field) => [field.name, rounded(field.shape, members[field.name])]);
      return { ...members, ...Object.fromEntries(fields) };
    }
  }
}

/** Makes shapes and changes of them. */
export class Evolution {
  readonly #random: Random;
  #names = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  record(depth: number): RecordShape {
    const name = this.#name("R");
    const fields = this.#random.list(6, () => ({ name: this.#name("f"), shape: this.#shape(depth - 1) }));
    return { kind: "record", name, fields: [...fields, { name: this.#name("f"), shape: this.#shape(0) }] };
  }

  change(shape: RecordShape): Change<RecordShape> {
    // A record of no fields takes no bytes, which an array cannot hold.
    const kept = shape.fields.filter((_, index) => index === 0 || !this.#random.once(6));
    const changes = kept.map((field) => this.#changeField(field));
    const added = this.#random.list(3, () => this.#newField());
    const fields = [...changes.map(({ field }) => field), ...added];
    const shuffled = this.#random.once(2) ? fields.toReversed() : fields;
    const migrate = (value: unknown): unknown => {
      const old = isRecord(value) ? value : {};
      const members = changes.map(({ field, from, migrate: member }) => [field.name, member(old[from])]);
      const time = "time" in old ? [["time", old["time"]]] : [];
      const defaults = added.map((field) => [field.name, structuredClone(field.default)]);
      return Object.fromEntries([...time, ...members, ...defaults]);
    };
    return { shape: { ...shape, fields: shuffled }, migrate };
  }

  #changeField(field: Field): { field: Field; from: string; migrate: Change["migrate"] } {
    // A field with a default keeps its type, so that the default still fits it.
    const unchanged = { shape: field.shape, migrate: (value: unknown) => value };
    const { shape, migrate } = field.default === undefined ? this.#changeShape(field.shape) : unchanged;
    if (!this.#random.once(4)) return { field: { ...field, shape }, from: field.name, migrate };
    const aliases = [...(field.aliases ?? []), field.name];
    return { field: { ...field, name: this.#name("f"), aliases, shape }, from: field.name, migrate };
  }

  #changeShape(shape: Shape): Change {
    const changed = this.#changeInside(shape);
    if (shape.kind === "nullable" || !this.#random.once(6)) return changed;
    return { shape: { kind: "nullable", inner: changed.shape }, migrate: changed.migrate };
  }

  #changeInside(shape: Shape): Change {
    switch (shape.kind) {
      case "primitive":
        return this.#promote(shape.name);
      case "enum":
        return {
          shape: { ...shape, symbols: [this.#name("S"), ...shape.symbols] },
          migrate: (value) => value,
        };
      case "record":
        return this.change(shape);
      case "nullable": {
        const { shape: inner, migrate } = this.#changeInside(shape.inner);
        return {
          shape: { ...shape, inner },
          migrate: (value) => (value === null ? null : migrate(value)),
        };
      }
      case "array": {
        const { shape: inner, migrate } = this.#changeShape(shape.inner);
        return {
          shape: { ...shape, inner },
          migrate: (value) => (Array.isArray(value) ? value.map(migrate) : value),
        };
      }
      case "map": {
        const { shape: inner, migrate } = this.#changeShape(shape.inner);
        return {
          shape: { ...shape, inner },
          migrate: (value) =>
            Object.fromEntries(Object.entries(value ?? {}).map(([key, item]) => [key, migrate(item)])),
        };
      }
    }
  }

  #promote(name: Primitive): Change {
    const [first, ...others] = PROMOTIONS[name];
    if (first === undefined || this.#random.once(2)) {
      return { shape: { kind: "primitive", name }, migrate: (value) => value };
    }
    return {
      shape: { kind: "primitive", name: this.#random.pick([first, ...others]) },
      migrate: (value) => value,
    };
  }

  #newField(): Field {
    const name = this.#name("f");
    return this.#random.pick<Field>([
      { name, shape: { kind: "primitive", name: "int" }, default: -7 },
      { name, shape: { kind: "primitive", name: "float" }, default: 0.5 },
      { name, shape: { kind: "nullable", inner: { kind: "primitive", name: "string" } }, default: null },
      { name, shape: { kind: "array", inner: { kind: "primitive", name: "double" } }, default: [0.1, 2] },
      { name, shape: { kind: "map", inner: { kind: "primitive", name: "boolean" } }, default: { ü: true } },
      { name, shape: { kind: "enum", name: this.#name("E"), symbols: ["A", "B"] }, default: "B" },
      {
        name,
        shape: {
          kind: "record",
          name: this.#name("R"),
          fields: [{ name: "doc", shape: { kind: "primitive", name: "string" } }],
        },
        default: { doc: "none" },
      },
    ]);
  }

  #shape(depth: number): Shape {
    const kind = this.#random.below(depth <= 0 ? 5 : 9);
    if (kind <= 3) return { kind: "primitive", name: this.#random.pick(PRIMITIVES) };
    if (kind === 4) return { kind: "enum", name: this.#name("E"), symbols: ["A", "B", "C"] };
    if (kind === 5) return { kind: "array", inner: this.#shape(depth - 1) };
    if (kind === 6) return { kind: "map", inner: this.#shape(depth - 1) };
    if (kind === 7) return { kind: "nullable", inner: this.#plain(depth - 1) };
    return this.record(depth);
  }

  /** A union cannot hold a union. */
  #plain(depth: number): Shape {
    const shape = this.#shape(depth);
    return shape.kind === "nullable" ? shape.inner : shape;
  }

  #name(prefix: string): string {
    this.#names += 1;
    return `${prefix}${this.#names}`;
  }
}
