/** What share of the background work the canary has, and what both lanes did of it. */
import { integer, primaryKey, real, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** The order in force: one row at most. */
export const backgroundOrders = sqliteTable("background_orders", {
  name: text("name").primaryKey(),
  /** Of the last order that named one. */
  rolloutId: text("rollout_id").notNull(),
  phase: integer("phase").notNull(),
  revision: integer("revision").notNull(),
  /** Percent. */
  share: real("share").notNull(),
  overdueMs: integer("overdue_ms").notNull(),
  /** ms UTC; from then on the share is 0. */
  expiresAt: integer("expires_at").notNull(),
});

/** Cumulative for a phase; rows of the newest rollout only. */
export const backgroundCounts = sqliteTable(
  "background_counts",
  {
    rolloutId: text("rollout_id").notNull(),
    phase: integer("phase").notNull(),
    lane: text("lane", { enum: ["stable", "canary"] }).notNull(),
    route: text("route", { enum: ["queue", "cron"] }).notNull(),
    requests: integer("requests").notNull(),
    errors: integer("errors").notNull(),
    exceptions: integer("exceptions").notNull(),
    overdue: integer("overdue").notNull(),
    deliveries: integer("deliveries").notNull(),
    failedDeliveries: integer("failed_deliveries").notNull(),
    /** JSON: pairs of bucket and count. */
    latency: text("latency").notNull(),
  },
  (table) => [primaryKey({ columns: [table.rolloutId, table.phase, table.lane, table.route] })],
);

/**
 * Work that the canary was given and that is not counted yet. A row whose time is
 * up belongs to an invocation that died over it.
 */
export const backgroundHandovers = sqliteTable("background_handovers", {
  id: text("id").primaryKey(),
  rolloutId: text("rollout_id").notNull(),
  phase: integer("phase").notNull(),
  route: text("route", { enum: ["queue", "cron"] }).notNull(),
  /** Messages, or 1 run. */
  requests: integer("requests").notNull(),
  /** ms UTC. */
  dueAt: integer("due_at").notNull(),
});

/** Probes of the cron: one row a phase. */
export const backgroundProbes = sqliteTable(
  "background_probes",
  {
    rolloutId: text("rollout_id").notNull(),
    phase: integer("phase").notNull(),
    runs: integer("runs").notNull(),
    state: text("state", { enum: ["running", "passed", "failed"] }).notNull(),
    /** Of the newest run, ms UTC. */
    startedAt: integer("started_at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.rolloutId, table.phase] })],
);
