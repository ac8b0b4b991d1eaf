export { Hold, LeaseLost } from "./hold.ts";
export {
  ARCHIVE_LEASE,
  type ArchiveBindings,
  holdsLease,
  type Lease,
  LEASE_TTL_MS,
  revokeLease,
  withLease,
} from "./lease.ts";
export { announceFile, COMMIT_QUERIES, commitChange, guardLease, jsonChunks, type NewFile } from "./store.ts";
export { NOT_SAID } from "./schema.ts";
