/** The report for people at a terminal. */
import { DAY_QUOTAS, type Finding, type Quota, type QuotaUse } from "../model.ts";
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
import { tableLines, type Cell } from "./table.ts";

const KEY_WIDTH = 44;
const BINDING_WIDTH = 28;
const COLUMNS = ["call", "binding", "key", "TTL", "category", "a day", "id", "place"] as const;

function headLines({ report, colors }: Rendering): readonly string[] {
  const { totals, files, lines, bindings } = report;
  const unknown = totals.putsUnknownTtl === 0 ? "" : `, ${figure(totals.putsUnknownTtl)} not known`;
  const names = bindings.length === 0 ? "no KV binding declared" : neutral(bindings.join(", "));
  return [
    `${colors.bold(count(totals.calls, "KV call"))} in ${count(files, "file")}, ${count(lines, "line")} (${names})`,
    [
      `${count(totals.puts, "put")} (${figure(totals.putsWithoutTtl)} without TTL${unknown})`,
      count(totals.lists, "list"),
      `${figure(totals.controlPlane)} on the control plane`,
      `${figure(totals.ignored)} ignored`,
    ].join(" · "),
  ];
}

function section(title: string, lines: readonly string[], { colors }: Rendering): readonly string[] {
  return lines.length === 0 ? [] : ["", colors.bold(title), ...lines];
}

function moveLines({ moves, prefix, colors }: Rendering): readonly string[] {
  return moves.slice(0, TOP_MOVES).flatMap((finding, index) => {
    const { category, rule, why, target, advice, estimate } = finding.judgement;
    const bare = finding.ttl?.verdict === "no" ? `, ${colors.red("no TTL")}` : "";
    const rate = estimate.perDay === null ? "rate not known" : `about ${figure(estimate.perDay)} a day`;
    return [
      `${String(index + 1).padStart(2)}  ${colors.cyan(placeText(prefix, finding))}  ${callText(finding)}${bare}`,
      `    ${CATEGORY_NAMES[category]}: ${neutral(why)} ${colors.dim(`[${rule}]`)} · ${rate}`,
      `    → ${colors.green(TARGET_NAMES[target])}: ${neutral(advice)} ${colors.dim(finding.id)}`,
    ];
  });
}

function rowOf(finding: Finding, { prefix, colors }: Rendering): readonly Cell[] {
  const { category } = finding.judgement;
  const loud = finding.ttl?.verdict === "no" ? { paint: colors.red } : {};
  return [
    { text: finding.bulk ? `${finding.operation} (bulk)` : finding.operation },
    { text: bindingText(finding) },
    { text: keyText(finding) },
    { text: ttlText(finding), ...loud },
    { text: CATEGORY_NAMES[category], ...(category === "A" ? { paint: colors.yellow } : {}) },
    { text: rateText(finding) },
    { text: finding.id, paint: colors.dim },
    { text: placeText(prefix, finding), paint: colors.cyan },
  ];
}

function callLines(rendering: Rendering): readonly string[] {
  const { report, all, colors } = rendering;
  const counted = report.findings.filter(({ ignored }) => ignored === null);
  if (counted.length === 0) return [];
  const shown = all ? counted : counted.slice(0, TABLE_ROWS);
  const head = COLUMNS.map((text) => ({ text, paint: colors.dim }));
  const rows = [head, ...shown.map((finding) => rowOf(finding, rendering))];
  const more = counted.length - shown.length;
  return [
    ...tableLines(rows, [Infinity, BINDING_WIDTH, KEY_WIDTH]),
    ...(more === 0 ? [] : [colors.dim(`… and ${figure(more)} more: --all`)]),
  ];
}

function shareText(perDay: number, limit: number): string {
  return `${figure((perDay / limit) * 100)} % of ${figure(limit)}`;
}

function quotaRow({ quota, perDay, unknown }: QuotaUse, { colors }: Rendering): readonly Cell[] {
  const limit = (plan: "free" | "paid"): Cell => {
    const quotaLimit = DAY_QUOTAS[plan][quota satisfies Quota];
    return {
      text: shareText(perDay, quotaLimit),
      ...(perDay > quotaLimit ? { paint: colors.red } : {}),
    };
  };
  return [
    { text: quota },
    { text: figure(perDay) },
    { text: unknown === 0 ? "" : `+ ${count(unknown, "call")} of unknown rate` },
    limit("free"),
    limit("paid"),
  ];
}

