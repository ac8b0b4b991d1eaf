/** Arbitrary Avro schemas, and arbitrary values of them. */
import avsc, { type Type } from "avsc";
import type { Random } from "./random.ts";

export type Json = { readonly [key: string]: unknown };

const PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"] as const;
const NAMESPACES = [undefined, undefined, "", "a", "a.b", "other"] as const;

/** Draws one schema of any kind; names it defines can be referred to by what follows in the text. */
class SchemaSource {
  readonly #random: Random;
  readonly #recursive: boolean;
  readonly #referable: string[] = [];
  #names = 0;

  constructor(random: Random, recursive: boolean) {
    this.#random = random;
    this.#recursive = recursive;
  }

  any(depth: number, namespace: string): unknown {
    const kind = this.#random.below(depth <= 0 ? 5 : 12);
    if (kind <= 2) return this.#random.pick(PRIMITIVES);
    if (kind === 3) return { type: this.#random.pick(PRIMITIVES), doc: "x", logicalType: "some-kind" };
    if (kind === 4) return this.#reference(namespace) ?? "string";
    if (kind === 5) return { type: "array", items: this.any(depth - 1, namespace), doc: "list" };
    if (kind === 6) return { values: this.any(depth - 1, namespace), type: "map" };
    if (kind === 7) return this.#enumeration(namespace);
    if (kind === 8) return this.#fixed(namespace);
    if (kind === 9) return this.#union(depth, namespace);
    return this.record(depth, namespace);
  }

  record(depth: number, namespace: string): unknown {
    const { attributes, full, inside } = this.#name("R", namespace);
    if (this.#recursive) this.#referable.push(full);
    const fields = this.#random.list(4, (index) => ({
      order: "ignore",
      type: this.any(depth - 1, inside),
      name: `f${index}`,
      aliases: [`old${index}`],
      doc: "a field",
    }));
    if (!this.#recursive) this.#referable.push(full);
    return { fields, type: "record", doc: "a record", ...attributes };
  }

  #enumeration(namespace: string): unknown {
    const { attributes, full } = this.#name("E", namespace);
    this.#referable.push(full);
    const symbols = ["S0", ...this.#random.list(3, (index) => `S${index + 1}`)];
    return { symbols, ...attributes, type: "enum", default: "S0" };
  }

  #fixed(namespace: string): unknown {
    const { attributes, full } = this.#name("F", namespace);
    this.#referable.push(full);
    return { size: 1 + this.#random.below(5), type: "fixed", ...attributes };
  }

  /** Branches of different kinds, so that none is there twice. */
  #union(depth: number, namespace: string): unknown {
    const kinds: readonly (() => unknown)[] = [
      ...PRIMITIVES.map((name) => () => name),
      () => ({ type: "array", items: this.any(depth - 1, namespace) }),
      () => ({ type: "map", values: this.any(depth - 1, namespace) }),
      () => this.#enumeration(namespace),
      () => this.#fixed(namespace),
      () => this.record(depth - 1, namespace),
    ];
    const chosen = kinds.filter(() => this.#random.once(4));
    return chosen.length === 0 ? ["null"] : chosen.map((make) => make());
  }

  #reference(namespace: string): string | undefined {
    const full = this.#referable[this.#random.below(this.#referable.length)];
    if (full === undefined) return undefined;
    const short = full.slice(full.lastIndexOf(".") + 1);
    if (full === short) return namespace === "" ? short : `.${short}`;
    return full === `${namespace}.${short}` && this.#random.once(2) ? short : full;
  }

  #name(prefix: string, around: string): { attributes: Json; full: string; inside: string } {
    this.#names += 1;
    const short = `${prefix}${this.#names}`;
    const namespace = this.#random.pick(NAMESPACES);
    if (this.#random.once(4)) {
      const inside = namespace ?? "p.q";
      const attributes = namespace === undefined ? {} : { namespace };
      return { attributes: { name: `p.q.${short}`, ...attributes }, full: `p.q.${short}`, inside };
    }
    const inside = namespace ?? around;
    const attributes = namespace === undefined ? { name: short } : { namespace, name: short };
    return { attributes, full: inside === "" ? short : `${inside}.${short}`, inside };
  }
}

/** A schema of any kind, also one that refers to itself. */
export function anySchema(random: Random): unknown {
  return new SchemaSource(random, true).any(4, "");
}

/** A record schema that values can be made of. */
export function recordSchema(random: Random): unknown {
  return new SchemaSource(random, false).record(3, "");
}

/** A value of a compiled type, in the form that avsc wants. */
export function valueOf(random: Random, type: Type): unknown {
  const { types } = avsc;
  if (type instanceof types.RecordType) {
    return Object.fromEntries(type.fields.map((field) => [field.name, valueOf(random, field.type)]));
  }
  if (type instanceof types.ArrayType) {
    const { itemsType } = type;
    return random.list(4, () => valueOf(random, itemsType));
  }
  if (type instanceof types.MapType) {
    const values: Type = type.valuesType;
    return Object.fromEntries(random.list(4, () => [text(random), valueOf(random, values)]));
  }
  if (type instanceof types.EnumType) return type.symbols[random.below(type.symbols.length)];
  if (type instanceof types.FixedType) return random.bytes(type.size);
  if (type instanceof types.UnwrappedUnionType) return valueOf(random, branchOf(random, type.types));
  if (type instanceof types.WrappedUnionType) {
    const branch = branchOf(random, type.types);
    const value = valueOf(random, branch);
    return branch.branchName === undefined || value === null ? value : { [branch.branchName]: value };
  }
  return primitive(random, type.typeName);
}

function branchOf(random: Random, branches: readonly Type[]): Type {
  const branch = branches[random.below(branches.length)];
  if (branch === undefined) throw new Error("a union has no branches");
  return branch;
}

/** The longs that avsc reads and writes exactly, and where their size changes. */
const LONGS = [
  -(2 ** 52),
  2 ** 53 - 2,
  1_766_500_000_123,
  2 ** 31,
  -(2 ** 31) - 1,
  63,
  64,
  -64,
  -65,
  0,
] as const;
const DOUBLES = [0, -0, 0.1, -1.5, Number.MAX_VALUE, Number.MIN_VALUE, 1e21, 2 ** 53 + 2] as const;
const INTS = [0, -1, 2 ** 31 - 1, -(2 ** 31), 2 ** 30, -(2 ** 30) - 1, 8_191, 8_192] as const;
const LETTERS = ["a", "Z", " ", '"', "ü", "漢", "😀", "\0", "\n", "."] as const;

const text = (random: Random): string =>
  random.list(random.once(4) ? 80 : 6, () => random.pick(LETTERS)).join("");

function primitive(random: Random, name: string): unknown {
  switch (name) {
    case "null":
      return null;
    case "boolean":
      return random.once(2);
    case "int":
      return random.once(2) ? random.pick(INTS) : random.bits() | 0;
    case "long":
      return random.once(2) ? random.pick(LONGS) : (random.bits() - 2 ** 31) * random.below(2 ** 20);
    case "float":
      return Math.fround(random.once(2) ? random.pick([0, -0, 0.1, -1.5, 2 ** 24 + 1]) : random.bits() / 7);
    case "double":
      return random.once(2) ? random.pick(DOUBLES) : random.bits() / 7;
    case "bytes":
      return random.bytes(random.below(40));
    default:
      return text(random);
  }
}
