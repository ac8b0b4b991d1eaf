import { describe, expect, it } from "vitest";
import { formatBaseline } from "../baseline/baseline-file.ts";
import { entriesOf } from "../baseline/entry.ts";
import { checkReport } from "../baseline/outcome.ts";
import { FAIL_RULES } from "../baseline/regressions.ts";
import pc from "picocolors";
import { differenceText } from "./difference.ts";
import { explanation } from "./explanation.ts";
import { FORMATS, render } from "./index.ts";
import { neutral, neutralJson } from "./neutral.ts";
import { LAST_RUN_JUDGEMENT, call, findingsOf, list, put, renderingOf, reportWith } from "./test-findings.ts";

/** A terminal escape, a C1 control, an override of the direction of text, an isolate, a line separator, a tag. */
const HOSTILE = "a\u001B[2J\u009B\u202Egpj\u2066\u2028\u{E0041}\r\n::error::b\u0000";
const HARMFUL = /(?!\n)[\p{Cc}\p{Bidi_Control}\u2028\u2029\u{E0041}]/u;

const change = {
  file: `src/${HOSTILE}.ts`,
  keys: [HOSTILE],
  bindings: [HOSTILE],
  scope: HOSTILE,
  code: HOSTILE,
  resolution: [HOSTILE],
};
const judgement = { ...LAST_RUN_JUDGEMENT, why: HOSTILE, advice: HOSTILE };
const findings = findingsOf(
  [
    call({ ...change, ignored: HOSTILE }),
    put({ ...change, ttl: { verdict: "no", why: HOSTILE } }),
    put({ ...change, scope: "other", ttl: { verdict: "unknown", why: HOSTILE } }),
    list(change),
  ],
  () => judgement,
);
const report = reportWith(findings, {
  bindings: [HOSTILE],
  unread: [{ file: HOSTILE, why: HOSTILE }],
  commentFaults: [{ file: HOSTILE, line: 1, column: 1, message: HOSTILE }],
});
const stale = entriesOf(findingsOf([call({ ...change, scope: "gone" })]));
const outcome = checkReport({ against: HOSTILE, entries: stale, staleRemedy: "--prune" }, report, {
  failOn: FAIL_RULES,
  allowances: { calls: 0, puts: 0, putsWithoutTtl: 0, lists: 0 },
});

describe("control characters of scanned sources", () => {
  it.each(FORMATS)("reach nobody in a scan as %s", (format) => {
    expect(render(format, renderingOf(report, { prefix: `${HOSTILE}/` }))).not.toMatch(HARMFUL);
  });

  it.each(FORMATS)("reach nobody in a check as %s", (format) => {
    expect(render(format, renderingOf(report, { outcome }))).not.toMatch(HARMFUL);
  });

  it("reach nobody in an explanation, a difference or a baseline", () => {
    const colors = pc.createColors(false);
    for (const finding of findings) expect(explanation(finding, "", colors)).not.toMatch(HARMFUL);
    expect(differenceText(reportWith([]), report, "", colors)).not.toMatch(HARMFUL);
    expect(differenceText(report, reportWith([]), "", colors)).not.toMatch(HARMFUL);
    expect(formatBaseline(entriesOf(findings))).not.toMatch(HARMFUL);
  });

  it("are seen as escapes", () => {
    expect(neutral("a\u202Eb\u001B")).toBe("a\\u{202e}b\\u{1b}");
  });

  it("leave other scripts and emoji as they are", () => {
    expect(neutral("鍵 ключ 🗝️ café")).toBe("鍵 ключ 🗝️ café");
  });

  it("change nothing for a reader of the JSON", () => {
    expect(JSON.parse(neutralJson(JSON.stringify(report, null, 2)))).toEqual(report);
  });

  it("start no workflow command of their own", () => {
    const lines = render("github", renderingOf(report, { outcome })).trimEnd().split("\n");
    for (const line of lines) expect(line).toMatch(/^::(error|warning|notice) [^:]+::/);
  });
});
