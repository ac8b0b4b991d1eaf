export { openCommit } from "./commit.ts";
export { FolderError, openFolder } from "./folder.ts";
export { CommitError } from "./git.ts";
export type { TreeOptions } from "./selection.ts";
