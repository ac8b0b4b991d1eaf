export {
  type AvroType,
  canonicalForm,
  RecordError,
  SchemaError,
  type TableSchema,
  Type,
  types,
} from "../avro/index.ts";
export { GENERIC_FINGERPRINT, isGeneric } from "./generic.ts";
export { asBuffer, decodeRecord, recordBytes, type RecordRun, scanRecords } from "./records.ts";
export { registry, SchemaRegistry } from "./registry.ts";
