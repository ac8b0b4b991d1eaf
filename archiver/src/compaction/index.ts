export { compact, type CompactionBounds, DEFAULT_COMPACTION_BOUNDS } from "./compact.ts";
