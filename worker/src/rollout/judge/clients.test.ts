import { describe, expect, it } from "vitest";
import { beyondDoubt } from "./beyond-doubt.ts";
import { areSeveral, groupCount, groupsText, severalMeasured } from "./clients.ts";
import { clients, evidence, GATE, groups, seen, TENTH } from "./evidence.test-data.ts";
import { judge } from "./judge.ts";
import type { Evidence } from "./scope.ts";
import { addTallies } from "./series.ts";

const AT = "2026-03-01T03:00:00.000Z";
const WRITES = { read: 0, write: 10, background: 0 };
const ALONE = { ...TENTH, read: 100 };
const judgementOf = (found: Evidence, gate = GATE) => judge(found, gate, AT);

describe("groups of clients", () => {
  it("are counted up to the last of 32", () => {
    expect([0, 1, 0b1011, 0xff_ff_ff_ff].map(groupCount)).toEqual([0, 1, 3, 32]);
    expect([1, 0b110, 0b1111].map(groupsText)).toEqual([
      "one group of clients",
      "two groups of clients",
      "4 groups of clients",
    ]);
  });

  it("are several when they are three, or half of those that were seen", () => {
    expect([1, 2, 3, 4, 5, 32].map((all) => areSeveral(groups(1), groups(all)))).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
    expect(areSeveral(groups(2), groups(32))).toBe(false);
    expect(areSeveral(groups(3), groups(32))).toBe(true);
  });

  it("are several for values when they are three, or all that there are on both lanes", () => {
    expect(severalMeasured(clients(3), clients(20))).toBe(true);
    expect(severalMeasured(clients(2), clients(20))).toBe(false);
    expect(severalMeasured(clients(2), clients(2))).toBe(true);
    expect(severalMeasured(null, clients(20))).toBe(true);
  });

  it("add up, and who is not known adds nobody", () => {
    const last = 2 ** 31;
    const one = seen("canary", "/read", 1, { clients: { seen: last, failed: 0, answers: { a: last } } });
    const two = seen("canary", "/read", 1, { clients: { seen: 1, failed: 1, answers: { a: 1, b: 1 } } });
    const both = { seen: last + 1, failed: 1, answers: { a: last + 1, b: 1 } };
    expect(addTallies(one, two).clients).toEqual(both);
    expect(addTallies(one, seen("canary", "/read", 1)).clients).toEqual(one.clients);
  });
});

describe("failures that no other lane has refuted", () => {
  const writes = (failed: number): Evidence =>
    evidence(
      [
        seen("canary", "/buffer", 260, { traffic: "write", errors: 12, clients: clients(8, failed) }),
        seen("stable", "/buffer", 2_340, { traffic: "write", clients: clients(30) }),
      ],
      { shares: WRITES },
    );

  it("of one client hold the phase: it is neither passed nor taken back", () => {
    expect(beyondDoubt(writes(1), GATE)).toBeNull();
    const found = judgementOf(writes(1));
    expect(found.verdict).toBe("inconclusive");
    expect(found.missing).toEqual([
      "12 of 260 canary writes failed, all of one group of clients: several must meet it before the canary is blamed",
    ]);
    expect(found.checks.find(({ metric, route }) => metric === "errors" && route === null)?.verdict).toBe(
      "inconclusive",
    );
  });

  it("of three take it back", () => {
    expect(beyondDoubt(writes(3), GATE)).toContain("12 of 260 canary writes of /buffer failed");
    expect(judgementOf(writes(3)).verdict).toBe("fail");
  });

  it("count for what they are where nobody is known", () => {
    const known = writes(1);
    const unknown = known.total.map((one) => ({ ...one, clients: null }));
    expect(beyondDoubt({ ...known, total: unknown, recent: unknown }, GATE)).toContain("12 of 260");
  });

  it("leave those that the stable lane has refuted, whoever met them", () => {
    const reads = (fallbacks: number): Evidence =>
      evidence([
        seen("canary", "/read", 260, { errors: 14, fallbacks, clients: clients(8, 1) }),
        seen("stable", "/read", 2_340, { clients: clients(30) }),
      ]);
    expect(beyondDoubt(reads(12), GATE)).toContain("12 of 260 canary reads of /read failed");
    expect(judgementOf(reads(12)).verdict).toBe("fail");
    expect(beyondDoubt(reads(0), GATE)).toBeNull();
    expect(judgementOf(reads(0)).verdict).toBe("inconclusive");
  });

  it("hold the phase too where all traffic is the canary's", () => {
    const alone = (failed: number): Evidence =>
      evidence([seen("canary", "/read", 5_000, { errors: 400, clients: clients(30, failed) })], {
        shares: ALONE,
      });
    expect([beyondDoubt(alone(1), GATE), judgementOf(alone(1)).verdict]).toEqual([null, "inconclusive"]);
    expect(beyondDoubt(alone(3), GATE)).toContain("at most 1 % may, where no stable lane answers beside it");
    expect(judgementOf(alone(3)).verdict).toBe("fail");
  });
});

