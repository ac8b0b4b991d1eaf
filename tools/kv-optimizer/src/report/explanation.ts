/** Everything that is known of one finding, for people. */
import type { CallPath, Finding, Loop } from "../model.ts";
import { neutral } from "./neutral.ts";
import {
  CATEGORY_NAMES,
  TARGET_NAMES,
  bindingText,
  callText,
  figure,
  keyText,
  placeText,
  rateText,
  type Colors,
} from "./rendering.ts";

function loopText(prefix: string, loop: Loop): string {
  const turns = loop.count === null ? "how often is not known" : `${figure(loop.count)} times`;
  return `loop at ${placeText(prefix, loop)}, ${turns}`;
}

function pathLines(prefix: string, { trigger, entry, via, loops }: CallPath): readonly string[] {
  return [
    `${trigger}: ${neutral(entry)}${via.length === 0 ? "" : `: ${neutral(via.join(" → "))}`}`,
    ...loops.map((loop) => `  ${loopText(prefix, loop)}`),
  ];
}

function ttlLines({ ttl }: Finding): readonly string[] {
  if (ttl === null) return [];
  const seconds = ttl.verdict === "yes" && ttl.seconds !== null ? `, ${figure(ttl.seconds)} s` : "";
  return [`${ttl.verdict}${seconds}: ${neutral(ttl.why)}`];
}

/** One finding: place, code, how its receiver was followed, key, TTL, who calls it, the judgement. */
export function explanation(finding: Finding, prefix: string, colors: Colors): string {
  const { category, rule, why, confidence, target, advice, estimate } = finding.judgement;
  const section = (title: string, lines: readonly string[]): readonly string[] =>
    lines.length === 0 ? [] : ["", colors.bold(title), ...lines.map((line) => `  ${line}`)];
  const key = keyText(finding);
  const lines = [
    `${colors.bold(finding.id)}  ${callText(finding)}${finding.bulk ? " (bulk)" : ""}`,
    `${colors.cyan(`${placeText(prefix, finding)}:${finding.column}`)} in ${neutral(finding.scope)}`,
    ...section("Code", [neutral(finding.code)]),
    ...section(
      `Receiver: ${bindingText(finding)} (confidence ${finding.confidence})`,
      finding.resolution.map(neutral),
    ),
    ...section(finding.operation === "list" ? "Prefix" : "Key", [key === "" ? "none" : key]),
    ...section("TTL", ttlLines(finding)),
    ...section(
      "Reached by",
      finding.paths.length === 0
        ? ["no handler that could be found"]
        : finding.paths.flatMap((path) => pathLines(prefix, path)),
    ),
    ...section(
      "Loops around it",
      finding.loops.map((loop) => loopText(prefix, loop)),
    ),
    ...section(`Judged: ${CATEGORY_NAMES[category]}`, [
      `rule ${rule} (confidence ${confidence}): ${neutral(why)}`,
    ]),
    ...section(`Operations a day: ${rateText(finding)}`, estimate.basis.map(neutral)),
    ...section(`Better: ${TARGET_NAMES[target]}`, [neutral(advice)]),
    ...section("Ignored", finding.ignored === null ? [] : [neutral(finding.ignored)]),
  ];
  return lines.map((line) => `${line}\n`).join("");
}
