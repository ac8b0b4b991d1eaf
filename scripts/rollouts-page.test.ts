/** docs/rollouts.md says what the code does: fields, defaults, exit codes. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { ROLLOUT_STATUSES } from "../worker/src/rollout/contract.ts";
import { completePlan } from "../worker/src/rollout/plan.ts";
import { EXIT } from "./lib/exit.ts";

let page: string;

beforeAll(async () => {
  page = await readFile(path.resolve(import.meta.dirname, "../docs/rollouts.md"), "utf8");
});

/** The second cell of the row that begins with a field's name, without thousands' separators and quotes. */
function defaultOf(field: string): string | null {
  const row = page.split("\n").find((line) => line.startsWith("| `") && line.includes(`\`${field}\``));
  const cell = row?.split("|")[2]?.trim() ?? null;
  return cell === null ? null : cell.replaceAll(/[`",]/g, "");
}

const plan = completePlan({
  phases: [{ shares: { read: 100, write: 100, background: 100 } }],
  pre: [{ name: "a", url: "https://a.test/" }],
});
const mirrored = completePlan({ phases: [], mirror: {} }).mirror;
const [phase] = plan.phases;
const { gate, soakMs, initialDelayMs, maxWaitMs, approval } = phase ?? {};
const { latency, numbers, minSample, ...limits } = gate ?? {};
const [webhook] = plan.pre;

const DEFAULTS: Readonly<Record<string, unknown>> = {
  intervalMs: plan.intervalMs,
  onFail: plan.onFail,
  fallbackReads: plan.fallbackReads,
  overdueMs: plan.overdueMs,
  mirror: plan.mirror,
  "mirror.read": mirrored?.read,
  "phases[].soakMs": soakMs,
  "phases[].initialDelayMs": initialDelayMs,
  "phases[].maxWaitMs": maxWaitMs,
  "phases[].approval": approval,
  ...limits,
  minSample: Object.entries(minSample ?? {})
    .map(([traffic, count]) => `${traffic} ${count}`)
    .join(" "),
  "latency.tolerance": latency?.tolerance,
  "latency.slackMs": latency?.slackMs,
  numbers: JSON.stringify(numbers),
  timeoutMs: webhook?.timeoutMs,
  retries: webhook?.retries,
};

describe("the page on rollouts", () => {
  it.each(Object.entries(DEFAULTS))("states the default of %s", (field, value) => {
    expect(defaultOf(field)).toBe(String(value));
  });

  it.each([
    "pre",
    "post",
    "gate",
    "phases",
    ...Object.keys(mirrored ?? {}).map((field) => `mirror.${field}`),
    ...Object.keys(plan.phases[0] ?? {}),
    ...Object.keys(webhook ?? {}),
  ])("explains the field %s", (field) => {
    expect(page).toMatch(new RegExp(`^\\| .*\`(phases\\[\\]\\.)?${field.replace(".", "\\.")}\``, "m"));
  });

  it("has every exit code, and no other", () => {
    const table = page.slice(page.indexOf("## Exit codes"));
    const codes = [...table.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
    expect(codes).toEqual(Object.values(EXIT).toSorted((a, b) => a - b));
  });

  it("draws every status", () => {
    const diagram = page.slice(page.indexOf("stateDiagram"), page.indexOf("One rollout is open"));
    for (const status of ROLLOUT_STATUSES) expect(diagram).toContain(status.replace("-", "_"));
  });
});
