/** Tables of the hub's D1 database that belong to the rollout. */
import { index, integer, primaryKey, real, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { ROLLOUT_STATUSES } from "../contract.ts";

/** A copy of every transition, for people; the object's own state decides. */
export const rolloutTransitions = sqliteTable(
  "rollout_transitions",
  {
    rolloutId: text("rollout_id").notNull(),
    /** Grows with every transition; a transition that is written twice is one row. */
    revision: integer("revision").notNull(),
    /** Milliseconds UTC. */
    at: integer("at").notNull(),
    status: text("status", { enum: ROLLOUT_STATUSES }).notNull(),
    phase: integer("phase").notNull(),
    /** Percent of each class that went to the canary from then on. */
    readShare: real("read_share").notNull(),
    writeShare: real("write_share").notNull(),
    backgroundShare: real("background_share").notNull(),
    reason: text("reason").notNull(),
    /** `judge`, or who gave the command. */
    by: text("by").notNull(),
    /** Release that the rollout carried. */
    tag: text("tag").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.rolloutId, table.revision] }),
    index("rollout_transitions_at").on(table.at),
  ],
);

/**
 * Written by hubs before `rollout_transitions`; kept, since those may still run while a release goes on.
 * @public read by drizzle-kit
 */
export const rolloutHistory = sqliteTable(
  "rollout_history",
  {
    rolloutId: text("rollout_id").notNull(),
    status: text("status", { enum: ["active", "promoted", "rolled-back"] }).notNull(),
    phase: integer("phase").notNull(),
    tag: text("tag").notNull(),
    at: integer("at").notNull(),
    readShare: integer("read_share").notNull(),
    writeShare: integer("write_share").notNull(),
    reason: text("reason").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.rolloutId, table.status, table.phase] }),
    index("rollout_history_at").on(table.at),
  ],
);
