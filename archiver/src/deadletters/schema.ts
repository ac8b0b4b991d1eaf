/** Messages that could not be stored, kept until an operator decides. */
import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** One row a message of the dead-letter queue. */
export const deadLetters = sqliteTable(
  "dead_letters",
  {
    id: integer("id").primaryKey({ autoIncrement: true }),
    /** The queue's id of the delivery: a letter that arrives twice is kept once. */
    deliveryId: text("delivery_id").notNull().unique(),
    reason: text("reason").notNull(),
    /** NULL where the message cannot be read. */
    datasetId: text("dataset_id"),
    tableName: text("table_name"),
    recordCount: integer("record_count"),
    /** When the records were accepted, ms UTC; NULL where the message cannot be read. */
    acceptedAt: integer("accepted_at"),
    bytes: integer("bytes").notNull(),
    receivedAt: integer("received_at").notNull(),
    /** The message as it was sent, in base64. */
    body: text("body").notNull(),
  },
  (table) => [index("idx_dead_letters_dataset").on(table.datasetId)],
);
