export { BlockCutter, type CutBlock } from "./cut.ts";
export {
  type FileBlock,
  type FileDraft,
  FileWriter,
  HEADER_KEYS,
  type Level,
  MemorySink,
  type WrittenFile,
} from "./file.ts";
export { ObjectWriter, PART_BYTES, putOnce, storedSha256 } from "./object.ts";
export {
  type BlockRange,
  coalesce,
  type ColdBlock,
  type FetchedBlock,
  fetchRange,
  MAX_RANGE_BYTES,
  openBlock,
  ReadError,
  streamBlocks,
} from "./open.ts";
export {
  countOf,
  decodeRows,
  encodeRows,
  intersectRows,
  type RowRange,
  type RowSet,
  RowSetError,
  rowsOf,
  unionRows,
} from "./rows.ts";
