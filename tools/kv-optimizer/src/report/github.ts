/** Workflow commands of GitHub Actions: annotations at the lines of a pull request. */
import type { Finding } from "../model.ts";
import { neutral } from "./neutral.ts";
import {
  FAIL_RULE_NAMES,
  adviceText,
  callText,
  failingIds,
  growthText,
  levelOf,
  type Rendering,
} from "./rendering.ts";

/** What GitHub shows of each level and step. */
export const MAX_ANNOTATIONS = 10;

interface Annotation {
  readonly level: "error" | "warning";
  /** Relative to where the program runs. */
  readonly place: { readonly file: string; readonly line: number; readonly column: number } | null;
  readonly title: string;
  readonly message: string;
}

/** Escapes of `@actions/core`. Line breaks in names were neutralised before. */
function escapeData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}

function commandOf({ level, place, title, message }: Annotation, prefix: string): string {
  const at =
    place === null
      ? []
      : [`file=${escapeProperty(neutral(prefix + place.file))}`, `line=${place.line}`, `col=${place.column}`];
  return `::${level} ${[...at, `title=${escapeProperty(title)}`].join(",")}::${escapeData(neutral(message))}`;
}

function annotationOf(finding: Finding, level: Annotation["level"]): Annotation {
  return { level, place: finding, title: callText(finding), message: adviceText(finding) };
}

function outcomeAnnotations({ outcome }: Rendering): readonly Annotation[] {
  if (outcome === null) return [];
  const { regressions, stale, staleRemedy } = outcome;
  const calls = regressions.calls.map(({ finding, rules }) => ({
    ...annotationOf(finding, "error"),
    message: `${rules.map((rule) => `${rule}: ${FAIL_RULE_NAMES[rule]}. `).join("")}${adviceText(finding)}`,
  }));
  const growth = regressions.growth.map((item) => ({
    level: "error" as const,
    place: null,
    title: "KV use grew",
    message: growthText(item),
  }));
  const names = stale.map((entry) => `${entry.id} (${callText(entry)})`).join(", ");
  const gone = {
    level: "error" as const,
    place: null,
    title: "Stale baseline entries",
    message: `${names}: these calls are gone; take them out: ${staleRemedy}`,
  };
  return [...calls, ...growth, ...(stale.length === 0 ? [] : [gone])];
}

/** In a check the regressions are the errors; what was there before only warns. */
function annotations(rendering: Rendering): readonly Annotation[] {
  const { report, moves, outcome } = rendering;
  const failing = failingIds(outcome);
  const faults = report.commentFaults.map((fault) => ({
    level: outcome === null ? ("warning" as const) : ("error" as const),
    place: fault,
    title: "kv-optimizer comment",
    message: fault.message,
  }));
  const advice = moves.flatMap((finding) => {
    const level = levelOf(finding, failing);
    if (failing.has(finding.id) || level === "note") return [];
    return [annotationOf(finding, outcome === null ? level : "warning")];
  });
  return [...outcomeAnnotations(rendering), ...faults, ...advice];
}

/** At most ten errors and ten warnings, the weightiest first, and a notice of how many more there are. */
export function githubCommands(rendering: Rendering): string {
  const every = annotations(rendering);
  const shown = (["error", "warning"] as const).flatMap((level) =>
    every.filter((annotation) => annotation.level === level).slice(0, MAX_ANNOTATIONS),
  );
  const more = every.length - shown.length;
  const { calls, puts, putsWithoutTtl, lists } = rendering.report.totals;
  const sums = `${calls} KV calls, ${puts} puts, ${putsWithoutTtl} of them without TTL, ${lists} lists`;
  const notice = more === 0 ? sums : `${sums}; ${more} more annotations: see the summary`;
  return [
    ...shown.map((annotation) => commandOf(annotation, rendering.prefix)),
    `::notice title=kv-optimizer::${escapeData(notice)}`,
  ]
    .map((line) => `${line}\n`)
    .join("");
}
