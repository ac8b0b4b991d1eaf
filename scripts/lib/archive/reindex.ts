/** Makes the index again from the bucket alone. */
import type { IntegrityFault } from "../../../archiver/src/contract.ts";
import { CliError, EXIT } from "../exit.ts";
import { sparingly, type Operator } from "./operator.ts";
import { pages } from "./pages.ts";
import type { Applied } from "./shapes.ts";
import { count, files, printable } from "./text.ts";
import { faultLine } from "./verify.ts";

export interface Reindexing extends Omit<Applied, "step"> {
  /** Objects of the bucket. */
  readonly objects: number;
  /** Objects that are no archive file, or are damaged: left out. */
  readonly faults: readonly IntegrityFault[];
}

export interface ReindexOptions {
  /** Says what the new index would be, and leaves the old one. */
  readonly dryRun: boolean;
  /** Replace it although that leaves records or objects out. */
  readonly yes: boolean;
  /** Asked before the index is replaced, with what that would do; throws to stop it. */
  readonly confirm: (what: string) => Promise<void>;
}

/** `now: 36 files, 160,037 records → new: 38 files, 158,749 records (−1,288)` */
function comparison({ now, files: newFiles, records }: Applied): string {
  const more = records - now.records;
  const difference = more === 0 ? "" : ` (${more < 0 ? "−" : "+"}${count(Math.abs(more))})`;
  return `now: ${files(now.files)}, ${count(now.records)} records → new: ${files(newFiles)}, ${count(records)} records${difference}`;
}

/** What the new index would no longer have; empty when it has everything. */
function missing({ now, records, conflicts }: Applied): string {
  return [
    ...(records < now.records ? [`${count(now.records - records)} records fewer`] : []),
    ...(conflicts.length === 0 ? [] : [`${files(conflicts.length)} left out as conflicts`]),
  ].join(", ");
}

function tellApplied({ tell }: Operator, applied: Applied): void {
  const { superseded, conflicts, lost } = applied;
  tell(comparison(applied));
  if (lost.files > 0) {
    tell(`${files(lost.files)} ${lost.files === 1 ? "stays" : "stay"} lost (${count(lost.records)} records)`);
  }
  for (const key of superseded) {
    tell(`  superseded  ${printable(key)}: its records are elsewhere, or still hot`);
  }
  for (const conflict of conflicts) tell(`  ${faultLine(conflict)}`);
}

function refused(lacking: string, found: Reindexing): CliError {
  return new CliError(EXIT.failed, `The index was left as it is; in the new one: ${lacking}`, {
    hints: [
      "What is wrong now: npm run archive:verify. To look at an object, give its key to: npm run archive:inspect",
      "If this is what you want, say --yes.",
    ],
    data: { ...found },
  });
}

/**
 * Scans every object, shows the index that follows beside the present one, and puts it in that one's place.
 * @throws {CliError} failed, with nothing changed, when the new one would lack what the present one has and `yes` is not said
 */
export async function reindexArchive(
  operator: Operator,
  { dryRun, yes, confirm }: ReindexOptions,
): Promise<Reindexing> {
  const { archive, tell } = operator;
  const progress = sparingly(operator);
  const faults: IntegrityFault[] = [];
  let objects = 0;
  for await (const page of pages((cursor) => archive.scan(cursor))) {
    objects += page.objects;
    faults.push(...page.faults);
    for (const fault of page.faults) tell(`  ${faultLine(fault)}`);
    if (page.nextCursor !== null) progress(`${count(objects)} objects scanned so far`);
  }
  tell(`${count(objects)} objects scanned`);
  const resultOf = (answer: Applied): Reindexing => {
    const { step: _, ...applied } = answer;
    return { objects, faults, ...applied };
  };
  const planned = await archive.apply(true);
  tellApplied(operator, planned);
  const lacking = missing(planned);
  if (dryRun && lacking !== "") tell(`Without --yes the index would not be replaced: ${lacking}`);
  let result = planned;
  if (!dryRun) {
    if (lacking !== "" && !yes) throw refused(lacking, resultOf(planned));
    const left = faults.length + planned.conflicts.length;
    await confirm(
      `replace the archive's index by one of ${files(planned.files)} and ${count(planned.records)} records` +
        (left === 0 ? "" : `, without ${count(left)} objects that are damaged or in conflict`),
    );
    result = await archive.apply(false);
    // What is hot or stored may have changed since the plan.
    if (result.files !== planned.files || result.records !== planned.records) tellApplied(operator, result);
  }
  return resultOf(result);
}
