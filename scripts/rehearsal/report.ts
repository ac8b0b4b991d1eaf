/** What a rehearsal measured: `rehearsal.json`, the summary for people, and the verdict. */
import pc from "picocolors";
import type { Comparison } from "./compare.ts";
import { canaryShare, type ClassTally, type Tally } from "./traffic.ts";

/** What one phase of the good rollout sent to the canary. */
export interface PhaseMeasure {
  readonly phase: 1 | 2 | 3;
  readonly read: ClassTally;
  readonly write: ClassTally;
  /** Percent; `null` without requests of the class. */
  readonly readShare: number | null;
  readonly writeShare: number | null;
}

export interface StepTime {
  readonly step: string;
  readonly seconds: number;
}

export interface ColdFiles {
  readonly files: number;
  readonly blocks: number;
  readonly records: number;
  readonly bytes: number;
}

export interface RehearsalReport {
  readonly engine: string;
  readonly provider: string;
  readonly records: Comparison & { readonly hot: number; readonly cold: number };
  readonly bytes: { readonly json: number; readonly cold: number };
  readonly phases: readonly PhaseMeasure[];
  readonly goodRollout: { readonly requests: number; readonly failed: number };
  readonly badCopies: {
    readonly requests: number;
    readonly failed: number;
    /** The one it came to; 0: nobody has met it. */
    readonly phase: number;
    /** Answers that clients got from the canary lane, or in its place. */
    readonly canaryAnswers: number;
    readonly reason: string;
  };
  readonly badRollout: {
    readonly requests: number;
    readonly failed: number;
    /** Reads that the canary failed and the stable lane answered. */
    readonly spared: number;
    /** From the first bad answer to the last answer of the canary lane. */
    readonly secondsToZero: number;
    readonly reason: string;
  };
  readonly rollback: {
    readonly scripts: readonly { readonly worker: string; readonly from: string; readonly to: string }[];
    readonly seconds: number;
  };
  /** What is cold before and after the small files were merged; sizes in bytes. */
  readonly compaction: { readonly before: ColdFiles; readonly after: ColdFiles };
  readonly erasure: {
    readonly datasetId: string;
    /** Records of the tenant, and how many of them are still read. */
    readonly sent: number;
    readonly found: number;
    readonly filesRewritten: number;
    /** Every other tenant, read back afterwards. */
    readonly others: Comparison;
  };
  /** Of every byte. */
  readonly verification: { readonly files: number; readonly records: number; readonly faults: number };
  readonly steps: readonly StepTime[];
  readonly seconds: number;
}

/** A promise of the product, with what was measured. */
export interface Promised {
  readonly text: string;
  readonly kept: boolean;
}

/** Statistical room around a share of 10 %: three standard deviations at 2,000 requests. */
const SHARE_TOLERANCE_POINTS = 2;
const MAX_SECONDS_TO_ZERO = 10;

export function measurePhase(phase: 1 | 2 | 3, tally: Tally): PhaseMeasure {
  return {
    phase,
    read: tally.read,
    write: tally.write,
    readShare: canaryShare(tally.read),
    writeShare: canaryShare(tally.write),
  };
}

const EXPECTED: Readonly<Record<1 | 2 | 3, { readonly read: number; readonly write: number }>> = {
  1: { read: 10, write: 0 },
  2: { read: 100, write: 10 },
  3: { read: 100, write: 100 },
};

function shareKept(measured: number | null, expected: number): boolean {
  if (measured === null) return false;
  const tolerance = expected === 0 || expected === 100 ? 0 : SHARE_TOLERANCE_POINTS;
  return Math.abs(measured - expected) <= tolerance;
}

const percent = (share: number | null): string => (share === null ? "no requests" : `${share.toFixed(1)} %`);

/** Every promise the rehearsal checks, in the order of its steps. */
export function promises(report: RehearsalReport): readonly Promised[] {
  const { records, goodRollout, badCopies, badRollout, compaction, erasure, verification } = report;
  const { before, after } = compaction;
  return [
    {
      text: `${records.sent} records sent, ${records.read} read back: ${records.lost} lost, ${records.doubled} doubled`,
      kept: records.lost === 0 && records.doubled === 0,
    },
    {
      text: `v1 → v2 under traffic: ${goodRollout.failed} of ${goodRollout.requests} requests failed`,
      kept: goodRollout.failed === 0,
    },
    ...report.phases.map((measure) => ({
      text:
        `phase ${measure.phase}: ${percent(measure.readShare)} of ${measure.read.requests} reads and ` +
        `${percent(measure.writeShare)} of ${measure.write.requests} writes went to the canary`,
      kept:
        shareKept(measure.readShare, EXPECTED[measure.phase].read) &&
        shareKept(measure.writeShare, EXPECTED[measure.phase].write),
    })),
    {
      text:
        `bad v3 stopped by copies of reads: ${badCopies.canaryAnswers} of ${badCopies.requests} requests met it, ` +
        `${badCopies.failed} failed (${badCopies.reason})`,
      kept: badCopies.phase === 0 && badCopies.canaryAnswers === 0 && badCopies.failed === 0,
    },
    {
      text:
        `bad v3 with a share, back to 0 % in ${badRollout.secondsToZero.toFixed(1)} s, without a human; ` +
        `${badRollout.failed} of ${badRollout.requests} requests failed, ${badRollout.spared} reads were answered by the stable lane (${badRollout.reason})`,
      kept: badRollout.secondsToZero <= MAX_SECONDS_TO_ZERO,
    },
    {
      text: `promoted v2 rolled back (${report.rollback.scripts.map(({ worker, to }) => `${worker} to ${to}`).join(", ")}) in ${report.rollback.seconds.toFixed(1)} s`,
      kept:
        report.rollback.scripts.length === 2 && report.rollback.scripts.every(({ from, to }) => from !== to),
    },
    {
      text: `compaction: ${before.files} → ${after.files} files, ${before.bytes} → ${after.bytes} bytes, ${after.records} of ${before.records} records`,
      kept: after.files < before.files && after.records === before.records,
    },
    {
      text:
        `${erasure.datasetId} erased: ${erasure.found} of its ${erasure.sent} records are still read; ` +
        `of ${erasure.others.sent} of the others ${erasure.others.lost} lost, ${erasure.others.doubled} doubled`,
      kept:
        erasure.sent > 0 && erasure.found === 0 && erasure.others.lost === 0 && erasure.others.doubled === 0,
    },
    {
      text: `every byte of ${verification.files} files verified: ${verification.faults} faults in ${verification.records} records`,
      kept: verification.files > 0 && verification.faults === 0,
    },
  ];
}

/** The summary for people. */
export function summary(report: RehearsalReport): string {
  const { records, bytes } = report;
  const saved = (1 - bytes.cold / bytes.json) * 100;
  const lines = promises(report).map(({ text, kept }) => `  ${kept ? pc.green("✓") : pc.red("✗")} ${text}`);
  const steps = report.steps.map(({ step, seconds }) => `  ${seconds.toFixed(1).padStart(6)} s  ${step}`);
  return [
    "",
    pc.bold("What was promised, and what was seen"),
    ...lines,
    "",
    `  ${records.hot} records were read from D1 and ${records.cold} from R2; ` +
      `${(bytes.json / 1e6).toFixed(2)} MB of JSON became ${(bytes.cold / 1e6).toFixed(2)} MB there (−${saved.toFixed(0)} %)`,
    `  ${report.engine}, provider: ${report.provider}`,
    "",
    pc.bold("Time"),
    ...steps,
    `  ${report.seconds.toFixed(1).padStart(6)} s  in all`,
    "",
  ].join("\n");
}
