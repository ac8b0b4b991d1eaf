import { describe, expect, it } from "vitest";
import { z } from "zod";
import schema from "@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json" with { type: "json" };
import { entriesOf } from "../baseline/entry.ts";
import { checkReport } from "../baseline/outcome.ts";
import { FAIL_RULES } from "../baseline/regressions.ts";
import type { Report } from "../model.ts";
import type { Rendering } from "./rendering.ts";
import { MAX_RESULTS, sarifReport } from "./sarif.ts";
import { HOUR_TTL, call, findingsOf, list, put, renderingOf, reportWith } from "./test-findings.ts";

/** The JSON schema of the standard. What reads it here takes every URI reference for an absolute URL. */
const schemaText: unknown = JSON.parse(JSON.stringify(schema), (key, value: unknown) =>
  key === "format" && value === "uri-reference" ? undefined : value,
);
const sarifSchema = z.fromJSONSchema(z.record(z.string(), z.json()).parse(schemaText));

const logSchema = z.object({
  runs: z.tuple([
    z.object({
      tool: z.object({
        driver: z.object({
          rules: z.array(z.object({ id: z.string(), help: z.object({ text: z.string() }) })),
        }),
      }),
      results: z.array(
        z.object({
          ruleId: z.string(),
          ruleIndex: z.number(),
          level: z.string(),
          message: z.object({ text: z.string() }),
          baselineState: z.string().optional(),
          partialFingerprints: z.record(z.string(), z.string()).optional(),
          suppressions: z.array(z.object({ justification: z.string() })).optional(),
          locations: z.array(z.unknown()),
        }),
      ),
      invocations: z.array(z.object({ toolExecutionNotifications: z.array(z.unknown()) })),
    }),
  ]),
});

function runOf(report: Report, changes: Partial<Rendering> = {}) {
  return logSchema.parse(JSON.parse(sarifReport(renderingOf(report, changes)))).runs[0];
}

const report = reportWith(
  findingsOf([
    call(),
    call({ line: 30, ignored: "read by an old client" }),
    list({ file: "src/キュー #1.ts" }),
    put(),
    put({ scope: "cached", ttl: HOUR_TTL }),
  ]),
  {
    unread: [{ file: "src/huge.ts", why: "it is larger than 2 MiB" }],
    commentFaults: [{ file: "src/a.ts", line: 3, column: 1, message: "The ignore comment has no reason." }],
  },
);
const outcome = checkReport(
  { against: "b", entries: entriesOf(findingsOf([call(), put({ ttl: HOUR_TTL })])), staleRemedy: "" },
  report,
  { failOn: FAIL_RULES, allowances: { calls: 9, puts: 9, putsWithoutTtl: 9, lists: 9 } },
);

describe("SARIF", () => {
  it.each([
    ["a scan", null],
    ["a check", outcome],
  ])("of %s is valid by the schema of the standard", (_, checked) => {
    const log: unknown = JSON.parse(sarifReport(renderingOf(report, { outcome: checked, prefix: "hub/" })));
    expect(sarifSchema.safeParse(log).error?.issues ?? []).toEqual([]);
  });

  it("is held to that schema: a made-up level is refused", () => {
    const text = sarifReport(renderingOf(report)).replaceAll('"level": "error"', '"level": "fatal"');
    expect(sarifSchema.safeParse(JSON.parse(text)).success).toBe(false);
  });

  it("has calls that had better change, those that are ignored and faulty comments, not what may stay", () => {
    expect(runOf(report).results.map(({ ruleId }) => ruleId)).toEqual([
      "cache/read",
      "control-plane/last-run",
      "control-plane/last-run",
      "control-plane/last-run",
      "comment-fault",
    ]);
  });

  it("carries a help for every rule, and every result points at its rule", () => {
    const { tool, results } = runOf(report);
    const { rules } = tool.driver;
    for (const rule of rules) expect(rule.help.text).not.toBe("");
    for (const result of results) expect(rules[result.ruleIndex]?.id).toBe(result.ruleId);
  });

  it("places results below %SRCROOT%, percent-encoded", () => {
    const located = runOf(report, { prefix: "apps/hub/" }).results.find(({ message }) =>
      message.text.startsWith("list"),
    );
    expect(located?.locations).toMatchObject([
      {
        physicalLocation: {
          artifactLocation: {
            uri: "apps/hub/src/%E3%82%AD%E3%83%A5%E3%83%BC%20%231.ts",
            uriBaseId: "%SRCROOT%",
          },
          region: { startLine: 40, startColumn: 18 },
        },
      },
    ]);
  });

  it("names results by the ids of the findings", () => {
    const ids = runOf(report).results.flatMap(({ partialFingerprints }) =>
      Object.values(partialFingerprints ?? {}),
    );
    for (const id of ids) expect(report.findings.map((finding) => finding.id)).toContain(id);
    expect(new Set(ids).size).toBe(4);
  });

  it("suppresses what is ignored, with the reason", () => {
    const suppressed = runOf(report).results.filter(({ suppressions }) => suppressions !== undefined);
    expect(suppressed.map(({ suppressions }) => suppressions)).toEqual([
      [{ justification: "read by an old client" }],
    ]);
  });

  it("says of a check what is new and what got worse, and makes errors of what fails", () => {
    const { results } = runOf(report, { outcome });
    const states = results.map(({ baselineState, level }) => [baselineState, level]);
    expect(states).toContainEqual(["new", "error"]);
    expect(states).toContainEqual(["updated", "error"]);
  });

  it("tells what could not be read", () => {
    expect(runOf(report).invocations[0]?.toolExecutionNotifications).toHaveLength(1);
  });

  it("leaves out the least weighty beyond what can be uploaded, and says so", () => {
    const crowd = findingsOf(
      Array.from({ length: MAX_RESULTS + 3 }, (_, index) => list({ scope: `list${index}`, line: index + 1 })),
    );
    const { results, invocations } = runOf(reportWith(crowd));
    expect(results).toHaveLength(MAX_RESULTS);
    expect(JSON.stringify(invocations)).toContain("3 results of the least weight were left out");
  });
});
