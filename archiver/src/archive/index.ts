export { archiveRun, DEFAULT_BOUNDS, type RunBounds } from "./run.ts";
