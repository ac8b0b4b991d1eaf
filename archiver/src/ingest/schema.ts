/** What was answered under an idempotency key. */
import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** One row a request that was accepted whole. */
export const ingestKeys = sqliteTable(
  "ingest_keys",
  {
    /** Hex SHA-256 of dataset, table and key. */
    keyHash: text("key_hash").primaryKey(),
    /** Hex SHA-256 of what the request asked for. */
    requestHash: text("request_hash").notNull(),
    accepted: integer("accepted").notNull(),
    messages: integer("messages").notNull(),
    bytes: integer("bytes").notNull(),
    createdAt: integer("created_at").notNull(),
  },
  (table) => [index("idx_ingest_keys_age").on(table.createdAt)],
);
