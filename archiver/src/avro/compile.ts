/** Compiles schema files. avsc writes code for it, so this is for start-up only. */
import { type AvroType, Type, types } from "./avsc.ts";
import { canonicalize, fingerprintOfForm, withoutDocs } from "./canonical.ts";
import { RecordError, SchemaError } from "./error.ts";
import { type Cursor, passOf, readLong } from "./pass.ts";

/** One schema file. */
export interface SchemaSource {
  readonly table: string;
  readonly version: number;
  readonly schema: unknown;
}

export type PlainRecord = Readonly<Record<string, unknown>>;

/** One compiled version of a table's schema. */
export interface TableSchema {
  readonly table: string;
  readonly version: number;
  /** Lower-case hex SHA-256 of the schema's Parsing Canonical Form (Avro specification). */
  readonly fingerprint: string;
  /** The schema as JSON without its documentation, for the header of every file. */
  readonly json: string;
  /** The logical types that the canonical form leaves out, in the order of its types. */
  readonly logicalTypes: readonly (string | undefined)[];
  readonly type: AvroType;
  /**
   * Moves a cursor past one record and returns the record's event time, ms UTC.
   * @throws RecordError when no record of this schema lies there
   */
  readonly pass: (cursor: Cursor) => number;
  /** The bytes of one record that `pass` has passed, as a plain object in the newest schema of the table. */
  readonly decode: (bytes: Buffer) => PlainRecord;
  /** The bytes of such a record in the newest schema of the table; the same bytes when this is the newest. */
  readonly newestBytes: (bytes: Buffer) => Buffer;
}

const TABLE_NAME = /^[a-z][a-z0-9_]{0,62}$/;

/** Whether a table may be called so. */
export function isTableName(name: string): boolean {
  return TABLE_NAME.test(name);
}

/** Where a schema file lies, for messages. */
const fileOf = ({ table, version }: Pick<SchemaSource, "table" | "version">): string =>
  `schemas/${table}/v${version}.avsc`;

/** Refuses types whose values JSON cannot carry without loss, or that avsc would change. */
function assertSupported(type: AvroType, where: string, around: ReadonlySet<AvroType>): void {
  if (around.has(type)) throw new SchemaError(`${where}: a type that holds itself is not supported`);
  const inside = new Set(around).add(type);
  if (type instanceof types.RecordType) {
    for (const { name, type: field } of type.fields) {
      assertFieldName(type, name, where);
      assertSupported(field, `${where}.${name}`, inside);
    }
  } else if (type instanceof types.ArrayType) {
    const items: AvroType = type.itemsType;
    assertSupported(items, `${where}[]`, inside);
    // A damaged count of such items would be believed.
    if (!takesBytes(items)) throw new SchemaError(`${where}: items that take no bytes are not supported`);
  } else if (type instanceof types.MapType) {
    const values: AvroType = type.valuesType;
    assertSupported(values, `${where}{}`, inside);
  } else if (type instanceof types.UnwrappedUnionType) {
    for (const branch of type.types) assertSupported(branch, where, inside);
  } else if (type instanceof types.WrappedUnionType) {
    throw new SchemaError(`${where}: a union whose branches JSON cannot tell apart is not supported`);
  } else if (type instanceof types.BytesType || type instanceof types.FixedType) {
    throw new SchemaError(`${where}: bytes and fixed have no form in JSON`);
  }
}

/** avsc assigns fields as properties, and names the variables of its readers `_field` beside the record's name. */
function assertFieldName(record: AvroType, field: string, where: string): void {
  const short = record.name?.split(".").at(-1);
  if (field === "__proto__" || short === `_${field}`) {
    throw new SchemaError(`${where}: a record ${short ?? ""} cannot have a field ${field}`);
  }
}

const takesBytes = (type: AvroType): boolean =>
  type instanceof types.RecordType
    ? type.fields.some((field) => takesBytes(field.type))
    : type.typeName !== "null";

