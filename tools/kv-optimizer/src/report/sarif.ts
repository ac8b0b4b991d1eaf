/** SARIF 2.1.0 (OASIS), as code scanning takes it. */
import { CATEGORIES, type Category, type Finding } from "../model.ts";
import { neutral, neutralJson } from "./neutral.ts";
import {
  CATEGORY_NAMES,
  FAIL_RULE_NAMES,
  adviceText,
  failingIds,
  levelOf,
  type Level,
  type Rendering,
} from "./rendering.ts";

const SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/** Results that code scanning accepts of one run. */
export const MAX_RESULTS = 25_000;
const COMMENT_RULE = "comment-fault";

const CATEGORY_HELP: Readonly<Record<Category, string>> = {
  A: "State that decides what runs (locks, last runs, deduplication, tokens, leases, counters, queues) needs atomic or strongly consistent storage. KV is eventually consistent, and when its daily writes are used up such state stops: move it to a Durable Object or to D1.",
  B: "Calls on every request, in loops, or by a fast cron use up the daily operations of an account. Move them to a Durable Object, write less often, or batch.",
  C: "A cache may stay on KV. Every put needs a TTL, and every list costs an operation of the day.",
};

const CATEGORY_LEVELS: Readonly<Record<Category, Level>> = { A: "error", B: "warning", C: "note" };

function uriOf(path: string): string {
  return path.toWellFormed().split("/").map(encodeURIComponent).join("/");
}

function locationOf(
  prefix: string,
  place: { readonly file: string; readonly line: number; readonly column: number },
) {
  return {
    physicalLocation: {
      artifactLocation: { uri: uriOf(prefix + place.file), uriBaseId: "%SRCROOT%" },
      region: { startLine: place.line, startColumn: place.column },
    },
  };
}

function ruleOf(id: string, category: Category) {
  const help = CATEGORY_HELP[category];
  return {
    id,
    name: id.replace(/(?:^|[^A-Za-z0-9]+)([A-Za-z0-9])/g, (_, letter: string) => letter.toUpperCase()),
    shortDescription: { text: `${CATEGORY_NAMES[category]}: ${id}` },
    fullDescription: { text: help },
    help: { text: help, markdown: help },
    defaultConfiguration: { level: CATEGORY_LEVELS[category] },
    properties: { tags: ["cloudflare", "kv", `category-${category}`] },
  };
}

const COMMENT_HELP =
  "An ignore comment needs a reason and must stand at a call that it ignores; a rate or loop annotation needs a number.";
const commentRule = {
  id: COMMENT_RULE,
  name: "CommentFault",
  shortDescription: { text: "A kv-optimizer comment that does not do what it should" },
  fullDescription: { text: COMMENT_HELP },
  help: { text: COMMENT_HELP, markdown: COMMENT_HELP },
  defaultConfiguration: { level: "warning" },
  properties: { tags: ["cloudflare", "kv"] },
};

/** Each rule once, by category and id. */
function rulesOf({ report }: Rendering) {
  const byId = new Map<string, Category>();
  for (const category of CATEGORIES) {
    for (const { judgement } of report.findings) {
      if (judgement.category === category && !byId.has(judgement.rule)) byId.set(judgement.rule, category);
    }
  }
  const rules = [...byId].sort(([a], [b]) => (a < b ? -1 : 1)).map(([id, category]) => ruleOf(id, category));
  return [...rules, commentRule];
}

/** What a check says of each finding. */
interface Marks {
  readonly failing: ReadonlySet<string>;
  readonly reasons: ReadonlyMap<string, string>;
  readonly states: ReadonlyMap<string, string>;
  /** Of a finding that the check says nothing of. */
  readonly otherwise: { readonly baselineState?: string };
}

function marksOf({ outcome }: Rendering): Marks {
  const calls = outcome?.regressions.calls ?? [];
  const { added = [], worsened = [] } = outcome?.comparison ?? {};
  return {
    failing: failingIds(outcome),
    reasons: new Map(
      calls.map(({ finding, rules }) => [
        finding.id,
        rules.map((rule) => `${rule}: ${FAIL_RULE_NAMES[rule]}. `).join(""),
      ]),
    ),
    states: new Map([
      ...added.map(({ id }) => [id, "new"] as const),
      ...worsened.map(({ finding }) => [finding.id, "updated"] as const),
    ]),
    otherwise: outcome === null ? {} : { baselineState: "unchanged" },
  };
}

