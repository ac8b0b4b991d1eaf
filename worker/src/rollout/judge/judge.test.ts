import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Judgement } from "../contract.ts";
import { ALARM_PARTS, CHECK_PARTS, lookLevel, scopePart, windowPart } from "./budget.ts";
import { evidence, GATE, seen, TENTH } from "./evidence.test-data.ts";
import { judge, NO_FIGURES } from "./judge.ts";
import type { Evidence } from "./scope.ts";

const AT = "2026-03-01T03:00:00.000Z";
const BACKGROUND = { read: 0, write: 0, background: 10 };
const background = { traffic: "background", answers: {} } as const;

const judgementOf = (
  total: Parameters<typeof evidence>[0],
  more: Partial<Evidence> = {},
  gate = GATE,
): Judgement => judge(evidence(total, more), gate, AT);

const failing = ({ checks }: Judgement): readonly string[] =>
  checks
    .filter(({ verdict }) => verdict === "fail")
    .map(({ metric, route }) => `${metric} ${route ?? "all"}`);

describe("the judge", () => {
  it("passes a canary that does as the stable lane does, and tells the figures", () => {
    const found = judgementOf([seen("canary", "/read", 60), seen("stable", "/read", 540, { errors: 1 })]);
    expect(found.verdict).toBe("pass");
    expect(found.reason).toBe("the canary is as good as it has to be: 0 of 60 reads failed (0 %)");
    expect(found.missing).toEqual([]);
    expect(found.figures.stable.read).toMatchObject({ requests: 540, errors: 1 });
    expect(found.figures.canary.write).toEqual(NO_FIGURES.canary.write);
    expect(found.at).toBe(AT);
  });

  it("is inconclusive below the sample, and says what is missing", () => {
    const found = judgementOf([seen("canary", "/read", 12), seen("stable", "/read", 108)]);
    expect([found.verdict, found.missing]).toEqual(["inconclusive", ["38 more canary reads"]]);
  });

  it("neither passes nor fails failures that chance may explain while they are more than the gate allows", () => {
    const some = (requests: number, errors: number): Judgement =>
      judgementOf([seen("canary", "/read", requests, { errors }), seen("stable", "/read", 9 * requests)]);
    expect(some(100, 2).verdict).toBe("pass");
    expect([some(300, 3).verdict, some(300, 3).missing]).toEqual([
      "inconclusive",
      ["more canary reads, to tell chance from a fault: 3 of 300 failed, which is more than the gate allows"],
    ]);
    expect(some(600, 3).verdict).toBe("pass");
    const overdue = [seen("canary", "/read", 300, { overdue: 3 }), seen("stable", "/read", 2_700)];
    expect(judgementOf(overdue).missing).toEqual([expect.stringContaining("3 of 300 had no answer in time")]);
    const alone = { shares: { read: 100, write: 0, background: 0 } };
    expect(judgementOf([seen("canary", "/read", 300, { errors: 3 })], alone).verdict).toBe("pass");
    expect(judgementOf([seen("canary", "/read", 300, { errors: 4 })], alone).verdict).toBe("inconclusive");
    const proven = seen("canary", "/read", 300, { errors: 3, fallbacks: 3 });
    expect(judgementOf([proven], alone).verdict).toBe("inconclusive");
  });

  it("says when a class that has a share gets nothing", () => {
    const shares = { read: 10, write: 10, background: 0 };
    const total = [seen("canary", "/read", 60), seen("stable", "/read", 540)];
    const found = judgementOf(total, { shares });
    expect([found.verdict, found.missing]).toEqual([
      "inconclusive",
      ["50 more canary writes: no writes came in on either lane"],
    ]);
    expect(
      judgementOf(total, { shares }, { ...GATE, minSample: { read: 0, write: 0, background: 0 } }).verdict,
    ).toBe("pass");
  });

  it("says when there is nothing to compare with", () => {
    expect(judgementOf([seen("canary", "/read", 60)]).missing).toEqual([
      "reads on the stable lane to compare with: it answered none",
    ]);
  });

  it("counts deliveries and runs together for the sample of background work", () => {
    const total = [
      seen("canary", "queue", 5, background),
      seen("stable", "queue", 40, background),
      seen("canary", "cron", 1, background),
      seen("stable", "cron", 9, background),
    ];
    expect(judgementOf(total, { shares: BACKGROUND }).missing).toEqual([
      "4 more canary deliveries (background)",
    ]);
  });

  it("cannot tell when the archiver does not answer for background work that has a share", () => {
    const total = [seen("canary", "/read", 60), seen("stable", "/read", 540)];
    const unreachable = { background: { reachable: false } };
    expect(judgementOf(total, { ...unreachable, shares: { ...TENTH, background: 10 } }).verdict).toBe(
      "error",
    );
    expect(judgementOf(total, unreachable).verdict).toBe("pass");
  });

  it("fails on errors, with the figures in the reason", () => {
    const found = judgementOf([
      seen("canary", "/read", 60, { errors: 20 }),
      seen("stable", "/read", 540, { errors: 2 }),
    ]);
    expect(found.verdict).toBe("fail");
    expect(found.reason).toContain(
      "20 of 60 canary reads failed (33.33 %), 2 of 540 on the stable lane (0.37 %); up to 0.5 % more is allowed",
    );
    expect(failing(found)).toEqual(["errors all", "errors /read"]);
  });

  it("fails below the sample, too", () => {
    expect(
      judgementOf([seen("canary", "/read", 8, { errors: 8 }), seen("stable", "/read", 72)]).verdict,
    ).toBe("fail");
  });

  it("fails on one route that is slow, and not where fast and slow routes are mixed differently", () => {
    const slow = [
      seen("canary", "/read", 40, { ms: 400 }),
      seen("stable", "/read", 360),
      seen("canary", "/spots", 40),
      seen("stable", "/spots", 360),
    ];
    expect(failing(judgementOf(slow))).toContain("p95 /read");
    const mixed = [
      seen("canary", "/slow", 60, { ms: 400 }),
      seen("stable", "/slow", 20, { ms: 400 }),
      seen("canary", "/fast", 20),
      seen("stable", "/fast", 700),
    ];
    expect(judgementOf(mixed).verdict).toBe("pass");
  });

  it("allows the slack and the factor, and asks for both to be exceeded", () => {
    const beside = (canary: number, stable: number): string =>
      judgementOf([
        seen("canary", "/read", 100, { ms: canary }),
        seen("stable", "/read", 900, { ms: stable }),
      ]).verdict;
    expect(beside(60, 20)).toBe("pass");
    expect(beside(1_200, 1_100)).toBe("pass");
    expect(beside(150, 20)).toBe("fail");
    expect(beside(1_800, 1_100)).toBe("fail");
  });

  it("forgives slowness that is over", () => {
    const total = [
      seen("canary", "/read", 100, {
        latency: [
          [60, 80],
          [110, 20],
        ],
      }),
      seen("stable", "/read", 900, { latency: [[60, 900]] }),
    ];
    expect(judgementOf(total).verdict).toBe("fail");
    const recent = [seen("canary", "/read", 30, { ms: 4 }), seen("stable", "/read", 270, { ms: 4 })];
    expect(judgementOf(total, { recent }).verdict).toBe("pass");
  });

  it("sees slowness that began lately", () => {
    const total = [
      seen("canary", "/read", 5_000, {
        latency: [
          [76, 4_960],
          [110, 40],
        ],
      }),
      seen("stable", "/read", 45_000),
    ];
    const recent = [seen("canary", "/read", 40, { latency: [[110, 40]] }), seen("stable", "/read", 360)];
    expect(judgementOf(total).verdict).toBe("pass");
    const found = judgementOf(total, { recent });
    expect(found.verdict).toBe("fail");
    expect(found.reason).toContain("lately");
  });

  it("fails on kinds of answers that came in place of others", () => {
    const text = seen("canary", "/read", 60, { answers: { "2xx text/plain": 60 } });
    expect(failing(judgementOf([text, seen("stable", "/read", 540)]))).toEqual(["answers /read"]);
    const refused = seen("canary", "/read", 60, { answers: { "4xx application/problem+json": 60 } });
    expect(failing(judgementOf([refused, seen("stable", "/read", 540)]))).toEqual(["answers /read"]);
  });

  it("does not take a client that is refused for a bad canary, on whichever lane it is", () => {
    const refused = { "2xx application/json": 60, "4xx application/problem+json": 90 };
    const onCanary = [seen("canary", "/read", 150, { answers: refused }), seen("stable", "/read", 540)];
    const onStable = [seen("canary", "/read", 60), seen("stable", "/read", 150, { answers: refused })];
    expect([judgementOf(onCanary).verdict, judgementOf(onStable).verdict]).toEqual(["pass", "pass"]);
  });

  it("judges numbers that the gate names, and no others", () => {
    const numbers = (value: number, count: number): Pick<Parameters<typeof seen>[3] & object, "numbers"> => ({
      numbers: { rowsRead: { count, sum: value * count, histogram: [[value === 10 ? 70 : 90, count]] } },
    });
    const total = [
      seen("canary", "/read", 100, numbers(73, 100)),
      seen("stable", "/read", 900, numbers(10, 900)),
    ];
    expect(judgementOf(total).verdict).toBe("pass");
    const gate = { ...GATE, numbers: { rowsRead: { worse: "higher", tolerance: 0.5 } } } as const;
    const found = judgementOf(total, {}, gate);
    expect(found.reason).toBe(
      "rowsRead of canary reads of /read is 73 in the mean, 10 on the stable lane (100 and 900 samples); up to 15 is allowed",
    );
    const lower = { ...GATE, numbers: { rowsRead: { worse: "lower", tolerance: 0.5 } } } as const;
    expect(judgementOf(total, {}, lower).verdict).toBe("pass");
  });

  it("holds the canary to absolute limits where all traffic is its own", () => {
    const shares = { ...TENTH, read: 100 };
    const slow = [seen("canary", "/read", 200, { ms: 900 })];
    const found = judgementOf(slow, { shares });
    expect(found.verdict).toBe("pass");
    expect(found.reason).toContain("latency not compared: no stable lane answers beside it");
    expect(judgementOf(slow, { shares }, { ...GATE, maxP95Ms: 500 }).reason).toContain(
      "up to 500 ms is allowed where no stable lane answers beside it",
    );
    expect(judgementOf([seen("canary", "/read", 200, { errors: 30 })], { shares }).verdict).toBe("fail");
  });

  it("fails a cron run that the stable lane did again without a fault, until the canary has done one", () => {
    const shares = BACKGROUND;
    const messages = [seen("canary", "queue", 60, background), seen("stable", "queue", 540, background)];
    const runs = (done: number, failed: number, stable: number) => [
      ...messages,
      seen("canary", "cron", done, { errors: failed, ...background }),
      seen("stable", "cron", 1, { errors: stable, ...background }),
    ];
    expect(judgementOf(runs(1, 1, 0), { shares }).reason).toContain("1 of 1 canary cron runs failed");
    expect(judgementOf(runs(1, 1, 1), { shares }).verdict).toBe("pass");
    expect(judgementOf(runs(2, 1, 0), { shares }).verdict).toBe("pass");
  });

  it("stays small however many routes there are, failing ones first", () => {
    const total = Array.from({ length: 60 }, (_, index) => [
      seen("canary", `/route-${index}`, 100, { errors: index === 59 ? 90 : 0 }),
      seen("stable", `/route-${index}`, 900),
    ]).flat();
    const { checks } = judgementOf(total);
    expect(checks.length).toBeLessThanOrEqual(80);
    expect(checks.find(({ route }) => route === "/route-59")?.verdict).toBe("fail");
    expect(checks.map(({ verdict }) => verdict === "fail").lastIndexOf(true)).toBeLessThan(5);
  });

  it("never turns from fail to pass when one more of the canary's requests fails", () => {
    fc.assert(
      fc.property(fc.nat(300), fc.nat(60), fc.nat(30), (good, errors, stable) => {
        const at = (count: number): Judgement["verdict"] =>
          judgementOf([
            seen("canary", "/read", good + count, { errors: count }),
            seen("stable", "/read", 900, { errors: stable }),
          ]).verdict;
        fc.pre(at(errors) === "fail");
        expect(at(errors + 1)).toBe("fail");
      }),
    );
  });
});

describe("the budget of false alarms", () => {
  const sum = (parts: Readonly<Record<string, number>>): number =>
    Object.values(parts).reduce((all, part) => all + part, 0);

  it("is spent once: metrics, windows, classes and routes add up to no more than all of it", () => {
    expect([sum(ALARM_PARTS), sum(CHECK_PARTS)].map((part) => Number(part.toFixed(12)))).toEqual([1, 1]);
    const classes = 3 * (scopePart(3, null, 7) + 7 * scopePart(3, "/read", 7));
    expect(classes).toBeCloseTo(1, 12);
    const windows = Array.from({ length: 10_000 }, (_, k) => 6 * windowPart("recent", k + 1, 1));
    expect(windowPart("total", 1, 1) + windows.reduce((all, part) => all + part, 0)).toBeLessThanOrEqual(1);
  });

  it("is spent once over all looks at a growing sample", () => {
    const doublings = Array.from({ length: 60 }, (_, j) => 8 * lookLevel(0.001, "total", 16 * 2 ** j));
    expect(doublings.reduce((all, level) => all + level, 0)).toBeLessThanOrEqual(0.0005);
  });
});
