/** D1 migrations: linted before anything is touched, bookmarked, applied one file at a time. */
export { applyMigrations, migrate } from "./apply.ts";
export { restore, restoreCommand } from "./bookmark.ts";
export { lintPending, safetyOfApplied } from "./check.ts";
export { pendingMigrations } from "./pending.ts";
export { rollbackSafety, type MigrationReport } from "./report.ts";
