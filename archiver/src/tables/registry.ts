/**
 * The schema registry. It is built while the module loads, because avsc may
 * compile at start-up only; a request looks types up and never makes one.
 */
import { createHash } from "node:crypto";
import { type AvroType, Type, types } from "./avsc.ts";
import { SCHEMAS } from "./schemas.generated.ts";

/** One schema file. */
export interface SchemaSource {
  readonly table: string;
  readonly version: number;
  readonly schema: unknown;
}

/** One compiled version of a table's schema. */
export interface TableSchema {
  readonly table: string;
  readonly version: number;
  /** Lower-case hex SHA-256 of the schema's Parsing Canonical Form (Avro specification). */
  readonly fingerprint: string;
  /** The schema as JSON without its documentation, for the header of every file. */
  readonly json: string;
  readonly type: AvroType;
  /** Reads only `time` of a record and skips the rest. */
  readonly timeOf: TimeReader;
}

/**
 * Reads the event time of the record that begins at `offset`.
 * @returns the time in ms and the offset after the record, or -1 when the bytes end inside it
 */
export type TimeReader = (bytes: Buffer, offset: number) => { readonly time: number; readonly next: number };

const TABLE_NAME = /^[a-z][a-z0-9_]{0,62}$/;

/** A schema that the archive cannot hold; thrown while the Worker starts. */
export class SchemaError extends Error {
  override readonly name = "SchemaError";
}

/**
 * The lower-case hex SHA-256 of a type's canonical form. `Type.fingerprint` is
 * not used: the browser build of avsc knows MD5 only.
 */
export function fingerprintOf(type: AvroType): string {
  return createHash("sha256").update(JSON.stringify(type.schema())).digest("hex");
}

/** Refuses types whose values JSON cannot carry without loss, or that avsc would wrap. */
function assertJsonNative(type: AvroType, where: string): void {
  if (type instanceof types.RecordType) {
    for (const field of type.fields) assertJsonNative(field.type, `${where}.${field.name}`);
  } else if (type instanceof types.ArrayType) {
    assertJsonNative(type.itemsType, `${where}[]`);
  } else if (type instanceof types.MapType) {
    const values: AvroType = type.valuesType;
    assertJsonNative(values, `${where}{}`);
  } else if (type instanceof types.UnwrappedUnionType) {
    for (const branch of type.types) assertJsonNative(branch, where);
  } else if (type instanceof types.WrappedUnionType) {
    throw new SchemaError(`${where}: a union whose branches JSON cannot tell apart is not supported`);
  } else if (type instanceof types.BytesType || type instanceof types.FixedType) {
    throw new SchemaError(`${where}: bytes and fixed have no form in JSON`);
  }
}

function assertTimeField(type: AvroType, where: string, schema: unknown): void {
  const fields =
    typeof schema === "object" && schema !== null && "fields" in schema ? schema.fields : undefined;
  const first: unknown = Array.isArray(fields) ? fields[0] : undefined;
  const text = JSON.stringify(first, ["name", "type", "logicalType"]);
  const wanted = JSON.stringify({ name: "time", type: { type: "long", logicalType: "timestamp-millis" } });
  if (!(type instanceof types.RecordType) || text !== wanted) {
    throw new SchemaError(`${where}: must be a record whose first field is ${wanted}`);
  }
}

function compileTimeReader(type: AvroType): TimeReader {
  if (type.name === undefined) throw new SchemaError("a record needs a name");
  const projection = Type.forSchema({
    type: "record",
    name: type.name,
    fields: [{ name: "time", type: "long" }],
  });
  const resolver = projection.createResolver(type);
  return (bytes, offset) => {
    const { value, offset: next } = projection.decode(bytes, offset, resolver);
    return next === -1 ? { time: Number.NaN, next } : { time: Number(value.time), next };
  };
}

/** Compiles one schema file. Module scope only. @throws SchemaError */
export function compileSchema({ table, version, schema }: SchemaSource): TableSchema {
  const where = `schemas/${table}/v${version}.avsc`;
  if (!TABLE_NAME.test(table)) throw new SchemaError(`${where}: a table is named like ${TABLE_NAME.source}`);
  const json = JSON.stringify(schema, (key, value: unknown) => (key === "doc" ? undefined : value));
  const type = Type.forSchema(JSON.parse(json));
  assertTimeField(type, where, schema);
  assertJsonNative(type, table);
  return { table, version, fingerprint: fingerprintOf(type), json, type, timeOf: compileTimeReader(type) };
}

/** Every version of every table, found by table name or by fingerprint. */
export class SchemaRegistry {
  readonly #newest = new Map<string, TableSchema>();
  readonly #byFingerprint = new Map<string, TableSchema>();

  /** Module scope only. @throws SchemaError */
  constructor(sources: readonly SchemaSource[]) {
    for (const source of sources) {
      const schema = compileSchema(source);
      const key = `${schema.table}/${schema.fingerprint}`;
      if (this.#byFingerprint.has(key)) {
        throw new SchemaError(`schemas/${schema.table}/v${schema.version}.avsc repeats an earlier version`);
      }
      this.#byFingerprint.set(key, schema);
      const newest = this.#newest.get(schema.table);
      if (newest === undefined || newest.version < schema.version) this.#newest.set(schema.table, schema);
    }
  }

  /** Names of the tables, sorted. */
  get tables(): readonly string[] {
    return [...this.#newest.keys()].sort();
  }

  /** Every table and fingerprint that can be decoded. */
  get known(): readonly { readonly table: string; readonly fingerprint: string }[] {
    return [...this.#byFingerprint.values()].map(({ table, fingerprint }) => ({ table, fingerprint }));
  }

  /** The version that new records of a table are written in. */
  newest(table: string): TableSchema | undefined {
    return this.#newest.get(table);
  }

  /** The version that stored records were written in. */
  find(table: string, fingerprint: string): TableSchema | undefined {
    return this.#byFingerprint.get(`${table}/${fingerprint}`);
  }
}

/** The tables of this Worker. */
export const registry = new SchemaRegistry(SCHEMAS);
