/** Erasures: the receipts, which are also the tombstones that keep erased messages out, and what is left to do. */
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** One row an erasure. Whatever of its dataset was accepted before `requested_at` is not stored again. */
export const erasures = sqliteTable(
  "erasures",
  {
    id: text("id").primaryKey(),
    datasetId: text("dataset_id").notNull(),
    requestedAt: integer("requested_at").notNull(),
    /**
     * Highest id of a hot row that had been given: whatever an object holds of the
     * dataset that has no later row is erased, however late the object came.
     */
    lastRow: integer("last_row").notNull(),
    /** NULL while objects are still to be rewritten. */
    completedAt: integer("completed_at"),
    hotRows: integer("hot_rows").notNull(),
    hotRecords: integer("hot_records").notNull(),
    coldBlocks: integer("cold_blocks").notNull(),
    coldRecords: integer("cold_records").notNull(),
    deadLetters: integer("dead_letters").notNull(),
    filesRewritten: integer("files_rewritten").notNull(),
    filesDeleted: integer("files_deleted").notNull(),
    bytesBefore: integer("bytes_before").notNull(),
    bytesAfter: integer("bytes_after").notNull(),
  },
  (table) => [index("idx_erasures_dataset").on(table.datasetId, table.requestedAt)],
);

/**
 * What is left to do: one row an object that may still hold something of the
 * erased dataset, and one, `>` and a key, for the part of the bucket after that
 * key, where objects that no manifest row names are still to be looked for.
 */
export const erasureFiles = sqliteTable(
  "erasure_files",
  {
    erasureId: text("erasure_id").notNull(),
    filePath: text("file_path").notNull(),
  },
  (table) => [primaryKey({ columns: [table.erasureId, table.filePath] })],
);
