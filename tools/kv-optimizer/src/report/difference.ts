/** What a change of the sources did to the use of KV. */
import { compare } from "../baseline/compare.ts";
import { FIGURES, entriesOf } from "../baseline/entry.ts";
import type { Report } from "../model.ts";
import { neutral } from "./neutral.ts";
import { FIGURE_NAMES, callText, figure, placeText, ttlText, type Colors } from "./rendering.ts";

/** Lines with `+`, `-` and `!` for a lost TTL, then the figures that changed; empty when nothing did. */
export function differenceText(before: Report, after: Report, prefix: string, colors: Colors): string {
  const accepted = entriesOf(before.findings);
  const comparison = compare(accepted, after.findings);
  const changed = FIGURES.filter((name) => comparison.before[name] !== comparison.after[name]);
  const figures = changed.map(
    (name) => `${FIGURE_NAMES[name]} ${figure(comparison.before[name])} → ${figure(comparison.after[name])}`,
  );
  const lines = [
    ...comparison.added.map((finding) => {
      const ttl = finding.ttl?.verdict === "yes" ? "" : ttlText(finding);
      return `${colors.red("+")} ${placeText(prefix, finding)}  ${callText(finding)}${ttl === "" ? "" : ` (TTL: ${ttl})`}`;
    }),
    ...comparison.worsened.map(
      ({ finding }) => `${colors.red("!")} ${placeText(prefix, finding)}  ${callText(finding)} lost its TTL`,
    ),
    ...comparison.gone.map(
      (entry) => `${colors.green("-")} ${neutral(prefix + entry.file)}  ${callText(entry)}`,
    ),
    ...(figures.length === 0 ? [] : [figures.join(" · ")]),
  ];
  return lines.map((line) => `${line}\n`).join("");
}
