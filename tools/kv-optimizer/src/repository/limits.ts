/** What a tree may cost; beyond it, the report says what was left out. */

/** A file larger than this is no hand-written source. */
export const MAX_FILE_BYTES = 2 * 1024 * 1024;
/** Of all files that are taken. */
export const MAX_TOTAL_BYTES = 512 * 1024 * 1024;
export const MAX_FILES = 200_000;
/** Files and folders that are met, taken or not. */
export const MAX_ENTRIES = 2_000_000;
/** Folders below the root. */
export const MAX_DEPTH = 64;
/** How much of a file tells whether it is text. */
export const HEAD_BYTES = 8 * 1024;
/** How much of a file tells whether it is generated. */
export const MARK_BYTES = 2 * 1024;
/** Entries that are met in folders which git ignores, where only configs and types are looked for. */
export const MAX_IGNORED_ENTRIES = 2_000;
/** Folders below one that git ignores. */
export const MAX_IGNORED_DEPTH = 4;
