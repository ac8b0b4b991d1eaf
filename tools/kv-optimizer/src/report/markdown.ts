/** The report for a pull request's comment or a job's summary. */
import { DAY_QUOTAS, type Finding } from "../model.ts";
import type { CheckOutcome } from "../baseline/outcome.ts";
import { FIGURES } from "../baseline/entry.ts";
import { neutral } from "./neutral.ts";
import {
  CATEGORY_NAMES,
  FAIL_RULE_NAMES,
  FIGURE_NAMES,
  TABLE_ROWS,
  TARGET_NAMES,
  TOP_MOVES,
  assumptionTexts,
  bindingText,
  callText,
  count,
  figure,
  growthText,
  keyText,
  placeText,
  rateText,
  ttlText,
  type Rendering,
} from "./rendering.ts";

/** Every character that Markdown, HTML, mentions or references give a meaning, as an entity. */
function escape(text: string): string {
  return neutral(text).replace(/[&<>"'`|\\*_~[\]{}()!#@$^]|:(?=\/\/)/g, (character) => {
    return `&#${character.charCodeAt(0)};`;
  });
}

function code(text: string): string {
  return text === "" ? "" : `<code>${escape(text)}</code>`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  if (rows.length === 0) return [];
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)];
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ["", `### ${title}`, "", ...lines];
}

function folded(title: string, lines: readonly string[]): readonly string[] {
  if (lines.length === 0) return [];
  return ["", `<details><summary>${title}</summary>`, "", ...lines, "", "</details>"];
}

function place(finding: Pick<Finding, "file" | "line" | "column">, { prefix }: Rendering): string {
  return code(placeText(prefix, finding));
}

function totalsTable({ report, outcome }: Rendering): readonly string[] {
  if (outcome === null) {
    const { calls, puts, putsWithoutTtl, putsUnknownTtl, lists, controlPlane, ignored } = report.totals;
    return table(
      ["calls", "puts", "without TTL", "TTL not known", "lists", "control plane", "ignored"],
      [[calls, puts, putsWithoutTtl, putsUnknownTtl, lists, controlPlane, ignored].map(figure)],
    );
  }
  const { before, after } = outcome.comparison;
  return table(
    ["", "before", "now"],
    FIGURES.map((name) => [FIGURE_NAMES[name], figure(before[name]), figure(after[name])]),
  );
}

function failureLines(outcome: CheckOutcome, rendering: Rendering): readonly string[] {
  const { regressions, stale, staleRemedy } = outcome;
  return [
    ...regressions.calls.map(
      ({ finding, rules }) =>
        `- ${place(finding, rendering)} ${code(callText(finding))}: ${rules.map((rule) => FAIL_RULE_NAMES[rule]).join("; ")}`,
    ),
    ...regressions.growth.map((growth) => `- ${escape(growthText(growth))}`),
    ...stale.map((entry) => `- stale entry ${code(entry.id)} ${code(callText(entry))}`),
    ...(stale.length === 0
      ? []
      : [`- The calls of stale entries are gone; take them out: ${code(staleRemedy)}`]),
  ];
}

function moveRows(rendering: Rendering): readonly (readonly string[])[] {
  return rendering.moves.slice(0, TOP_MOVES).map((finding, index) => {
    const { category, why, target, advice } = finding.judgement;
    return [
      String(index + 1),
      place(finding, rendering),
      code(callText(finding)),
      `${CATEGORY_NAMES[category]}: ${escape(why)}`,
      `**${TARGET_NAMES[target]}**: ${escape(advice)}`,
      rateText(finding),
    ];
  });
}

function callRows(findings: readonly Finding[], rendering: Rendering): readonly (readonly string[])[] {
  return findings.map((finding) => [
    place(finding, rendering),
    finding.operation,
    code(bindingText(finding)),
    code(keyText(finding)),
    ttlText(finding),
    CATEGORY_NAMES[finding.judgement.category],
    rateText(finding),
    code(finding.id),
  ]);
}

function callLines(rendering: Rendering): readonly string[] {
  const counted = rendering.report.findings.filter(({ ignored }) => ignored === null);
  const shown = rendering.all ? counted : counted.slice(0, TABLE_ROWS);
  const more = counted.length - shown.length;
  return [
    ...table(
      ["place", "call", "binding", "key", "TTL", "category", "a day", "id"],
      callRows(shown, rendering),
    ),
    ...(more === 0 ? [] : ["", `… and ${figure(more)} more.`]),
  ];
}

function quotaRows({ report }: Rendering): readonly (readonly string[])[] {
  return report.quotas.map(({ quota, perDay, unknown }) => [
    quota,
    figure(perDay),
    figure(unknown),
    ...(["free", "paid"] as const).map((plan) => `${figure((perDay / DAY_QUOTAS[plan][quota]) * 100)} %`),
  ]);
}

function verdict(outcome: CheckOutcome | null): string {
  if (outcome === null) return "## KV use";
  return outcome.ok
    ? `## KV use: no regression against ${escape(outcome.against)}`
    : `## KV use: regression against ${escape(outcome.against)}`;
}

/** Everything as GitHub Flavored Markdown; ends with a line break. */
export function markdownReport(rendering: Rendering): string {
  const { report, outcome } = rendering;
  const ignored = report.findings.filter((finding) => finding.ignored !== null);
  const lines = [
    verdict(outcome),
    "",
    ...totalsTable(rendering),
    ...(outcome === null ? [] : section("What fails", failureLines(outcome, rendering))),
    ...section(
      "Comments that do not do what they should",
      report.commentFaults.map((fault) => `- ${place(fault, rendering)} ${escape(fault.message)}`),
    ),
    ...section("Best moves", table(["", "place", "call", "why", "where to", "a day"], moveRows(rendering))),
    ...folded(count(report.totals.calls, "call"), callLines(rendering)),
    ...folded(
      "Operations a day against the quotas of an account",
      table(["", "a day", "calls of unknown rate", "Workers Free", "Workers Paid"], quotaRows(rendering)),
    ),
    ...folded(
      `${figure(ignored.length)} ignored`,
      ignored.map((finding) => `- ${place(finding, rendering)} ${escape(finding.ignored ?? "")}`),
    ),
    ...folded(
      `${count(report.unread.length, "file")} could not be read`,
      report.unread.map(({ file, why }) => `- ${code(rendering.prefix + file)}: ${escape(why)}`),
    ),
    ...folded(
      "Assumptions",
      assumptionTexts(report).map((text) => `- ${escape(text)}`),
    ),
  ];
  return `${lines.join("\n")}\n`;
}
