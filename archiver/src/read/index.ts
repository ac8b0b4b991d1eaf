export { DEFAULT_READ_BOUNDS, type ReadBounds } from "./page.ts";
export { read } from "./read.ts";
