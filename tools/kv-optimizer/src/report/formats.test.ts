import { describe, expect, it } from "vitest";
import pc from "picocolors";
import { parseBaseline } from "../baseline/baseline-file.ts";
import { entriesOf } from "../baseline/entry.ts";
import { checkReport } from "../baseline/outcome.ts";
import { FAIL_RULES } from "../baseline/regressions.ts";
import type { Finding } from "../model.ts";
import { MAX_ANNOTATIONS } from "./github.ts";
import { FORMATS, render } from "./index.ts";
import {
  CACHE_JUDGEMENT,
  HOUR_TTL,
  LAST_RUN_JUDGEMENT,
  UNKNOWN_TTL,
  call,
  findingsOf,
  list,
  put,
  renderingOf,
  reportWith,
} from "./test-findings.ts";

const NO_INCREASE = { calls: 0, puts: 0, putsWithoutTtl: 0, lists: 0 } as const;

const report = reportWith(
  findingsOf([
    call(),
    call({ line: 30, ignored: "read by an old client" }),
    list(),
    put({ keys: ["sync:last"] }),
  ]),
  {
    unread: [{ file: "src/huge.ts", why: "it is larger than 2 MiB" }],
    commentFaults: [{ file: "src/a.ts", line: 3, column: 1, message: "The ignore comment has no reason." }],
  },
);
const many = (number: number): readonly Finding[] =>
  findingsOf(Array.from({ length: number }, (_, index) => put({ line: index + 1, scope: `sync${index}` })));
const outcomeOf = (before: readonly Finding[], now = report) =>
  checkReport(
    { against: "kv-baseline.ndjson", entries: entriesOf(before), staleRemedy: "check … --prune" },
    now,
    {
      failOn: FAIL_RULES,
      allowances: NO_INCREASE,
    },
  );

describe.each(FORMATS)("a report as %s", (format) => {
  it("ends with a line break, holds no absolute path and no colour", () => {
    const text = render(format, renderingOf(report));
    expect(text.endsWith("\n")).toBe(true);
    expect(text).not.toContain(process.cwd());
    expect(text).not.toContain("\u001B");
  });

  it("is the same bytes when made again", () => {
    expect(render(format, renderingOf(report))).toBe(render(format, renderingOf(report)));
  });

  it("says of a repository without KV that there is nothing", () => {
    expect(render(format, renderingOf(reportWith([])))).not.toBe("");
  });
});

describe("text", () => {
  const text = render("text", renderingOf(report, { prefix: "hub/" }));

  it("begins with the sums", () => {
    expect(text.split("\n")[0]).toBe("3 KV calls in 364 files, 92,423 lines (CACHE)");
    expect(text).toContain("1 put (1 without TTL) · 1 list · 2 on the control plane · 1 ignored");
  });

  it("numbers the moves with place, what, why and where to", () => {
    expect(text).toContain(' 2  hub/src/scheduled.ts:353  put CACHE "sync:last"');
    expect(text).toContain(
      "control plane: the key sync:last keeps when something last ran [control-plane/last-run] · about 288 a day",
    );
    expect(text).toContain("→ D1: Keep the last run in a row of D1.");
  });

  it("gives ten moves and says no more of the others", () => {
    const crowded = render("text", renderingOf(reportWith(many(12))));
    expect(crowded).toContain("Ten best moves");
    expect(crowded).toContain("\n10  src/scheduled.ts:10");
    expect(crowded).not.toContain("\n11  ");
  });

  it("lists the first 50 calls, and all on demand", () => {
    const crowded = reportWith(many(60));
    expect(render("text", renderingOf(crowded))).toContain("… and 10 more: --all");
    const all = render("text", renderingOf(crowded, { all: true }));
    expect(all).toContain("src/scheduled.ts:60");
    expect(all).not.toContain("--all");
  });

  it("holds use against both quotas", () => {
    expect(text).toMatch(/writes +1,152 +\+ 1 call of unknown rate +115 % of 1,000 +3.5 % of 33,333/);
  });

  it("lists what is ignored with its reason, what was not read, faulty comments and assumptions", () => {
    expect(text).toContain(
      'Ignored (1)\n  hub/src/profile.ts:30  get CACHE "profile:{id}": read by an old client',
    );
    expect(text).toContain("Could not be read (1)\n  hub/src/huge.ts: it is larger than 2 MiB");
    expect(text).toContain("hub/src/a.ts:3  The ignore comment has no reason.");
    expect(text).toContain("10,000 requests a day reach a handler (--requests-per-day)");
  });

  it("tells of a check which calls fail and why, what is stale, and the verdict", () => {
    const outcome = outcomeOf(findingsOf([call({ scope: "gone" })]));
    const checked = render("text", renderingOf(report, { outcome }));
    expect(checked).toContain("new-put-no-ttl: a put without TTL that the baseline does not accept");
    expect(checked).toContain("puts grew from 0 to 1; no increase is allowed (--allow-puts-increase)");
    expect(checked).toMatch(
      /stale entry [0-9a-f]{16} {2}get CACHE "profile:\{id\}", last seen in src\/profile.ts/,
    );
    expect(checked).toContain("take them out: check … --prune");
    expect(checked.trimEnd().endsWith("✖ the check failed")).toBe(true);
  });

  it("tells of new puts whose TTL is not known without failing for them", () => {
    const now = reportWith(findingsOf([put({ ttl: UNKNOWN_TTL })], () => CACHE_JUDGEMENT));
    const policy = { failOn: FAIL_RULES, allowances: { ...NO_INCREASE, calls: 1, puts: 1 } };
    const outcome = checkReport({ against: "b", entries: [], staleRemedy: "" }, now, policy);
    const checked = render("text", renderingOf(now, { outcome }));
    expect(checked).toContain("the options come from another package");
    expect(checked).toContain("✔ no regression");
  });

  it("is coloured when it is asked to be", () => {
    expect(render("text", renderingOf(report, { colors: pc.createColors(true) }))).toContain("\u001B[");
  });
});