describe("where all traffic is the canary's", () => {
  const proven = (errors: number): Evidence =>
    evidence([seen("canary", "/read", 50_000, { errors, fallbacks: errors, clients: clients(30) })], {
      shares: ALONE,
    });

  it("failures that the stable lane answered better may be no more than the tolerance", () => {
    expect(beyondDoubt(proven(450), GATE)).toMatch(
      /^450 of 50,000 canary reads of \/read failed, at most 0.5 % may, where the stable lane answers in its place/,
    );
    expect(judgementOf(proven(450)).verdict).toBe("fail");
    expect([beyondDoubt(proven(240), GATE), judgementOf(proven(240)).verdict]).toEqual([null, "pass"]);
  });
});

describe("latency and numbers", () => {
  const heavy = (canary: number): Evidence =>
    evidence([
      seen("canary", "/read", 120, {
        latency: [
          [75, 100],
          [107, 20],
        ],
        clients: clients(canary),
      }),
      seen("stable", "/read", 900, { latency: [[75, 900]], clients: clients(30) }),
    ]);

  it("of one client with large queries hold the phase, of several take it back", () => {
    const found = judgementOf(heavy(1));
    expect(found.verdict).toBe("inconclusive");
    expect(found.missing[0]).toMatch(/^p95 of canary reads is .*, all of one group of clients: several must/);
    expect(judgementOf(heavy(3)).verdict).toBe("fail");
  });

  const rule = { records: { worse: "lower", tolerance: 0.25 } } as const;
  const gate = { ...GATE, numbers: rule };
  const reports = (count: number) => ({
    numbers: count === 0 ? {} : { records: { count, sum: 40 * count, histogram: [[90, count]] as const } },
  });

  it("that the canary never reports beside a stable lane that does hold the phase", () => {
    const found = judgementOf(
      evidence([seen("canary", "/read", 100), seen("stable", "/read", 900, reports(850))]),
      gate,
    );
    expect([found.verdict, found.missing]).toEqual([
      "inconclusive",
      ["records with canary reads of /read: the stable lane has reported it 850 times, the canary never"],
    ]);
  });

  it("are asked for where the stable lane reports them, and the canary was asked for the same", () => {
    const elsewhere = [seen("canary", "/spots", 100), seen("stable", "/spots", 900)];
    const unasked = [...elsewhere, seen("stable", "/read", 9, reports(9))];
    const told = [seen("canary", "/read", 100, reports(1)), seen("stable", "/read", 900, reports(850))];
    for (const total of [elsewhere, unasked, told]) {
      expect(judgementOf(evidence(total), gate).verdict).toBe("pass");
    }
    const alone = evidence([seen("canary", "/read", 100)], { shares: ALONE });
    expect(judgementOf(alone, gate).verdict).toBe("pass");
  });
});

describe("kinds of answers", () => {
  const JSON_ASKED = "json → 2xx application/json";
  const LINES_ASKED = "lines → 2xx application/x-ndjson";
  const both = (canary: Record<string, number>, stable: Record<string, number>): Evidence =>
    evidence([
      seen("canary", "/read", 100, { answers: canary }),
      seen("stable", "/read", 900, { answers: stable }),
    ]);

  it("are compared among answers to the same question only", () => {
    const found = both({ [LINES_ASKED]: 100 }, { [JSON_ASKED]: 850, [LINES_ASKED]: 50 });
    expect([beyondDoubt(found, GATE), judgementOf(found).verdict]).toEqual([null, "pass"]);
    const gone = both({ [JSON_ASKED]: 100 }, { [JSON_ASKED]: 400, [LINES_ASKED]: 500 });
    expect([beyondDoubt(gone, GATE), judgementOf(gone).verdict]).toEqual([null, "pass"]);
  });

  it("that are wrong to one question are seen beside many right ones to another", () => {
    const wrong = "lines → 2xx text/html";
    const found = both({ [JSON_ASKED]: 80, [wrong]: 20 }, { [JSON_ASKED]: 720, [LINES_ASKED]: 180 });
    expect(beyondDoubt(found, GATE)).toContain(
      "20 of 20 canary reads of /read were answered with 2xx text/html where lines was asked for, 0 of 180 on",
    );
    expect(judgementOf(found).verdict).toBe("fail");
  });

  it("that one client of several got hold the phase, and of three take it back", () => {
    const refused = "json → 4xx application/problem+json";
    const answered = (by: number): Evidence =>
      evidence([
        seen("canary", "/read", 100, {
          answers: { [refused]: 90, [JSON_ASKED]: 10 },
          clients: clients(8, 0, { [refused]: groups(by), [JSON_ASKED]: groups(8) }),
        }),
        seen("stable", "/read", 900, { answers: { [JSON_ASKED]: 900 }, clients: clients(30) }),
      ]);
    expect([beyondDoubt(answered(1), GATE), judgementOf(answered(1)).verdict]).toEqual([
      null,
      "inconclusive",
    ]);
    expect(judgementOf(answered(1)).missing[0]).toContain("where json was asked for (90 %)");
    expect(beyondDoubt(answered(3), GATE)).toContain("90 of 100 canary reads");
    expect(judgementOf(answered(3)).verdict).toBe("fail");
  });
});
