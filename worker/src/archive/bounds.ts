/** Bounds that all operations of the archive share. */

/** Longest wait for an operation that goes over many files, in milliseconds. */
export const OPERATION_TIMEOUT_MS = 120_000;

/** Largest body of an operation in bytes: as many ids of dead letters as one call may name. */
export const MAX_OPERATION_BYTES = 32 * 1024;

export const MAX_CURSOR = 2_048;
