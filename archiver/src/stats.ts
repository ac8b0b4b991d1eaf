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
  readonly replacedFiles: number;
  readonly replacedBytes: number;
  readonly lostFiles: number;
  readonly lostRecords: number;
  readonly deadLetters: number;
}

const STATS = `
  SELECT hot.*, cold.*, (SELECT count(*) FROM dead_letters) AS deadLetters FROM
    (SELECT count(*) AS hotRows, coalesce(sum(record_count), 0) AS hotRecords,
            coalesce(sum(bytes), 0) AS hotBytes FROM buffer_logs) AS hot,
    (SELECT coalesce(sum(state = 'live'), 0) AS files,
            coalesce(sum(iif(state = 'live', block_count, 0)), 0) AS blocks,
            coalesce(sum(iif(state = 'live', record_count, 0)), 0) AS coldRecords,
            coalesce(sum(iif(state = 'live', file_size, 0)), 0) AS coldBytes,
            coalesce(sum(state IN ('compacted', 'deleting')), 0) AS replacedFiles,
            coalesce(sum(iif(state IN ('compacted', 'deleting'), file_size, 0)), 0) AS replacedBytes,
            coalesce(sum(state = 'lost'), 0) AS lostFiles,
            coalesce(sum(iif(state = 'lost', record_count, 0)), 0) AS lostRecords
     FROM archived_files) AS cold`;

/** Counts rows of both layers at one moment. It reads every row of `buffer_logs` and `archived_files`. */
export async function readStats(db: D1Database): Promise<ArchiveStats> {
  const totals = await db.prepare(STATS).first<Totals>();
  const count = (name: keyof Totals): number => totals?.[name] ?? 0;
  return {
    hot: { rows: count("hotRows"), records: count("hotRecords"), bytes: count("hotBytes") },
    cold: {
      files: count("files"),
      blocks: count("blocks"),
      records: count("coldRecords"),
      bytes: count("coldBytes"),
    },
    replaced: { files: count("replacedFiles"), bytes: count("replacedBytes") },
    lost: { files: count("lostFiles"), records: count("lostRecords") },
    deadLetters: count("deadLetters"),
  };
}
