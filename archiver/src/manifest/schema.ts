/** The manifest of cold storage: the files in R2 and where each dataset's blocks lie in them. */
import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/**
 * The life of a file. `writing`: announced, its object may be incomplete.
 * `live`: readers use it. `compacted`: others hold its records; its object stays
 * for a grace, because a reader may just be fetching it. `deleting`: its object
 * is being removed, then its row. `lost`: its object is gone and should not be;
 * readers go on without it and say so. Only `live` and `lost` files have rows in
 * `block_indexes`.
 */
export const FILE_STATES = ["writing", "live", "compacted", "deleting", "lost"] as const;

/** Stands for a `retained_from` that nobody has said. */
export const NOT_SAID = Number.MAX_SAFE_INTEGER;

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
    state: text("state", { enum: FILE_STATES }).notNull().default("live"),
    /** When the state was entered, ms UTC. */
    stateAt: integer("state_at").notNull().default(0),
    /** 0: written by an archive run. 1: merged within its period (a day). 2: merged over a month. */
    level: integer("level").notNull().default(0),
    /** How often its records were written again: 0 for a file of an archive run. */
    generation: integer("generation").notNull().default(0),
    /**
     * From when its records' retention counts, ms UTC: the upload of the youngest
     * file they came from. The default is a time that never expires: a version of
     * the Worker that does not know the column says nothing, and retention fills it in.
     */
    retainedFrom: integer("retained_from").notNull().default(NOT_SAID),
  },
  (table) => [
    index("idx_archived_files_period").on(table.tableName, table.period),
    index("idx_archived_files_state").on(table.state, table.stateAt),
    index("idx_archived_files_retained").on(table.retainedFrom),
  ],
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

/**
 * Where the ids of this database's hot rows begin. Files name their rows by these
 * ids, so a database that replaces a lost one must not give them again: the
 * migration lets them begin at the microseconds since 1970.
 */
export const rowSpaces = sqliteTable("row_spaces", {
  tableName: text("table_name").primaryKey(),
  /** Objects with earlier rows are of another database, unless the index was made from the bucket (then 0). */
  firstRow: integer("first_row").notNull(),
});
