/** Archives now, and says what is hot and what is cold. */
import type { ArchiveRunResult, ArchiveStats, Spend } from "../../../archiver/src/contract.ts";
import { CliError, EXIT } from "../exit.ts";
import { onceRan, type Operator } from "./operator.ts";
import { bytes, count, files, table } from "./text.ts";

/** More than any backlog takes: a run moves thousands of rows. */
const MAX_RUNS = 10_000;
/** Runs in a row that may move nothing although something is left: the database may have been away. */
const MAX_IDLE_RUNS = 3;
const IDLE_MS = 2_000;

export interface ArchivedTotal extends Omit<ArchiveRunResult, "ran"> {
  readonly runs: number;
}

function addSpend(one: Spend, other: Spend): Spend {
  return {
    d1Queries: one.d1Queries + other.d1Queries,
    d1RowsRead: one.d1RowsRead + other.d1RowsRead,
    d1RowsWritten: one.d1RowsWritten + other.d1RowsWritten,
    r2ClassA: one.r2ClassA + other.r2ClassA,
    r2ClassB: one.r2ClassB + other.r2ClassB,
    r2BytesRead: one.r2BytesRead + other.r2BytesRead,
    r2BytesWritten: one.r2BytesWritten + other.r2BytesWritten,
    compressedBytes: one.compressedBytes + other.compressedBytes,
    decompressedBytes: one.decompressedBytes + other.decompressedBytes,
  };
}

/** The sum of two; `remaining` is the later one's. */
function add(total: ArchivedTotal | null, result: ArchiveRunResult): ArchivedTotal {
  const { ran: _, ...run } = result;
  if (total === null) return { runs: 1, ...run };
  return {
    runs: total.runs + 1,
    files: total.files + run.files,
    blocks: total.blocks + run.blocks,
    records: total.records + run.records,
    hotRows: total.hotRows + run.hotRows,
    coldBytes: total.coldBytes + run.coldBytes,
    remaining: run.remaining,
    spent: addSpend(total.spent, run.spent),
  };
}

/**
 * Archives until nothing is left that is older than the hot window.
 * @returns the sum of all runs
 * @throws {CliError} when it does not come nearer to its end
 */
export async function archiveAll(operator: Operator): Promise<ArchivedTotal> {
  const { archive, clock, signal, tell } = operator;
  let total: ArchivedTotal | null = null;
  let idle = 0;
  for (;;) {
    const run = await onceRan(operator, () => archive.run());
    total = add(total, run);
    if (run.remaining === 0) return total;
    idle = run.hotRows === 0 ? idle + 1 : 0;
    if (idle === MAX_IDLE_RUNS || total.runs === MAX_RUNS) throw stuck(total);
    tell(`${count(total.records)} records archived, ${count(run.remaining)} rows to go`);
    if (idle > 0) await clock.sleep(IDLE_MS, signal);
  }
}

function stuck(total: ArchivedTotal): CliError {
  return new CliError(
    EXIT.failed,
    `The archive does not get on: ${count(total.remaining)} hot rows are left`,
    {
      hints: ["Look at the archiver's log, then run the same again: it goes on where it stands."],
      data: { ...total },
    },
  );
}

/** What was archived and what that took, a line each. */
export function archivedLines(total: ArchivedTotal): readonly string[] {
  const { spent } = total;
  return table([
    [
      "archived",
      `${count(total.records)} records of ${count(total.hotRows)} rows in ${count(total.runs)} runs`,
    ],
    ["to", `${files(total.files)}, ${count(total.blocks)} blocks, ${bytes(total.coldBytes)}`],
    [
      "D1",
      `${count(spent.d1Queries)} queries, ${count(spent.d1RowsRead)} rows read, ${count(spent.d1RowsWritten)} written`,
    ],
    [
      "R2",
      `${count(spent.r2ClassA)} class A, ${count(spent.r2ClassB)} class B, ${bytes(spent.r2BytesRead)} read, ${bytes(spent.r2BytesWritten)} written`,
    ],
    ["CPU", `${bytes(spent.compressedBytes)} compressed, ${bytes(spent.decompressedBytes)} decompressed`],
  ]);
}

/** What is stored where, a line each. */
export function statsLines({ hot, cold, replaced, lost, deadLetters }: ArchiveStats): readonly string[] {
  return table([
    ["hot", `${count(hot.records)} records in ${count(hot.rows)} rows, ${bytes(hot.bytes)}`],
    [
      "cold",
      `${count(cold.records)} records in ${files(cold.files)}, ${count(cold.blocks)} blocks, ${bytes(cold.bytes)}`,
    ],
    ["replaced", `${files(replaced.files)}, ${bytes(replaced.bytes)}; no longer read, deleted after a grace`],
    ["lost", `${files(lost.files)}, ${count(lost.records)} records`],
    ["dead letters", count(deadLetters)],
  ]);
}
