import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { HttpClass, Lane, Series } from "../contract.ts";
import { bucketOf } from "../judge/histogram.ts";
import { addSeries, EMPTY_TALLY } from "../judge/series.ts";
import { CLIENT_GROUPS } from "./lane-choice.ts";
import {
  MAX_ANSWER_KINDS,
  MAX_HELD_PHASES,
  Tally,
  type Delta,
  type PhaseSeries,
  type SeriesKey,
} from "./tally.ts";

const key: fc.Arbitrary<SeriesKey> = fc.record({
  lane: fc.constantFrom<Lane>("stable", "canary"),
  traffic: fc.constantFrom<HttpClass>("read", "write"),
  route: fc.constantFrom("/read", "/", "other"),
});
const few = fc.integer({ min: 0, max: 2 });
const delta = fc.record(
  {
    requests: few,
    errors: few,
    exceptions: few,
    overdue: few,
    fallbacks: few,
    latencyMs: fc.integer({ min: 0, max: 100_000 }),
    answer: fc.constantFrom("json → 2xx application/json", "any → 5xx none"),
    group: fc.nat(CLIENT_GROUPS - 1),
    proven: fc.boolean(),
    numbers: fc
      .dictionary(fc.constantFrom("records_read", "bytes"), fc.nat(), { noNullPrototype: true })
      .map((numbers) => new Map(Object.entries(numbers))),
  },
  { requiredKeys: ["group"] },
) satisfies fc.Arbitrary<Delta>;
const phase = fc.record({ rolloutId: fc.constantFrom("a", "b"), phase: fc.constantFrom(1, 2) });

/** The model: a series of its own for every step, and the judge's own sum. */
function single(
  of: SeriesKey,
  { latencyMs, answer, numbers, group = 0, proven = false, ...counts }: Delta,
): Series {
  const { errors = 0, exceptions = 0, overdue = 0 } = counts;
  const bit = 2 ** group;
  return {
    ...of,
    ...EMPTY_TALLY,
    ...counts,
    latency: latencyMs === undefined ? [] : [[bucketOf(latencyMs), 1]],
    answers: answer === undefined ? {} : { [answer]: 1 },
    numbers: Object.fromEntries(
      Array.from(numbers ?? [], ([name, value]) => [
        name,
        { count: 1, sum: value, histogram: [[bucketOf(value), 1]] },
      ]),
    ),
    clients: {
      seen: bit,
      failed: errors + exceptions + overdue > 0 && !proven ? bit : 0,
      answers: answer === undefined ? {} : { [answer]: bit },
    },
  };
}

const byKey = (series: readonly Series[]): Readonly<Record<string, Series>> =>
  Object.fromEntries(series.map((one) => [`${one.lane} ${one.traffic} ${one.route}`, one]));

function takeAll(tally: Tally): readonly PhaseSeries[] {
  const taken: PhaseSeries[] = [];
  for (let one = tally.take(); one !== null; one = tally.take()) taken.push(one);
  return taken;
}

const READ: SeriesKey = { lane: "canary", traffic: "read", route: "/read" };
const PHASE = { rolloutId: "a", phase: 1 };

describe("Tally", () => {
  it("gives back each step once, under its rollout and phase, summed as the judge sums", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(phase, key, delta)), (steps) => {
        const tally = new Tally();
        for (const step of steps) tally.count(...step);
        const taken = takeAll(tally);
        expect(taken).toHaveLength(new Set(steps.map(([of]) => `${of.rolloutId} ${of.phase}`)).size);
        for (const { rolloutId, phase: number, series } of taken) {
          const model = steps
            .filter(([of]) => of.rolloutId === rolloutId && of.phase === number)
            .map(([, of, what]) => [single(of, what)])
            .reduce<readonly Series[]>((sum, one) => addSeries(sum, one), []);
          expect(byKey(series)).toEqual(byKey(model));
        }
      }),
    );
  });

  it("is empty when all was taken", () => {
    const tally = new Tally();
    tally.count(PHASE, READ, { requests: 1 });
    expect(takeAll(tally)).toHaveLength(1);
    expect(tally.take()).toBeNull();
  });

  it("holds a bounded number of phases and drops the oldest", () => {
    const tally = new Tally();
    const rollouts = Array.from({ length: MAX_HELD_PHASES + 2 }, (_, index) => `rollout-${index}`);
    for (const rolloutId of rollouts) tally.count({ rolloutId, phase: 1 }, READ, { requests: 1 });
    expect(takeAll(tally).map(({ rolloutId }) => rolloutId)).toEqual(rollouts.slice(2));
  });

  it("tells a bounded number of answers apart, and loses none", () => {
    const tally = new Tally();
    const types = Array.from({ length: 40 }, (_, index) => `application/x-${index}`);
    for (const type of types) tally.count(PHASE, READ, { answer: `any → 2xx ${type}`, group: 31 });
    const [series] = tally.take()?.series ?? [];
    const { answers = {}, clients } = series ?? {};
    expect(Object.keys(answers)).toHaveLength(MAX_ANSWER_KINDS + 1);
    expect(answers["mixed → 2xx other"]).toBe(40 - MAX_ANSWER_KINDS);
    expect(clients?.answers).toEqual(Object.fromEntries(Object.keys(answers).map((kind) => [kind, 2 ** 31])));
  });

  it("keeps a bounded number of custom numbers", () => {
    const tally = new Tally();
    for (let index = 0; index < 40; index += 1) {
      tally.count(PHASE, READ, { numbers: new Map([[`n${index}`, index]]) });
    }
    expect(Object.keys(tally.take()?.series[0]?.numbers ?? {})).toEqual(
      Array.from({ length: 8 }, (_, index) => `n${index}`),
    );
  });
});
