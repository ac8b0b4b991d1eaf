/**
 * The schema registry. It is built while the module loads, because avsc may
 * compile at start-up only; a request looks types up and never makes one.
 */
import {
  type Canonical,
  canonicalize,
  compileSchema,
  fingerprintOfForm,
  isTableName,
  resolveTo,
  SchemaError,
  type SchemaSource,
  type TableSchema,
} from "../avro/index.ts";
import { GENERIC_FINGERPRINT, genericSchema, isGeneric } from "./generic.ts";
import { SCHEMAS } from "./schemas.generated.ts";

/** Names come from requests, so the generic schemas that are kept have a bound. */
const MAX_GENERIC_TABLES = 1_000;

/** Every version of every table, found by table name or by fingerprint. */
export class SchemaRegistry {
  readonly #newest = new Map<string, TableSchema>();
  readonly #byFingerprint = new Map<string, TableSchema>();
  readonly #generic = new Map<string, TableSchema>();

  /** Module scope only. @throws SchemaError also when a table's newest version cannot read another one of it */
  constructor(sources: readonly SchemaSource[]) {
    const compiled = sources.map(compileSchema);
    for (const [table, versions] of Map.groupBy(compiled, (schema) => schema.table)) {
      const newest = versions.reduce((best, schema) => (schema.version > best.version ? schema : best));
      this.#newest.set(table, newest);
      for (const schema of versions) this.#add(schema === newest ? schema : resolveTo(newest, schema));
    }
  }

  #add(schema: TableSchema): void {
    const where = `schemas/${schema.table}/v${schema.version}.avsc`;
    if (isGeneric(schema)) throw new SchemaError(`${where} is the generic envelope, which is built in`);
    const key = `${schema.table}/${schema.fingerprint}`;
    if (this.#byFingerprint.has(key)) throw new SchemaError(`${where} repeats an earlier version`);
    this.#byFingerprint.set(key, schema);
  }

  /** Names of the tables that have a schema, sorted. */
  get tables(): readonly string[] {
    return [...this.#newest.keys()].sort();
  }

  /** Every table and fingerprint of a schema file. Beside them every table may hold generic records. */
  get known(): readonly { readonly table: string; readonly fingerprint: string }[] {
    return [...this.#byFingerprint.values()].map(({ table, fingerprint }) => ({ table, fingerprint }));
  }

  /** The version that new records of a table are written in; none for a table without schema files. */
  newest(table: string): TableSchema | undefined {
    return this.#newest.get(table);
  }

  /** The generic envelope as a schema of `table`, whether it has others or not; none for a name that no table may have. */
  generic(table: string): TableSchema | undefined {
    const known = this.#generic.get(table);
    if (known !== undefined || !isTableName(table)) return known;
    const schema = genericSchema(table);
    if (this.#generic.size >= MAX_GENERIC_TABLES) this.#generic.clear();
    this.#generic.set(table, schema);
    return schema;
  }

  /** The version that stored records were written in. */
  find(table: string, fingerprint: string): TableSchema | undefined {
    if (fingerprint === GENERIC_FINGERPRINT) return this.generic(table);
    return this.#byFingerprint.get(`${table}/${fingerprint}`);
  }

  /**
   * The version of a table that a file's `avro.schema` is, whatever its
   * documentation and layout. A type of another logical type is another schema:
   * microseconds would be read as milliseconds.
   */
  findBySchemaText(table: string, text: string): TableSchema | undefined {
    let parsed: Canonical;
    try {
      parsed = canonicalize(JSON.parse(text));
    } catch (error) {
      if (error instanceof SchemaError || error instanceof SyntaxError) return undefined;
      throw error;
    }
    const schema = this.find(table, fingerprintOfForm(parsed.form));
    const agrees = parsed.logicalTypes.every(
      (logicalType, index) => logicalType === undefined || logicalType === schema?.logicalTypes[index],
    );
    return agrees ? schema : undefined;
  }

  /**
   * The bytes of a record in the newest schema of its table; the same bytes when
   * `schema` is the newest. A generic record stays generic.
   * @throws RecordError
   */
  newestBytes(schema: TableSchema, bytes: Buffer): Buffer {
    return schema.newestBytes(bytes);
  }
}

/** The tables of this Worker. */
export const registry = new SchemaRegistry(SCHEMAS);