function resultOf(finding: Finding, prefix: string, marks: Marks, ruleIndex: ReadonlyMap<string, number>) {
  const { category, rule, confidence, target, estimate } = finding.judgement;
  const state = marks.states.get(finding.id);
  return {
    ruleId: rule,
    ruleIndex: ruleIndex.get(rule) ?? -1,
    level: levelOf(finding, marks.failing),
    message: { text: `${marks.reasons.get(finding.id) ?? ""}${adviceText(finding)}` },
    locations: [
      {
        ...locationOf(prefix, finding),
        logicalLocations: [{ fullyQualifiedName: neutral(finding.scope), kind: "function" }],
      },
    ],
    partialFingerprints: { "kvOptimizer/v1": finding.id },
    ...(state === undefined ? marks.otherwise : { baselineState: state }),
    ...(finding.ignored === null
      ? {}
      : {
          suppressions: [{ kind: "inSource", status: "accepted", justification: neutral(finding.ignored) }],
        }),
    properties: {
      operation: finding.operation,
      bindings: finding.bindings.map(neutral),
      keys: finding.keys.map(neutral),
      ttl: finding.ttl?.verdict ?? null,
      category,
      target,
      confidence,
      perDay: estimate.perDay,
    },
  };
}

/** What is a result: a call that had better change or that fails the check, and what is ignored. */
function isResult(finding: Finding, failing: ReadonlySet<string>): boolean {
  return (
    finding.ignored !== null ||
    failing.has(finding.id) ||
    finding.ttl?.verdict === "no" ||
    finding.judgement.target !== "keep"
  );
}

/** As many as may be uploaded beside the faulty comments, the weightiest, and how many are left. */
function chosenFindings({ report }: Rendering, { failing }: Marks) {
  const results = report.findings.filter((finding) => isResult(finding, failing));
  const room = Math.max(0, MAX_RESULTS - report.commentFaults.length);
  const weight = (finding: Finding): number =>
    failing.has(finding.id) ? Infinity : finding.judgement.weight;
  const heaviest =
    results.length <= room
      ? results
      : results.toSorted((a, b) => Number(weight(b) > weight(a)) - Number(weight(b) < weight(a)));
  const kept = new Set(heaviest.slice(0, room));
  return { chosen: results.filter((finding) => kept.has(finding)), left: results.length - kept.size };
}

function notificationsOf({ report, prefix }: Rendering, left: number) {
  const unread = report.unread.map(({ file, why }) => ({
    level: "warning",
    message: { text: `Could not be read: ${neutral(why)}` },
    locations: [
      { physicalLocation: { artifactLocation: { uri: uriOf(prefix + file), uriBaseId: "%SRCROOT%" } } },
    ],
  }));
  if (left === 0) return unread;
  const text = `${left} results of the least weight were left out: no more than ${MAX_RESULTS} can be uploaded.`;
  return [...unread, { level: "warning", message: { text } }];
}

/** The SARIF log, with a line break at its end. */
export function sarifReport(rendering: Rendering): string {
  const { report, outcome, prefix } = rendering;
  const rules = rulesOf(rendering);
  const ruleIndex = new Map(rules.map(({ id }, index) => [id, index]));
  const marks = marksOf(rendering);
  const { chosen, left } = chosenFindings(rendering, marks);
  const faults = report.commentFaults.slice(0, MAX_RESULTS).map((fault) => ({
    ruleId: COMMENT_RULE,
    ruleIndex: ruleIndex.get(COMMENT_RULE) ?? -1,
    level: outcome === null ? "warning" : "error",
    message: { text: neutral(fault.message) },
    locations: [locationOf(prefix, fault)],
  }));
  const log = {
    $schema: SCHEMA,
    version: "2.1.0",
    runs: [
      {
        tool: { driver: { name: "kv-optimizer", rules } },
        columnKind: "utf16CodeUnits",
        originalUriBaseIds: { "%SRCROOT%": { description: { text: "The root of the repository." } } },
        invocations: [
          {
            executionSuccessful: true,
            toolExecutionNotifications: notificationsOf(rendering, left),
          },
        ],
        results: [...chosen.map((finding) => resultOf(finding, prefix, marks, ruleIndex)), ...faults],
      },
    ],
  };
  return `${neutralJson(JSON.stringify(log, null, 2))}\n`;
}
