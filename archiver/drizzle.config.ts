import { defineConfig } from "drizzle-kit";

/** `npx drizzle-kit generate --config archiver/drizzle.config.ts --name <what changed>`, from the repository's root. */
export default defineConfig({
  dialect: "sqlite",
  schema: "archiver/src/*/schema.ts",
  out: "migrations/archive",
});
