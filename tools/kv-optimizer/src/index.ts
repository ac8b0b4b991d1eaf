/** The audit as a library: `audit(openFolder("."), DEFAULT_ASSUMPTIONS)`. */
export { audit, bestMoves } from "./audit.ts";
export { DEFAULT_ASSUMPTIONS } from "./judge/index.ts";
export { CommitError, FolderError, openCommit, openFolder, type TreeOptions } from "./repository/index.ts";
export type * from "./model.ts";
