/** What every format is made from, and the words that they share. */
import type pc from "picocolors";
import type { CheckOutcome } from "../baseline/outcome.ts";
import type { FailRule, Growth } from "../baseline/regressions.ts";
import type { Figure } from "../baseline/entry.ts";
import type { Category, Finding, Place, Report, Target } from "../model.ts";
import { neutral } from "./neutral.ts";

export type Colors = ReturnType<typeof pc.createColors>;

export interface Rendering {
  readonly report: Report;
  /** What is better changed, the best first. */
  readonly moves: readonly Finding[];
  /** `null` for a scan. */
  readonly outcome: CheckOutcome | null;
  /** The root as seen from where the program runs, with a `/` at its end, or empty. */
  readonly prefix: string;
  /** Every call in the tables, not the first 50. */
  readonly all: boolean;
  readonly colors: Colors;
}

export const TOP_MOVES = 10;
export const TABLE_ROWS = 50;

export const CATEGORY_NAMES: Readonly<Record<Category, string>> = {
  A: "control plane",
  B: "high frequency",
  C: "cache",
};

export const TARGET_NAMES: Readonly<Record<Target, string>> = {
  "durable-object": "a Durable Object",
  "d1-unique": "D1, a UNIQUE column",
  d1: "D1",
  ttl: "KV with a TTL",
  batch: "fewer, larger writes",
  "sharper-key": "a key without a list",
  keep: "stays on KV",
};

export const FIGURE_NAMES: Readonly<Record<Figure, string>> = {
  calls: "calls",
  puts: "puts",
  putsWithoutTtl: "puts without TTL",
  lists: "lists",
};

export const ALLOW_FLAGS: Readonly<Record<Figure, string>> = {
  calls: "--allow-total-increase",
  puts: "--allow-puts-increase",
  putsWithoutTtl: "--allow-puts-without-ttl-increase",
  lists: "--allow-lists-increase",
};

export const FAIL_RULE_NAMES: Readonly<Record<FailRule, string>> = {
  "new-put-no-ttl": "a put without TTL that the baseline does not accept",
  "new-list": "a list that the baseline does not accept",
  "control-plane": "a new call that puts control plane state on KV",
};

/** A number for people, the same on every machine. */
export function figure(value: number): string {
  const rounded = value >= 10 || Number.isInteger(value) ? Math.round(value) : Number(value.toPrecision(2));
  return rounded.toLocaleString("en-US");
}

/** `1 call`, `2 calls`. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${figure(number)} ${number === 1 ? one : many}`;
}

/** `src/index.ts:12`. */
export function placeText(prefix: string, { file, line }: Place): string {
  return `${neutral(prefix + file)}:${line}`;
}

/** The namespace as the code calls it. */
export function bindingText({ bindings }: Pick<Finding, "bindings">): string {
  return bindings.length === 0 ? "KV" : neutral(bindings.join(" | "));
}

/** The key, or the prefix of a list; empty for a list of everything. */
export function keyText({ keys }: Pick<Finding, "keys">): string {
  return neutral(keys.join(" | "));
}

/** `put CACHE "session:{id}"`. */
export function callText(finding: Pick<Finding, "operation" | "bindings" | "keys">): string {
  const key = keyText(finding);
  return `${finding.operation} ${bindingText(finding)}${key === "" ? "" : ` "${key}"`}`;
}

/** Whether a put has a TTL, in a word or a duration; empty for other operations. */
export function ttlText({ ttl }: Pick<Finding, "ttl">): string {
  if (ttl === null) return "";
  if (ttl.verdict !== "yes") return ttl.verdict === "no" ? "none" : "unknown";
  return ttl.seconds === null ? "yes" : `${figure(ttl.seconds)} s`;
}

/** Operations a day, or a question mark. */
export function rateText({ judgement }: Pick<Finding, "judgement">): string {
  const { perDay } = judgement.estimate;
  return perDay === null ? "?" : figure(perDay);
}

/** How a figure grew, and what allows it. */
export function growthText({ figure: name, before, after, allowed }: Growth): string {
  const room = allowed === 0 ? "no increase is allowed" : `${figure(allowed)} more are allowed`;
  return `${FIGURE_NAMES[name]} grew from ${figure(before)} to ${figure(after)}; ${room} (${ALLOW_FLAGS[name]})`;
}

/** What the estimates rest on where neither source nor annotation says it. */
export function assumptionTexts({ assumptions }: Report): readonly string[] {
  return [
    `${figure(assumptions.requestsPerDay)} requests a day reach a handler (--requests-per-day)`,
    `${figure(assumptions.messagesPerDay)} messages a day reach a queue handler (--messages-per-day)`,
    `a loop whose count is not known runs ${count(assumptions.loopCount, "time")} (--loop-count)`,
    `a cron is fast when less than ${count(assumptions.fastCronMinutes, "minute")} lie between two runs (--fast-cron)`,
  ];
}

export const LEVELS = ["error", "warning", "note"] as const;
export type Level = (typeof LEVELS)[number];

/** How loudly a finding is told: regressions and control plane state on KV the loudest. */
export function levelOf(finding: Finding, failing: ReadonlySet<string>): Level {
  if (failing.has(finding.id)) return "error";
  const { category, confidence, target } = finding.judgement;
  if (category === "A" && confidence === "high" && target !== "keep") return "error";
  if (finding.ttl?.verdict === "no" || finding.operation === "list") return "warning";
  return target === "keep" || category === "C" ? "note" : "warning";
}

/** Ids of the findings that fail the check. */
export function failingIds(outcome: CheckOutcome | null): ReadonlySet<string> {
  return new Set(outcome?.regressions.calls.map(({ finding }) => finding.id));
}

/** What was found, why it matters and what to do, as one paragraph. */
export function adviceText(finding: Finding): string {
  const { category, why, advice, target } = finding.judgement;
  const ttl = finding.ttl?.verdict === "no" ? ` It has no TTL: ${neutral(finding.ttl.why)}.` : "";
  const to = target === "keep" ? "" : ` Better: ${TARGET_NAMES[target]}.`;
  return `${callText(finding)} (${CATEGORY_NAMES[category]}): ${neutral(why)}${ttl}${to} ${neutral(advice)}`.replace(
    /\.\.(?= |$)/g,
    ".",
  );
}
