import { describe, expect, it } from "vitest";
import { audit, bestMoves, reportOf } from "./audit.ts";
import type { Analysis, SourceTree } from "./model.ts";
import { jsonReport } from "./report/json.ts";
import { TEST_ASSUMPTIONS, call, list, put } from "./report/test-findings.ts";

const analysis: Analysis = {
  calls: [
    call(),
    call({ line: 30, ignored: "read by an old client" }),
    call({ file: "src/a.ts" }),
    list(),
    put(),
    put({ file: "src/b.ts", column: 9 }),
    put({ file: "src/b.ts", column: 3 }),
  ],
  commentFaults: [
    { file: "src/a.ts", line: 3, column: 1, message: "no reason" },
    { file: "src/a.ts", line: 1, column: 1, message: "ignores nothing" },
  ],
  unread: [
    { file: "src/huge.ts", why: "too large" },
    { file: "src/bad.ts", why: "no syntax" },
  ],
  bindings: ["SESSIONS", "CACHE"],
  files: 4,
  lines: 400,
};
const surroundings = {
  configs: [],
  unread: [{ file: "src/huge.ts", why: "too large" }],
  assumptions: TEST_ASSUMPTIONS,
};

describe("a report", () => {
  const report = reportOf(analysis, surroundings);

  it("is the same bytes in whatever order the analysis found it", () => {
    const shuffled: Analysis = {
      ...analysis,
      calls: analysis.calls.toReversed(),
      commentFaults: analysis.commentFaults.toReversed(),
      unread: analysis.unread.toReversed(),
      bindings: analysis.bindings.toReversed(),
    };
    const rotated = { ...analysis, calls: [...analysis.calls.slice(3), ...analysis.calls.slice(0, 3)] };
    for (const other of [shuffled, rotated]) {
      expect(jsonReport(reportOf(other, surroundings))).toBe(jsonReport(report));
    }
  });

  it("lists findings by place, each with an id of its own", () => {
    expect(report.findings.map(({ file, line, column }) => `${file}:${line}:${column}`)).toEqual([
      "src/a.ts:12:18",
      "src/b.ts:353:3",
      "src/b.ts:353:9",
      "src/profile.ts:12:18",
      "src/profile.ts:30:18",
      "src/queue.ts:40:18",
      "src/scheduled.ts:353:5",
    ]);
    expect(new Set(report.findings.map(({ id }) => id)).size).toBe(7);
  });

  it("leaves what is ignored out of its sums, and keeps it among the findings", () => {
    expect(report.totals).toMatchObject({ calls: 6, puts: 3, putsWithoutTtl: 3, lists: 1, ignored: 1 });
  });

  it("names a file that two parts could not read once", () => {
    expect(report.unread.map(({ file }) => file)).toEqual(["src/bad.ts", "src/huge.ts"]);
  });

  it("moves neither what is ignored nor what may stay", () => {
    const moves = bestMoves(report);
    expect(moves.length).toBeGreaterThan(0);
    for (const { ignored, judgement } of moves) {
      expect(ignored).toBe(null);
      expect(judgement.target).not.toBe("keep");
    }
  });
});

describe("an audit", () => {
  const sources: Readonly<Record<string, string>> = {
    "src/index.ts": 'export default { fetch: (_: Request, env) => env.CACHE.get("a") };\n',
    "wrangler.toml": 'main = "src/index.ts"\nkv_namespaces = [{ binding = "CACHE", id = "a" }]\n',
  };
  const tree: SourceTree = {
    paths: Object.keys(sources),
    typePaths: [],
    read: (file) => sources[file] ?? "",
    unread: [{ file: "link", why: "a loop of links" }],
  };

  it("reads configs and sources, and says what was left out on the way", () => {
    const { findings, bindings, unread } = audit(tree, TEST_ASSUMPTIONS);
    expect(findings).toMatchObject([
      { file: "src/index.ts", operation: "get", bindings: ["CACHE"], keys: ["a"] },
    ]);
    expect(bindings).toEqual(["CACHE"]);
    expect(unread).toEqual(tree.unread);
  });
});
