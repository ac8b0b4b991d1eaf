import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { KvCall } from "../model.ts";
import { jsonReport } from "../report/json.ts";
import { HOUR_TTL, call, findingsOf, list, put, reportWith } from "../report/test-findings.ts";
import { BaselineError, formatBaseline, parseBaseline } from "./baseline-file.ts";
import { entriesOf, type Entry } from "./entry.ts";

const entriesFor = (calls: readonly KvCall[]): readonly Entry[] => entriesOf(findingsOf(calls));
const ENTRIES = entriesFor([call(), put(), list()]);
const LINES = formatBaseline(ENTRIES).trimEnd().split("\n");
const [HEADER = ""] = LINES;

function faultsOf(text: string): readonly string[] {
  try {
    parseBaseline(text);
  } catch (error) {
    if (error instanceof BaselineError) return error.faults;
    throw error;
  }
  return [];
}

describe("a baseline file", () => {
  it("is a header and an entry a line, by id", () => {
    expect(HEADER).toBe('{"kv-optimizer":"baseline","version":1}');
    const ids = LINES.slice(1).map((line) => /"id":"(\w+)"/.exec(line)?.[1]);
    expect(ids).toEqual(ENTRIES.map(({ id }) => id).toSorted());
  });

  it("reads as what was written", () => {
    expect(parseBaseline(formatBaseline(ENTRIES))).toEqual({ kind: "baseline", entries: ENTRIES });
  });

  it("holds no control character of a file name or key", () => {
    const text = formatBaseline(entriesFor([call({ file: "src/\u202Egpj.ts", keys: ["a\u009B31m"] })]));
    expect(text).not.toMatch(/[\u202E\u009B]/);
    expect(parseBaseline(text).entries).toMatchObject([{ file: "src/\u202Egpj.ts", keys: ["a\u009B31m"] }]);
  });

  it.each([
    ["another order", LINES.toReversed().join("\n")],
    ["lines twice", [...LINES, ...LINES].join("\n")],
    ["CRLF", `${LINES.join("\r\n")}\r\n`],
    ["blank lines and a byte order mark", `\uFEFF${LINES.join("\n\n")}\n\n`],
  ])("is tolerant of %s", (_, text) => {
    expect(parseBaseline(text).entries).toEqual(ENTRIES);
  });

  it("may be a header alone, which accepts nothing", () => {
    expect(parseBaseline(`${HEADER}\n`)).toEqual({ kind: "baseline", entries: [] });
  });

  it("takes of two versions of an entry the one that accepts less", () => {
    const [having, without] = [put({ ttl: HOUR_TTL }), put()].map((item) => entriesFor([item]));
    const lines = [...(without ?? []), ...(having ?? [])].map((entry) => JSON.stringify(entry));
    expect(parseBaseline([HEADER, ...lines].join("\n")).entries).toEqual(having);
  });

  it("names every faulty line", () => {
    const [, entry = ""] = LINES;
    const text = [
      HEADER,
      "<<<<<<< HEAD",
      entry,
      "no json",
      entry.replace(/"id":"\w+"/, '"id":"xyz"'),
      '{"kv-optimizer":"baseline","version":2}',
    ].join("\n");
    expect(faultsOf(text)).toEqual([
      expect.stringMatching(/^line 2: a mark of an unfinished merge/),
      "line 4: no JSON",
      "line 5: id: must be 16 hexadecimal digits",
      expect.stringMatching(/^line 6: a header of another version/),
    ]);
  });

  it.each([
    ["an empty file", ""],
    ["entries alone", LINES.slice(1).join("\n")],
    ["other JSON", "{}"],
  ])("needs its header: %s", (_, text) => {
    expect(faultsOf(text)[0]).toMatch(/^the header line is missing/);
  });
});

describe("a report as a baseline", () => {
  it("accepts the findings that it does not ignore", () => {
    const report = reportWith(findingsOf([call(), put(), list({ ignored: "a page of admins" })]));
    expect(parseBaseline(jsonReport(report))).toEqual({
      kind: "report",
      entries: entriesFor([call(), put()]),
    });
  });

  it("names what is wrong with it", () => {
    const text = '{"version":1,"findings":[{"id":"1"},{}]}';
    expect(faultsOf(text)).toContainEqual(expect.stringMatching(/^findings\.0\.id: must be 16/));
    expect(faultsOf(text)).toContainEqual(expect.stringMatching(/^findings\.1\./));
  });
});

describe("two branches that both accept calls", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "kv-baseline-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, "kv-baseline.ndjson");
  const git = (...args: readonly string[]): string =>
    execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@example.com", ...args], {
      cwd: folder,
      encoding: "utf8",
      env: { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_SYSTEM: "/dev/null" },
    });
  const accept = (branch: string, calls: readonly KvCall[]): void => {
    git("checkout", "-q", "-B", branch, "main");
    writeFileSync(file, formatBaseline(entriesFor(calls)));
    git("commit", "-qam", branch);
  };

  it("merge without conflict with merge=union, and accept both", () => {
    const start = [call(), put(), list()];
    const mine = Array.from({ length: 8 }, (_, index) => call({ scope: `mine${index}` }));
    const theirs = Array.from({ length: 8 }, (_, index) => call({ scope: `theirs${index}` }));
    git("init", "-q", "-b", "main");
    writeFileSync(path.join(folder, ".gitattributes"), "kv-baseline.ndjson merge=union\n");
    writeFileSync(file, formatBaseline(entriesFor(start)));
    git("add", ".");
    git("commit", "-qm", "start");
    accept("mine", [...start, ...mine]);
    // The other branch also lost a call.
    accept("theirs", [call(), put(), ...theirs]);
    git("merge", "-q", "--no-edit", "mine");
    const { entries } = parseBaseline(readFileSync(file, "utf8"));
    const expected = entriesFor([call(), put(), ...mine, ...theirs]).map(({ id }) => id);
    expect(entries.map(({ id }) => id)).toEqual(expect.arrayContaining(expected));
    expect(git("status", "--porcelain")).toBe("");
  });
});
