/** Findings and reports for tests, made by hand. */
import pc from "picocolors";
import { fingerprints } from "../baseline/fingerprint.ts";
import type { Finding, Judgement, KvCall, Report } from "../model.ts";
import type { Rendering } from "./rendering.ts";
import { totalsOf } from "./totals.ts";

export const TEST_ASSUMPTIONS = {
  requestsPerDay: 10_000,
  messagesPerDay: 1_000,
  loopCount: 10,
  fastCronMinutes: 5,
} as const;

export const NO_TTL = { verdict: "no", why: "the call has no options" } as const;
export const HOUR_TTL = { verdict: "yes", seconds: 3_600, why: "expirationTtl is 3600" } as const;
export const UNKNOWN_TTL = { verdict: "unknown", why: "the options come from another package" } as const;

/** A get of a cached profile on every request. */
export function call(changes: Partial<KvCall> = {}): KvCall {
  return {
    file: "src/profile.ts",
    line: 12,
    column: 18,
    operation: "get",
    bulk: false,
    bindings: ["CACHE"],
    scope: "loadProfile",
    code: "env.CACHE.get(`profile:${id}`)",
    keys: ["profile:{id}"],
    ttl: null,
    resolution: ["env is the environment of the handler", "CACHE is a KV namespace in wrangler.toml"],
    confidence: "high",
    paths: [{ trigger: "request", entry: "src/index.ts#fetch", via: ["fetch", "loadProfile"], loops: [] }],
    loops: [],
    ratePerDay: null,
    ignored: null,
    ...changes,
  };
}

/** A put of the last run of a cron, without a TTL. */
export function put(changes: Partial<KvCall> = {}): KvCall {
  return call({
    file: "src/scheduled.ts",
    line: 353,
    column: 5,
    operation: "put",
    scope: "syncAll",
    code: "cache.put(LAST_SYNC, new Date().toISOString())",
    keys: ["sync:last"],
    ttl: NO_TTL,
    paths: [{ trigger: "cron", entry: "src/index.ts#scheduled", via: ["scheduled", "syncAll"], loops: [] }],
    ...changes,
  });
}

/** A list of the leases of a queue. */
export function list(changes: Partial<KvCall> = {}): KvCall {
  return call({
    file: "src/queue.ts",
    line: 40,
    operation: "list",
    scope: "Queue.leases",
    code: 'this.kv.list({ prefix: "queue:lease:" })',
    keys: ["queue:lease:"],
    ...changes,
  });
}

export const CACHE_JUDGEMENT: Judgement = {
  category: "C",
  rule: "cache/read",
  why: "it reads what may be missing",
  confidence: "medium",
  target: "keep",
  advice: "Nothing to do.",
  estimate: { perDay: 10_000, basis: ["one handler of requests, 10,000 a day (assumed)"] },
  weight: 1,
};

export const LAST_RUN_JUDGEMENT: Judgement = {
  category: "A",
  rule: "control-plane/last-run",
  why: "the key sync:last keeps when something last ran",
  confidence: "high",
  target: "d1",
  advice: "Keep the last run in a row of D1.",
  estimate: { perDay: 288, basis: ["the cron */5 * * * * fires 288 times a day"] },
  weight: 90,
};

/** Findings of calls; `judged` says how each is judged. */
export function findingsOf(
  calls: readonly KvCall[],
  judged: (call: KvCall) => Judgement = ({ operation }) =>
    operation === "get" ? CACHE_JUDGEMENT : LAST_RUN_JUDGEMENT,
): readonly Finding[] {
  const ids = fingerprints(calls);
  return calls.map((item) => ({ ...item, id: ids.get(item) ?? "", judgement: judged(item) }));
}

export function reportWith(findings: readonly Finding[], changes: Partial<Report> = {}): Report {
  return {
    version: 1,
    totals: totalsOf(findings),
    bindings: ["CACHE"],
    findings,
    quotas: [
      { quota: "reads", perDay: 10_000, unknown: 0 },
      { quota: "writes", perDay: 1_152, unknown: 1 },
      { quota: "deletes", perDay: 0, unknown: 0 },
      { quota: "lists", perDay: 0, unknown: 0 },
    ],
    commentFaults: [],
    unread: [],
    files: 364,
    lines: 92_423,
    assumptions: TEST_ASSUMPTIONS,
    ...changes,
  };
}

export function renderingOf(report: Report, changes: Partial<Rendering> = {}): Rendering {
  return {
    report,
    moves: report.findings.filter(
      ({ ignored, judgement }) => ignored === null && judgement.target !== "keep",
    ),
    outcome: null,
    prefix: "",
    all: false,
    colors: pc.createColors(false),
    ...changes,
  };
}
