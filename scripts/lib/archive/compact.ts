/** Merges small files, and clears away what has expired, was replaced or belongs to nothing. */
import type { ArchiveStats } from "../../../archiver/src/contract.ts";
import { onceRan, type Operator } from "./operator.ts";
import type { Retention } from "./shapes.ts";
import { bytes, count, files } from "./text.ts";

export interface Compaction {
  readonly merges: number;
  /** Merges that were left because a bound was reached. */
  readonly remaining: number;
  /** Records that were written again; one that was merged twice counts twice. */
  readonly records: number;
  /** What is cold, before and after. */
  readonly before: ArchiveStats["cold"];
  readonly after: ArchiveStats["cold"];
}

/**
 * Merges until nothing is left to merge.
 * @param force merge periods that are still open, too
 */
export async function compactArchive(operator: Operator, force: boolean): Promise<Compaction> {
  const { archive, tell } = operator;
  const { cold: before } = await archive.stats();
  let merges = 0;
  let records = 0;
  for (;;) {
    const run = await onceRan(operator, () => archive.compact(force));
    merges += run.merges;
    records += run.records;
    // A run that merged nothing would not merge more the next time.
    if (run.remaining === 0 || run.merges === 0) {
      const { cold: after } = await archive.stats();
      return { merges, remaining: run.remaining, records, before, after };
    }
    tell(`${count(merges)} merges, ${count(run.remaining)} to go`);
  }
}

/** `120 → 4 files, 340 → 210 blocks, 1.20 MB → 0.95 MB` */
export function compactedText({ before, after }: Compaction): string {
  return [
    `${count(before.files)} → ${count(after.files)} files`,
    `${count(before.blocks)} → ${count(after.blocks)} blocks`,
    `${bytes(before.bytes)} → ${bytes(after.bytes)}`,
  ].join(", ");
}

/** Clears away once; the next run of the cron goes on. */
export function retainArchive(operator: Operator): Promise<Retention> {
  return onceRan(operator, () => operator.archive.retain());
}

/** What was cleared away, a line each. */
export function retainedLines(result: Omit<Retention, "ran">): readonly string[] {
  const { restoredFiles: restored } = result;
  return [
    `${count(result.expiredFiles)} files expired (${count(result.expiredRecords)} records)`,
    `${count(result.replacedFiles)} replaced files deleted`,
    `${count(result.orphans)} objects that no file names deleted`,
    `${bytes(result.deletedBytes)} freed`,
    `${files(result.lostFiles)} newly found lost: ${result.lostFiles === 1 ? "its object is" : "their objects are"} missing`,
    ...(restored === undefined ? [] : [`${files(restored)} restored: what was lost is there again`]),
    `${count(result.forgotten)} ids of messages and idempotency keys forgotten`,
  ];
}
