/** Hot storage: what has been ingested and not yet archived. */
import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** One row a queue message. Ids are never used twice: they are part of object keys. */
export const bufferLogs = sqliteTable(
  "buffer_logs",
  {
    id: integer("id").primaryKey({ autoIncrement: true }),
    messageId: text("message_id").notNull().unique(),
    datasetId: text("dataset_id").notNull(),
    tableName: text("table_name").notNull(),
    period: text("period").notNull(),
    /** Hex SHA-256 of the writer schema. */
    schemaFingerprint: text("schema_fingerprint").notNull(),
    recordCount: integer("record_count").notNull(),
    /** Event times of the earliest and latest record, ms UTC. */
    minTime: integer("min_time").notNull(),
    maxTime: integer("max_time").notNull(),
    /** Size of the records before base64. */
    bytes: integer("bytes").notNull(),
    createdAt: integer("created_at").notNull(),
    /**
     * The records' Avro bytes in base64: D1 answers a BLOB as an array of numbers, three times as large.
     * It is the last column, so that SQLite reads the others without following its overflow pages.
     */
    data: text("data").notNull(),
  },
  (table) => [
    index("idx_buffer_logs_read").on(table.datasetId, table.tableName, table.minTime, table.maxTime),
    index("idx_buffer_logs_archive").on(table.tableName, table.period, table.id),
  ],
);

/**
 * Ids of messages that left `buffer_logs`, archived or erased, kept longer than a
 * queue may deliver a message again: a late second delivery must not bring its
 * records back.
 */
export const archivedMessages = sqliteTable(
  "archived_messages",
  {
    messageId: text("message_id").primaryKey(),
    archivedAt: integer("archived_at").notNull(),
  },
  (table) => [index("idx_archived_messages_age").on(table.archivedAt)],
);
