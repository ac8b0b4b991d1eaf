/** Checks the whole archive, page by page. */
import type { IntegrityFault, VerifyDepth } from "../../../archiver/src/contract.ts";
import { sparingly, type Operator } from "./operator.ts";
import { pages } from "./pages.ts";
import { bytes, count, printable } from "./text.ts";

export interface Verification {
  readonly depth: VerifyDepth;
  readonly files: number;
  readonly blocks: number;
  readonly records: number;
  readonly bytes: number;
  readonly faultCount: number;
  /** At most 100 a page of files. */
  readonly faults: readonly IntegrityFault[];
}

/** `sync-marker  flights/2001/….avro: …` */
export function faultLine({ check, subject, detail }: IntegrityFault): string {
  return `${printable(check)}  ${printable(subject)}: ${printable(detail)}`;
}

/** Verifies every file, and tells each fault as soon as it is found. */
export async function verifyArchive(operator: Operator, depth: VerifyDepth): Promise<Verification> {
  const { archive, tell } = operator;
  const progress = sparingly(operator);
  const total = { files: 0, blocks: 0, records: 0, bytes: 0, faultCount: 0 };
  const faults: IntegrityFault[] = [];
  for await (const page of pages((cursor) => archive.verify(depth, cursor))) {
    total.files += page.files;
    total.blocks += page.blocks;
    total.records += page.records;
    total.bytes += page.bytes;
    total.faultCount += page.faultCount;
    faults.push(...page.faults);
    for (const fault of page.faults) tell(`  ${faultLine(fault)}`);
    const untold = page.faultCount - page.faults.length;
    if (untold > 0) tell(`  and ${count(untold)} more in these files`);
    if (page.nextCursor !== null) {
      progress(`${count(total.files)} files, ${count(total.records)} records so far`);
    }
  }
  return { depth, ...total, faults };
}

/** Files whose object is not where it should be. */
const GONE = "Put the object back under its key, then: npm run archive:retain";
/** The index is wrong, or lacks something. */
const INDEX = "Compare the index with the bucket: npm run archive:reindex -- --dry-run";
/** The object is wrong, so that no index made from it can be better. */
const BYTES = "Restore the object from a copy; what it holds now: npm run archive:inspect -- <its key>";
const UNSURE = "Read every byte, too: npm run archive:verify, without --quick";
const UNFINISHED = "What a dead run left is cleared away by: npm run archive:retain";

const HINTS: Readonly<Record<string, string>> = {
  lost: GONE,
  "lost-but-there": GONE,
  "object-missing": GONE,
  "header-and-blocks": INDEX,
  contiguous: INDEX,
  "record-count": INDEX,
  "block-count": INDEX,
  "time-range": INDEX,
  "orphan-block": INDEX,
  "unindexed-object": INDEX,
  "dead-row": UNFINISHED,
  "no-checksum": UNSURE,
  "object-size": BYTES,
  checksum: BYTES,
  header: BYTES,
  "sync-marker": BYTES,
  block: BYTES,
};

/** How to mend what was found, each way once; nothing for a fault that no command of the archive mends. */
export function mendingHints(faults: readonly IntegrityFault[]): readonly string[] {
  return [
    ...new Set(faults.flatMap(({ check }) => (Object.hasOwn(HINTS, check) ? (HINTS[check] ?? []) : []))),
  ];
}

/** What was looked at, in a sentence. */
export function verifiedText({ depth, files, blocks, records, bytes: size }: Verification): string {
  const how = depth === "full" ? "every byte read" : "the index and each object's checksum";
  return `${count(files)} files, ${count(blocks)} blocks, ${count(records)} records, ${bytes(size)} (${how})`;
}
