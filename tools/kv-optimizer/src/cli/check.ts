/** `check`: what has become worse since a baseline. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { BaselineError, formatBaseline, parseBaseline, type Baseline } from "../baseline/baseline-file.ts";
import { compare } from "../baseline/compare.ts";
import { entriesOf } from "../baseline/entry.ts";
import { checkReport, type Accepted } from "../baseline/outcome.ts";
import type { Report } from "../model.ts";
import { jsonReport } from "../report/index.ts";
import { EXIT, UsageError, messageOf, type ExitCode } from "./exit.ts";
import type { CheckSettings } from "./flags.ts";
import { deliver } from "./output.ts";
import { auditCommit, auditFolder } from "./source.ts";
import { writeAtomically } from "./write-file.ts";
import type { World } from "./world.ts";

const PRUNE = "check … --prune";
const SCAN_AGAIN = "scan … --json FILE, which makes the report again";

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

/** `null` when there is none. */
function readText(file: string, shown: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    throw new UsageError([`Cannot read the baseline ${shown}: ${messageOf(error)}`]);
  }
}

function parsed(text: string, shown: string): Baseline {
  try {
    return parseBaseline(text);
  } catch (error) {
    if (!(error instanceof BaselineError)) throw error;
    throw new UsageError(
      error.faults.map((fault) => `${shown}, ${fault}`),
      ["To accept what is there now: the same command with --update-baseline"],
    );
  }
}

function absent(shown: string, root: string): UsageError {
  return new UsageError(
    [`There is no baseline at ${shown}`],
    [
      `One that accepts what is there: kv-optimizer check --root ${root} --baseline ${shown} --update-baseline`,
      `One that accepts nothing:       echo '${formatBaseline([]).trim()}' > ${shown}`,
    ],
  );
}

/** Replaces the baseline by what is there, in the form that it has. */
function update(file: string, shown: string, report: Report, world: World): Accepted {
  const text = readText(file, shown);
  let old: Baseline = { kind: "baseline", entries: [] };
  try {
    if (text !== null) old = parseBaseline(text);
  } catch (error) {
    // It is about to be replaced; that it could not be read changes nothing but what is told.
    if (!(error instanceof BaselineError)) throw error;
  }
  const entries = entriesOf(report.findings);
  writeAtomically(file, old.kind === "report" ? jsonReport(report) : formatBaseline(entries));
  const { added, worsened, gone } = compare(old.entries, report.findings);
  world.tell(
    `${shown} accepts ${entries.length} calls: ${added.length} new, ${worsened.length} without their TTL, ${gone.length} taken out`,
  );
  return { against: shown, entries, staleRemedy: PRUNE };
}

function prune(file: string, baseline: Baseline, shown: string, report: Report, world: World): Accepted {
  if (baseline.kind === "report") {
    throw new UsageError([`${shown} is a report, which --prune cannot shorten`], [`Use ${SCAN_AGAIN}`]);
  }
  const gone = new Set(compare(baseline.entries, report.findings).gone.map(({ id }) => id));
  const entries = baseline.entries.filter(({ id }) => !gone.has(id));
  writeAtomically(file, formatBaseline(entries));
  world.tell(`${shown}: ${gone.size} stale entries taken out, ${entries.length} left`);
  return { against: shown, entries, staleRemedy: PRUNE };
}

function accepted(settings: CheckSettings, report: Report, world: World): Accepted {
  const { baseline } = settings;
  if (baseline.kind === "commit") {
    const { findings } = auditCommit(settings, baseline.ref, world);
    return { against: `commit ${baseline.ref}`, entries: entriesOf(findings), staleRemedy: null };
  }
  const shown = baseline.file;
  const file = path.resolve(world.cwd, shown);
  if (settings.updateBaseline) return update(file, shown, report, world);
  const text = readText(file, shown);
  if (text === null) throw absent(shown, settings.root);
  const read = parsed(text, shown);
  if (settings.prune) return prune(file, read, shown, report, world);
  return {
    against: shown,
    entries: read.entries,
    staleRemedy: read.kind === "report" ? SCAN_AGAIN : PRUNE,
  };
}

/** Checks a folder against a baseline file or a commit. @throws {UsageError} */
export function runCheck(settings: CheckSettings, world: World): ExitCode {
  const report = auditFolder(settings, world);
  const outcome = checkReport(accepted(settings, report, world), report, settings.policy);
  deliver(report, outcome, settings, world);
  return outcome.ok ? EXIT.ok : EXIT.regression;
}