describe("json", () => {
  it("is the report, and a baseline", () => {
    const text = render("json", renderingOf(report));
    expect(JSON.parse(text)).toEqual(report);
    expect(parseBaseline(text).entries).toEqual(entriesOf(report.findings));
  });

  it("is of a check its verdict, with the report in it", () => {
    const parsed: unknown = JSON.parse(render("json", renderingOf(report, { outcome: outcomeOf([]) })));
    expect(parsed).toMatchObject({
      ok: false,
      against: "kv-baseline.ndjson",
      before: { calls: 0 },
      after: { calls: 3 },
      report: { totals: { calls: 3 } },
    });
  });
});

describe("github", () => {
  const commandsOf = (text: string, level: string): readonly string[] =>
    text.split("\n").filter((line) => line.startsWith(`::${level} `));

  it("escapes what a command gives a meaning", () => {
    const odd = reportWith(
      findingsOf([put({ file: "src/a,b:c%.ts", keys: ["50%"] })], () => ({
        ...LAST_RUN_JUDGEMENT,
        why: "100 % of it",
      })),
    );
    const [command = ""] = commandsOf(render("github", renderingOf(odd)), "error");
    expect(command).toContain('file=src/a%2Cb%3Ac%25.ts,line=353,col=5,title=put CACHE "50%25"::');
    expect(command).toContain("100 %25 of it");
  });

  it("shows at most ten errors and ten warnings and says how many more there are", () => {
    const lists = findingsOf(
      Array.from({ length: 14 }, (_, index) => list({ scope: `list${index}` })),
      () => ({ ...LAST_RUN_JUDGEMENT, category: "B" }),
    );
    const text = render("github", renderingOf(reportWith([...many(12), ...lists])));
    expect(commandsOf(text, "error")).toHaveLength(MAX_ANNOTATIONS);
    expect(commandsOf(text, "warning")).toHaveLength(MAX_ANNOTATIONS);
    expect(text).toContain("6 more annotations: see the summary");
  });

  it("makes errors of regressions and only warnings of what was there", () => {
    const now = reportWith(findingsOf([put(), list()]));
    const text = render("github", renderingOf(now, { outcome: outcomeOf(findingsOf([put()]), now) }));
    expect(commandsOf(text, "error").some((line) => line.includes("src/queue.ts"))).toBe(true);
    expect(commandsOf(text, "error").some((line) => line.includes("src/scheduled.ts"))).toBe(false);
    expect(commandsOf(text, "warning").some((line) => line.includes("src/scheduled.ts"))).toBe(true);
  });

  it("names stale entries and how to take them out", () => {
    const text = render(
      "github",
      renderingOf(report, { outcome: outcomeOf(findingsOf([call({ scope: "gone" })])) }),
    );
    expect(text).toMatch(/::error title=Stale baseline entries::[0-9a-f]{16} \(get CACHE .*--prune/);
  });
});

describe("markdown", () => {
  it("gives nothing from the sources a meaning", () => {
    const odd = reportWith(
      findingsOf([put({ keys: ["a|b`c`<img>"], ttl: HOUR_TTL })], () => ({
        ...LAST_RUN_JUDGEMENT,
        why: "ask @octocat, see [x](https://example.com) #12 | *now*",
      })),
    );
    const text = render("markdown", renderingOf(odd));
    expect(text).not.toMatch(/<img|@octocat|\]\(|https:\/\/|#12 \||\*now/);
    for (const row of text.split("\n").filter((line) => line.startsWith("| 1 | <code>"))) {
      expect(row.split("|")).toHaveLength(8);
    }
  });

  it("puts figures before and now side by side in a check", () => {
    const text = render("markdown", renderingOf(report, { outcome: outcomeOf(findingsOf([call()])) }));
    expect(text).toContain("## KV use: regression against kv-baseline.ndjson");
    expect(text).toContain("| puts without TTL | 0 | 1 |");
  });
});
