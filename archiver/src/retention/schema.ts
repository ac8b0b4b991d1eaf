/** How far the sweep of the bucket has come. */
import { sqliteTable, text } from "drizzle-orm/sqlite-core";

/** One row at most. */
export const bucketSweep = sqliteTable("bucket_sweep", {
  name: text("name").primaryKey(),
  /** Key that the next page begins after; empty where the sweep begins anew. */
  position: text("position").notNull(),
});
