/**
 * The envelope of records whose table has no schema: their time, and the rest
 * of the record as JSON text. One built-in schema serves every table.
 */
import { compileSchema, type PlainRecord, RecordError, type TableSchema } from "../avro/index.ts";

const ENVELOPE = compileSchema({
  table: "generic",
  version: 0,
  schema: {
    type: "record",
    name: "strata.Generic",
    fields: [
      { name: "time", type: { type: "long", logicalType: "timestamp-millis" } },
      { name: "body", type: "string" },
    ],
  },
});

/** The fingerprint of the generic envelope, the same for every table. */
export const GENERIC_FINGERPRINT = ENVELOPE.fingerprint;

/** Whether records of this schema are generic: any JSON object with a time. */
export function isGeneric({ fingerprint }: Pick<TableSchema, "fingerprint">): boolean {
  return fingerprint === GENERIC_FINGERPRINT;
}

/** The generic envelope as a schema of `table`. Compiles nothing. */
export function genericSchema(table: string): TableSchema {
  return { ...ENVELOPE, table, decode: open };
}

function open(bytes: Buffer): PlainRecord {
  const { time, body } = ENVELOPE.decode(bytes);
  const members = parseBody(body);
  if (Object.hasOwn(members, "time")) throw new RecordError("a generic record's body has a time of its own");
  return { time, ...members };
}

function parseBody(body: unknown): object {
  let members: unknown;
  try {
    members = JSON.parse(String(body));
  } catch (cause) {
    throw new RecordError("a generic record's body is not JSON", { cause });
  }
  if (typeof members === "object" && members !== null && !Array.isArray(members)) return members;
  throw new RecordError("a generic record's body is no JSON object");
}
