import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Series } from "../contract.ts";
import { addSeries, EMPTY_TALLY, MAX_KINDS, MAX_ROUTES, OTHER } from "./series.ts";

const read = (route: string, more: Partial<Series> = {}): Series => ({
  ...EMPTY_TALLY,
  lane: "stable",
  traffic: "read",
  route,
  requests: 10,
  errors: 1,
  latency: [[90, 10]],
  answers: { "2xx application/json": 9, "5xx application/problem+json": 1 },
  numbers: { rowsRead: { count: 2, sum: 30, histogram: [[70, 2]] } },
  ...more,
});

describe("adding series", () => {
  it("sums by lane, class and route", () => {
    const sum = addSeries(
      [read("/read"), read("/read", { lane: "canary" })],
      [read("/read"), read("/spots"), read("/read", { traffic: "write" })],
    );
    expect(sum.map(({ lane, traffic, route, requests }) => [lane, traffic, route, requests])).toEqual([
      ["stable", "read", "/read", 20],
      ["canary", "read", "/read", 10],
      ["stable", "read", "/spots", 10],
      ["stable", "write", "/read", 10],
    ]);
    expect(sum[0]).toEqual(
      read("/read", {
        requests: 20,
        errors: 2,
        latency: [[90, 20]],
        answers: { "2xx application/json": 18, "5xx application/problem+json": 2 },
        numbers: { rowsRead: { count: 4, sum: 60, histogram: [[70, 4]] } },
      }),
    );
  });

  it("counts routes beyond the bound under one name, on both lanes alike, and loses none", () => {
    const many = Array.from({ length: MAX_ROUTES + 20 }, (_, index) => read(`/route-${index}`));
    const sum = addSeries(
      many,
      many.map((series) => ({ ...series, lane: "canary" as const })),
    );
    expect(new Set(sum.map(({ route }) => route)).size).toBe(MAX_ROUTES + 1);
    const others = sum.filter(({ route }) => route === OTHER);
    expect(others.map(({ lane, requests }) => [lane, requests])).toEqual([
      ["stable", 200],
      ["canary", 200],
    ]);
  });

  it("keeps few kinds of answers, and loses none", () => {
    const kinds = Array.from({ length: 100 }, (_, index) =>
      read("/read", { answers: { [`2xx a/${index}`]: 1 } }),
    );
    const answers = addSeries([], kinds)[0]?.answers ?? {};
    expect(Object.keys(answers)).toHaveLength(MAX_KINDS);
    expect(Object.values(answers).reduce((sum, count) => sum + count, 0)).toBe(100);
  });

  it("does not depend on the order of reports", () => {
    const some = fc.array(
      fc.constantFrom(read("/a"), read("/b", { lane: "canary" }), read("/a", { errors: 4 })),
    );
    const sorted = (list: readonly Series[]): readonly Series[] =>
      list.toSorted((a, b) => `${a.lane}${a.route}`.localeCompare(`${b.lane}${b.route}`));
    fc.assert(
      fc.property(some, some, (left, right) => {
        expect(sorted(addSeries(left, right))).toEqual(sorted(addSeries(right, left)));
      }),
    );
  });
});
