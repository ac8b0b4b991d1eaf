/** Tables of the hub's D1 database that belong to the rollout. */
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/**
 * A copy of every transition, for people; the object's own state decides. A
 * rollout never enters the same status and phase twice.
 */
export const rolloutHistory = sqliteTable(
  "rollout_history",
  {
    rolloutId: text("rollout_id").notNull(),
    status: text("status", { enum: ["active", "promoted", "rolled-back"] }).notNull(),
    phase: integer("phase").notNull(),
    /** Release that the rollout carried. */
    tag: text("tag").notNull(),
    /** Milliseconds UTC. */
    at: integer("at").notNull(),
    /** Percent of each class that went to the canary from then on. */
    readShare: integer("read_share").notNull(),
    writeShare: integer("write_share").notNull(),
    reason: text("reason").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.rolloutId, table.status, table.phase] }),
    index("rollout_history_at").on(table.at),
  ],
);
