/** What scans of the bucket have found, until it is put in the index's place. */
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** One row an object. */
export const reindexFiles = sqliteTable("reindex_files", {
  filePath: text("file_path").primaryKey(),
  /** The file's columns as a JSON object; with `damage` where the object cannot be indexed. */
  file: text("file").notNull(),
  /** Ids of the hot rows whose records it holds, as its header has them; empty where it has none. */
  rows: text("rows").notNull(),
  uploadedAt: integer("uploaded_at").notNull(),
});

/** One row a block of theirs, in the columns of `block_indexes`. */
export const reindexBlocks = sqliteTable(
  "reindex_blocks",
  {
    filePath: text("file_path").notNull(),
    datasetId: text("dataset_id").notNull(),
    startByte: integer("start_byte").notNull(),
    length: integer("length").notNull(),
    crc32: integer("crc32").notNull(),
    recordCount: integer("record_count").notNull(),
    startTimestamp: integer("start_timestamp").notNull(),
    endTimestamp: integer("end_timestamp").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.filePath, table.startByte] }),
    index("idx_reindex_blocks_dataset").on(table.datasetId),
  ],
);