function quotaLines(rendering: Rendering): readonly string[] {
  if (rendering.report.totals.calls === 0) return [];
  const head = ["", "a day", "", "Workers Free", "Workers Paid (a thirtieth of the month)"];
  return tableLines([
    head.map((text) => ({ text, paint: rendering.colors.dim })),
    ...rendering.report.quotas.map((use) => quotaRow(use, rendering)),
  ]);
}

function outcomeLines(outcome: CheckOutcome, { prefix, colors }: Rendering): readonly string[] {
  const { regressions, comparison, stale } = outcome;
  const broken = regressions.calls.flatMap(({ finding, rules }) => [
    `${colors.red("✖")} ${colors.cyan(placeText(prefix, finding))}  ${callText(finding)} ${colors.dim(finding.id)}`,
    ...rules.map((rule) => `    ${rule}: ${FAIL_RULE_NAMES[rule]}`),
  ]);
  const grown = regressions.growth.map((growth) => `${colors.red("✖")} ${growthText(growth)}`);
  const staleLines = stale.map(
    (entry) =>
      `${colors.red("✖")} stale entry ${entry.id}  ${callText(entry)}, last seen in ${neutral(entry.file)}`,
  );
  const remedy =
    stale.length === 0 ? [] : [`    these calls are gone; take them out: ${outcome.staleRemedy}`];
  const figures = FIGURES.map(
    (name) => `${FIGURE_NAMES[name]} ${figure(comparison.before[name])} → ${figure(comparison.after[name])}`,
  );
  const changes = [
    `${figure(comparison.added.length)} new`,
    `${figure(comparison.worsened.length)} without their TTL`,
    `${figure(comparison.gone.length)} gone`,
  ];
  return [...broken, ...grown, ...staleLines, ...remedy, figures.join(" · "), `calls: ${changes.join(", ")}`];
}

function checkSections(rendering: Rendering): readonly string[] {
  const { outcome, colors, prefix } = rendering;
  if (outcome === null) return [];
  const failing = new Set(outcome.regressions.calls.map(({ finding }) => finding.id));
  const unclear = outcome.comparison.added.filter(
    ({ id, ttl }) => ttl?.verdict === "unknown" && !failing.has(id),
  );
  return [
    ...section(`Against ${neutral(outcome.against)}`, outcomeLines(outcome, rendering), rendering),
    ...section(
      "New puts whose TTL cannot be told (reported, not failing)",
      unclear.map(
        (finding) =>
          `  ${placeText(prefix, finding)}  ${callText(finding)}: ${neutral(finding.ttl?.why ?? "")}`,
      ),
      rendering,
    ),
    "",
    outcome.ok ? colors.green("✔ no regression") : colors.red("✖ the check failed"),
  ];
}

/** Everything as text; ends with a line break. */
export function textReport(rendering: Rendering): string {
  const { report, prefix, colors } = rendering;
  const ignored = report.findings.filter((finding) => finding.ignored !== null);
  return [
    ...headLines(rendering),
    ...section(
      rendering.moves.length > TOP_MOVES ? "Ten best moves" : "Best moves",
      moveLines(rendering),
      rendering,
    ),
    ...section("Calls", callLines(rendering), rendering),
    ...section("Operations a day against the quotas of an account", quotaLines(rendering), rendering),
    ...section(
      `Ignored (${figure(ignored.length)})`,
      ignored.map(
        (finding) =>
          `  ${placeText(prefix, finding)}  ${callText(finding)}: ${neutral(finding.ignored ?? "")}`,
      ),
      rendering,
    ),
    ...section(
      "Comments that do not do what they should",
      report.commentFaults.map(
        (fault) => `  ${colors.red(placeText(prefix, fault))}  ${neutral(fault.message)}`,
      ),
      rendering,
    ),
    ...section(
      `Could not be read (${figure(report.unread.length)})`,
      report.unread.map(({ file, why }) => `  ${neutral(prefix + file)}: ${neutral(why)}`),
      rendering,
    ),
    ...section(
      "Assumed where no source and no annotation says it",
      assumptionTexts(report).map((text) => `  ${text}`),
      rendering,
    ),
    ...checkSections(rendering),
  ]
    .map((line) => `${line}\n`)
    .join("");
}
