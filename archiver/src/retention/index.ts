export { DEFAULT_RETENTION_BOUNDS, GRACE_MS, retain, type RetentionBounds } from "./retain.ts";
