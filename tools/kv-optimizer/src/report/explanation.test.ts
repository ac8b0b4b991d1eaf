import pc from "picocolors";
import { describe, expect, it } from "vitest";
import { differenceText } from "./difference.ts";
import { explanation } from "./explanation.ts";
import { HOUR_TTL, call, findingsOf, put, reportWith } from "./test-findings.ts";

const colors = pc.createColors(false);

function explained(change: Parameters<typeof put>[0]): string {
  const [finding] = findingsOf([put(change)]);
  if (finding === undefined) throw new Error("no finding was made");
  return explanation(finding, "hub/", colors);
}

describe("an explanation", () => {
  const loop = { file: "src/scheduled.ts", line: 350, column: 3, count: 20 };
  const text = explained({
    loops: [{ ...loop, count: null }],
    paths: [
      {
        trigger: "cron",
        entry: "src/index.ts#scheduled",
        via: ["scheduled", "syncAll"],
        loops: [loop],
      },
    ],
  });

  it.each([
    ["the place", "hub/src/scheduled.ts:353:5 in syncAll"],
    ["the code", "cache.put(LAST_SYNC, new Date().toISOString())"],
    ["how the receiver was followed", "CACHE is a KV namespace in wrangler.toml"],
    ["the key", "Key\n  sync:last"],
    ["the TTL and why", "TTL\n  no: the call has no options"],
    ["the way from the trigger", "cron: src/index.ts#scheduled: scheduled → syncAll"],
    ["the loops on that way", "loop at hub/src/scheduled.ts:350, 20 times"],
    ["the loops around it", "loop at hub/src/scheduled.ts:350, how often is not known"],
    ["the rule that decided", "rule control-plane/last-run (confidence high)"],
    ["the estimate with its basis", "Operations a day: 288\n  the cron */5 * * * * fires 288 times a day"],
    ["the advice", "Better: D1\n  Keep the last run in a row of D1."],
  ])("has %s", (_, part) => {
    expect(text).toContain(part);
  });

  it("says when no handler is known to reach the call", () => {
    expect(explained({ paths: [] })).toContain("no handler that could be found");
  });
});

describe("the difference of two scans", () => {
  const difference = (before: Parameters<typeof findingsOf>[0], after: Parameters<typeof findingsOf>[0]) =>
    differenceText(reportWith(findingsOf(before)), reportWith(findingsOf(after)), "", colors);

  it("is empty when nothing has changed but places", () => {
    expect(difference([call()], [call({ line: 1 })])).toBe("");
  });

  it("shows what came, what went, what lost its TTL, and the figures", () => {
    expect(difference([call(), put({ ttl: HOUR_TTL })], [put(), put({ scope: "b", line: 360 })])).toBe(
      [
        '+ src/scheduled.ts:360  put CACHE "sync:last" (TTL: none)',
        '! src/scheduled.ts:353  put CACHE "sync:last" lost its TTL',
        '- src/profile.ts  get CACHE "profile:{id}"',
        "puts 1 → 2 · puts without TTL 0 → 2",
        "",
      ].join("\n"),
    );
  });
});