function assertTimeField(type: AvroType, where: string, schema: unknown): void {
  const fields =
    typeof schema === "object" && schema !== null && "fields" in schema ? schema.fields : undefined;
  const first: unknown = Array.isArray(fields) ? fields[0] : undefined;
  const text = JSON.stringify(first, ["name", "type", "logicalType"]);
  const wanted = JSON.stringify({ name: "time", type: { type: "long", logicalType: "timestamp-millis" } });
  if (!(type instanceof types.RecordType) || type.typeName !== "record" || text !== wanted) {
    throw new SchemaError(`${where}: must be a record whose first field is ${wanted}`);
  }
}

function compileType(schema: unknown, where: string): AvroType {
  try {
    // avsc mistakes one anonymous record for another when it resolves versions.
    return Type.forSchema(JSON.parse(JSON.stringify(schema)), { noAnonymousTypes: true });
  } catch (cause) {
    throw new SchemaError(`${where}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** The pass of a record whose first field is its time. */
function timedPass(type: AvroType): TableSchema["pass"] {
  if (!(type instanceof types.RecordType)) throw new SchemaError("only a record has a time");
  const rest = type.fields.slice(1).map((field) => passOf(field.type));
  return (cursor) => {
    const time = readLong(cursor);
    for (const pass of rest) pass(cursor);
    return time;
  };
}

/**
 * Compiles one schema file, as the newest of its table. Start-up only.
 * @throws SchemaError
 */
export function compileSchema({ table, version, schema }: SchemaSource): TableSchema {
  const where = fileOf({ table, version });
  if (!isTableName(table)) throw new SchemaError(`${where}: a table is named like ${TABLE_NAME.source}`);
  const documented = withoutDocs(schema);
  const type = compileType(documented, where);
  assertTimeField(type, where, schema);
  assertSupported(type, table, new Set());
  const { form, logicalTypes } = canonicalize(documented);
  if (form !== JSON.stringify(type.schema())) {
    throw new SchemaError(`${where}: its canonical form is not avsc's`);
  }
  return {
    table,
    version,
    fingerprint: fingerprintOfForm(form),
    json: JSON.stringify(documented),
    logicalTypes,
    type,
    pass: timedPass(type),
    decode: (bytes) => decodeAs(type, bytes),
    newestBytes: (bytes) => bytes,
  };
}

/**
 * Makes an older version read as the newest of its table. Start-up only.
 * @throws SchemaError when the newest cannot read it by Avro's schema resolution
 */
export function resolveTo(newest: TableSchema, older: TableSchema): TableSchema {
  const { type } = newest;
  const newestBytes = toNewest(newest, older);
  // Through its bytes, because avsc resolves an int to a float without rounding it.
  return { ...older, newestBytes, decode: (bytes) => decodeAs(type, newestBytes(bytes)) };
}

function toNewest(newest: TableSchema, older: TableSchema): TableSchema["newestBytes"] {
  try {
    const { type } = newest;
    const resolver = type.createResolver(older.type);
    return (bytes) => {
      try {
        return type.toBuffer(type.fromBuffer(bytes, resolver));
      } catch (cause) {
        throw new RecordError(`a record does not fit schema ${older.fingerprint}`, { cause });
      }
    };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SchemaError(`${fileOf(newest)} cannot read ${fileOf(older)}: ${reason}`, { cause });
  }
}

/** @throws RecordError */
function decodeAs(type: AvroType, bytes: Buffer): PlainRecord {
  let value: unknown;
  try {
    value = type.fromBuffer(bytes);
  } catch (cause) {
    throw new RecordError("a record does not fit its schema", { cause });
  }
  if (typeof value !== "object" || value === null) throw new RecordError("a record decoded to no object");
  return plainObject(value);
}

/** avsc makes class instances, which Workers RPC refuses to carry. */
function plainObject(value: object): PlainRecord {
  const copy: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) copy[key] = plain(item);
  return copy;
}

function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  return Array.isArray(value) ? value.map(plain) : plainObject(value);
}
