/** Generates the migrations of the hub's database: `drizzle-kit generate --config worker/drizzle.config.ts`. */
import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "sqlite",
  schema: "./worker/src/**/schema.ts",
  out: "./migrations/hub",
});
