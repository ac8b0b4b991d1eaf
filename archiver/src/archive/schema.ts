/** Cold storage: the files in R2 and where each dataset's blocks lie in them. */
import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** One row an Avro object container file. */
export const archivedFiles = sqliteTable(
  "archived_files",
  {
    id: integer("id").primaryKey({ autoIncrement: true }),
    filePath: text("file_path").notNull().unique(),
    tableName: text("table_name").notNull(),
    period: text("period").notNull(),
    /** Bytes, header included. */
    fileSize: integer("file_size").notNull(),
    headerSize: integer("header_size").notNull(),
    compressionCodec: text("compression_codec").notNull(),
    /** Hex SHA-256 of the file. */
    sha256: text("sha256").notNull(),
    /** Hex of the 16 bytes that end every block. */
    syncMarker: text("sync_marker").notNull(),
    schemaFingerprint: text("schema_fingerprint").notNull(),
    recordCount: integer("record_count").notNull(),
    blockCount: integer("block_count").notNull(),
    minTime: integer("min_time").notNull(),
    maxTime: integer("max_time").notNull(),
    createdAt: integer("created_at").notNull(),
    lastModifiedAt: integer("last_modified_at").notNull(),
  },
  (table) => [index("idx_archived_files_period").on(table.tableName, table.period)],
);

/** One row a block; a block holds one dataset only. */
export const blockIndexes = sqliteTable(
  "block_indexes",
  {
    id: integer("id").primaryKey({ autoIncrement: true }),
    fileId: integer("file_id")
      .notNull()
      .references(() => archivedFiles.id),
    datasetId: text("dataset_id").notNull(),
    tableName: text("table_name").notNull(),
    /** Offset of the block in the file. */
    startByte: integer("start_byte").notNull(),
    /** Bytes from the block's count to the end of its sync marker. */
    length: integer("length").notNull(),
    /** CRC-32 of those bytes; Avro's blocks carry no checksum of their own. */
    crc32: integer("crc32").notNull(),
    recordCount: integer("record_count").notNull(),
    startTimestamp: integer("start_timestamp").notNull(),
    endTimestamp: integer("end_timestamp").notNull(),
  },
  (table) => [
    index("idx_block_indexes_dataset_table").on(
      table.datasetId,
      table.tableName,
      table.startTimestamp,
      table.endTimestamp,
    ),
    index("idx_block_indexes_file").on(table.fileId, table.startByte),
  ],
);

/** Who may change the archive. A fence grows with every grant and is never given twice. */
export const leases = sqliteTable("leases", {
  name: text("name").primaryKey(),
  holder: text("holder").notNull(),
  fence: integer("fence").notNull(),
  expiresAt: integer("expires_at").notNull(),
});
