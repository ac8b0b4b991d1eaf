import { describe, expect, it } from "vitest";
import type { Finding, KvCall } from "../model.ts";
import {
  HOUR_TTL,
  NO_TTL,
  UNKNOWN_TTL,
  call,
  findingsOf,
  list,
  put,
  reportWith,
} from "../report/test-findings.ts";
import { compare } from "./compare.ts";
import { FIGURES, entriesOf, type Figure } from "./entry.ts";
import { checkReport } from "./outcome.ts";
import { FAIL_RULES, regressions, type FailRule } from "./regressions.ts";

const NO_INCREASE = { calls: 0, puts: 0, putsWithoutTtl: 0, lists: 0 } as const;
const ANY = { calls: Infinity, puts: Infinity, putsWithoutTtl: Infinity, lists: Infinity } as const;

const between = (before: readonly KvCall[], after: readonly KvCall[]) =>
  compare(entriesOf(findingsOf(before)), findingsOf(after));
const idsOf = (findings: readonly Finding[]): readonly string[] => findings.map(({ scope }) => scope);

function brokenRules(before: readonly KvCall[], after: readonly KvCall[]): readonly FailRule[] {
  const found = regressions(between(before, after), { failOn: FAIL_RULES, allowances: ANY });
  return found.calls.flatMap(({ rules }) => rules);
}

describe("a comparison", () => {
  it("finds nothing in what has only moved", () => {
    const { added, gone, worsened } = between(
      [call(), put()],
      [put({ file: "src/a.ts" }), call({ line: 1 })],
    );
    expect({ added, gone, worsened }).toEqual({ added: [], gone: [], worsened: [] });
  });

  it("names what is new and what is gone", () => {
    const { added, gone } = between([call()], [call({ scope: "warm" })]);
    expect(idsOf(added)).toEqual(["warm"]);
    expect(gone).toEqual(entriesOf(findingsOf([call()])));
  });

  it("sees a put that loses its TTL as the same call that got worse", () => {
    const { added, gone, worsened } = between([put({ ttl: HOUR_TTL })], [put({ ttl: NO_TTL })]);
    expect([added, gone]).toEqual([[], []]);
    expect(worsened.map(({ before }) => before.ttl)).toEqual(["yes"]);
  });

  it("takes an ignored call for absent on both sides", () => {
    expect(between([call({ ignored: "r" })], [call()]).added).toHaveLength(1);
    expect(between([call()], [call({ ignored: "r" })]).gone).toHaveLength(1);
  });

  it("counts the four figures before and after", () => {
    expect(between([put({ ttl: HOUR_TTL })], [put(), list(), call()])).toMatchObject({
      before: { calls: 1, puts: 1, putsWithoutTtl: 0, lists: 0 },
      after: { calls: 3, puts: 1, putsWithoutTtl: 1, lists: 1 },
    });
  });
});

describe("rules that look at each call", () => {
  it.each<[string, readonly KvCall[], readonly KvCall[], readonly FailRule[]]>([
    ["a new put without TTL", [], [put()], ["new-put-no-ttl", "control-plane"]],
    ["a put that lost its TTL", [put({ ttl: HOUR_TTL })], [put()], ["new-put-no-ttl"]],
    ["a put whose TTL was unknown and is none now", [put({ ttl: UNKNOWN_TTL })], [put()], ["new-put-no-ttl"]],
    ["a put whose TTL cannot be told any more", [put({ ttl: HOUR_TTL })], [put({ ttl: UNKNOWN_TTL })], []],
    ["a put that was accepted without TTL", [put()], [put()], []],
    ["a new list", [], [list()], ["new-list", "control-plane"]],
    ["a new read of a cache", [], [call()], []],
  ])("%s", (_, before, after, rules) => {
    expect(brokenRules(before, after)).toEqual(rules);
  });

  it("see one bad put come for another, where the figures do not change", () => {
    const comparison = between([put()], [put({ scope: "other" })]);
    const found = regressions(comparison, { failOn: ["new-put-no-ttl"], allowances: NO_INCREASE });
    expect(found.growth).toEqual([]);
    expect(found.calls).toHaveLength(1);
  });

  it("decide nothing when they are not named", () => {
    expect(regressions(between([], [put()]), { failOn: [], allowances: ANY }).calls).toEqual([]);
  });
});

describe("the four figures", () => {
  it.each<[Figure, number]>([
    ["calls", 3],
    ["puts", 1],
    ["putsWithoutTtl", 1],
    ["lists", 1],
  ])("%s may grow by the allowance and no more", (figure, growth) => {
    const comparison = between([], [put(), list(), call()]);
    const grown = (allowed: number): readonly string[] =>
      regressions(comparison, { failOn: [], allowances: { ...ANY, [figure]: allowed } }).growth.map(
        (item) => item.figure,
      );
    expect(grown(growth)).toEqual([]);
    expect(grown(growth - 1)).toEqual([figure]);
  });

  it("are all held to zero without an allowance", () => {
    const { growth } = regressions(between([], [put(), list()]), { failOn: [], allowances: NO_INCREASE });
    expect(growth.map(({ figure }) => figure)).toEqual(FIGURES);
  });
});

describe("a check", () => {
  const policy = { failOn: FAIL_RULES, allowances: NO_INCREASE } as const;
  const entries = entriesOf(findingsOf([call()]));

  it("passes when nothing has changed", () => {
    const report = reportWith(findingsOf([call()]));
    expect(checkReport({ against: "b", entries, staleRemedy: "--prune" }, report, policy).ok).toBe(true);
  });

  it("fails for entries whose call is gone", () => {
    const outcome = checkReport({ against: "b", entries, staleRemedy: "--prune" }, reportWith([]), policy);
    expect(outcome).toMatchObject({ ok: false, stale: entries });
  });

  it("takes what is gone since a commit for an improvement", () => {
    const outcome = checkReport({ against: "HEAD", entries, staleRemedy: null }, reportWith([]), policy);
    expect(outcome).toMatchObject({ ok: true, stale: [] });
  });

  it("fails for a comment that does not do what it should", () => {
    const fault = { file: "src/a.ts", line: 1, column: 1, message: "The ignore comment has no reason." };
    const report = reportWith(findingsOf([call()]), { commentFaults: [fault] });
    expect(checkReport({ against: "b", entries, staleRemedy: "--prune" }, report, policy).ok).toBe(false);
  });
});
