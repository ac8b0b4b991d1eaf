/** What the archive holds. */
import type { ArchiveStats } from "./contract.ts";

interface Totals {
  readonly hotRows: number;
  readonly hotRecords: number;
  readonly hotBytes: number;
  readonly files: number;
  readonly blocks: number;
  readonly coldRecords: number;
  readonly coldBytes: number;
}

/** Counts rows of both layers at one moment. It reads every row of `buffer_logs` and `archived_files`. */
export async function readStats(db: D1Database): Promise<ArchiveStats> {
  const totals = await db
    .prepare(
      `SELECT hot.*, cold.* FROM
         (SELECT count(*) AS hotRows, coalesce(sum(record_count), 0) AS hotRecords,
                 coalesce(sum(bytes), 0) AS hotBytes FROM buffer_logs) AS hot,
         (SELECT count(*) AS files, coalesce(sum(block_count), 0) AS blocks,
                 coalesce(sum(record_count), 0) AS coldRecords,
                 coalesce(sum(file_size), 0) AS coldBytes FROM archived_files) AS cold`,
    )
    .first<Totals>();
  return {
    hot: { rows: totals?.hotRows ?? 0, records: totals?.hotRecords ?? 0, bytes: totals?.hotBytes ?? 0 },
    cold: {
      files: totals?.files ?? 0,
      blocks: totals?.blocks ?? 0,
      records: totals?.coldRecords ?? 0,
      bytes: totals?.coldBytes ?? 0,
    },
  };
}
