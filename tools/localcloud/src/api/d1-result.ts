import type { SqlResult } from "../runtime/contract.ts";

/** D1's `meta` of one statement. */
export function sqlMeta(result: SqlResult): Readonly<Record<string, unknown>> {
  const { meta } = result;
  return {
    served_by: "local",
    served_by_primary: true,
    duration: meta.duration,
    timings: { sql_duration_ms: meta.duration },
    changes: meta.changes,
    last_row_id: meta.lastRowId,
    changed_db: meta.changedDb,
    size_after: meta.sizeAfter,
    rows_read: meta.rowsRead,
    rows_written: meta.rowsWritten,
  };
}
