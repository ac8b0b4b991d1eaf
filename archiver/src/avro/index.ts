export { type AvroType, Type, types } from "./avsc.ts";
export { type Canonical, canonicalForm, canonicalize, fingerprintOfForm, withoutDocs } from "./canonical.ts";
export {
  compileSchema,
  isTableName,
  type PlainRecord,
  resolveTo,
  type SchemaSource,
  type TableSchema,
} from "./compile.ts";
export { RecordError, SchemaError } from "./error.ts";
export type { Cursor } from "./pass.ts";
