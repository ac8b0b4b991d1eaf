export { registry, SchemaRegistry, type TableSchema } from "./registry.ts";
export {
  asBuffer,
  decodeRecord,
  recordBytes,
  recordSize,
  RecordError,
  type RecordRun,
  scanRecords,
} from "./records.ts";
export { type AvroType, Type, types } from "./avsc.ts";
