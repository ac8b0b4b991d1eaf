/** How often the rollout's judge is wrong about lanes whose truth is known, and how soon it is right. */
import { performance } from "node:perf_hooks";
import {
  addSeries,
  beyondDoubt,
  judge as judgePhase,
  type Evidence,
} from "../worker/src/rollout/judge/index.ts";
import {
  BAD_CASES,
  GOOD_CASES,
  LIMIT_CASES,
  type BadCase,
  type GoodCase,
} from "../worker/src/rollout/judge/testbed/cases.ts";
import {
  measureBad,
  measureGood,
  placed,
  TESTED_GATE,
  upperBound,
  type Outcome,
  type Setting,
} from "../worker/src/rollout/judge/testbed/measure.ts";
import { Simulation } from "../worker/src/rollout/judge/testbed/simulation.ts";
import { manyRoutes } from "../worker/src/rollout/judge/testbed/world.ts";
import { fixed, median, whole } from "./lib/numbers.ts";
import type { Bench, Goal, Report, Table } from "./lib/report.ts";

const SEED = 2_026;
const INTERVAL_MS = 2_000;
const MINUTE_MS = 60_000;
/** Flagger needs five failed checks of a minute each. */
const LONG_MS = 10 * MINUTE_MS;
const GOOD_RUNS = 100;
const LONG_RUNS = 3;
const BAD_RUNS = 40;
/** At a high rate a phase with copies takes long to simulate. */
const COPY_RUNS = 5;
const FLAGGER_RUNS = 4;
const RATES = [50, 500] as const;
const COST_ROUTES = 40;
const COST_RUNS = 400;

const strata: Setting = {
  phaseMs: MINUTE_MS,
  intervalMs: INTERVAL_MS,
  runs: GOOD_RUNS,
  seed: SEED,
  rule: "strata",
};

const takenBack = (outcomes: readonly Outcome[]): readonly Outcome[] =>
  outcomes.filter(({ reason }) => reason !== null);

const share = (hits: number, runs: number): string => `${hits} of ${runs}`;
const percent = (part: number): string => `${fixed(part * 100, part < 0.1 ? 2 : 1)} %`;

function progress(text: string): void {
  process.stderr.write(`  ${text}\n`);
}

interface GoodRow {
  readonly name: string;
  readonly minute: readonly Outcome[];
  readonly long: readonly Outcome[];
  /** While the canary gets copies of all reads. */
  readonly copies: readonly Outcome[];
  readonly flagger: readonly Outcome[];
}

function measureGoodCase(one: GoodCase): GoodRow {
  progress(`good: ${one.name}`);
  const long = { ...strata, phaseMs: LONG_MS, runs: LONG_RUNS };
  return {
    name: one.name,
    minute: measureGood(one, strata),
    long: measureGood(one, long),
    copies: measureGood(one, { ...strata, copies: true }),
    flagger: measureGood(one, { ...long, rule: "flagger" }),
  };
}

function goodTable(rows: readonly GoodRow[]): Table {
  const line = (name: string, { minute, long, copies, flagger }: Omit<GoodRow, "name">): string[] => [
    name,
    share(takenBack(minute).length, minute.length),
    percent(upperBound(takenBack(minute).length, minute.length)),
    share(takenBack(long).length, long.length),
    share(takenBack(copies).length, copies.length),
    share(takenBack(flagger).length, flagger.length),
  ];
  const all = {
    minute: rows.flatMap(({ minute }) => minute),
    long: rows.flatMap(({ long }) => long),
    copies: rows.flatMap(({ copies }) => copies),
    flagger: rows.flatMap(({ flagger }) => flagger),
  };
  return {
    columns: [
      "noise",
      "taken back, 1 min",
      "at most (95 %)",
      "taken back, 10 min",
      "copies, 1 min",
      "Flagger's rule, 10 min",
    ],
    rows: [...rows.map((row) => line(row.name, row)), line("all", all)],
  };
}

interface BadRow {
  readonly one: BadCase;
  readonly outcomes: readonly Outcome[];
  /** While the canary gets copies of all reads: nobody is harmed. */
  readonly copies: readonly Outcome[];
  readonly flagger: readonly Outcome[];
}

function measureBadCase(one: BadCase, rate: number): BadRow {
  progress(`bad: ${one.defect.name}, ${rate} requests/s`);
  return {
    one,
    outcomes: measureBad(one, rate, { ...strata, runs: BAD_RUNS }),
    copies: measureBad(one, rate, { ...strata, runs: rate > 100 ? COPY_RUNS : BAD_RUNS, copies: true }),
    flagger: measureBad(one, rate, {
      ...strata,
      phaseMs: LONG_MS,
      runs: rate > 100 ? 1 : FLAGGER_RUNS,
      rule: "flagger",
    }),
  };
}

const figure = (value: number | null, digits: number): string =>
  value === null ? "–" : fixed(value, digits);

function badTable(rows: readonly BadRow[]): Table {
  return {
    columns: [
      "defect",
      "missed",
      "seconds",
      "(95 %)",
      "harmed",
      "(95 %)",
      "copies: missed",
      "seconds",
      "Flagger: missed",
      "seconds",
      "harmed",
    ],
    rows: rows.map(({ one, outcomes, copies, flagger }) => {
      const found = takenBack(outcomes);
      const others = takenBack(flagger);
      const at = (list: readonly Outcome[], q: number): string =>
        figure(
          placed(
            list.map(({ atMs }) => atMs / 1_000),
            q,
          ),
          1,
        );
      const harm = (list: readonly Outcome[], q: number): string =>
        figure(
          placed(
            list.map(({ harmed }) => harmed),
            q,
          ),
          0,
        );
      return [
        one.defect.name,
        share(outcomes.length - found.length, outcomes.length),
        at(found, 0.5),
        at(found, 0.95),
        harm(found, 0.5),
        harm(found, 0.95),
        share(copies.length - takenBack(copies).length, copies.length),
        at(takenBack(copies), 0.5),
        share(flagger.length - others.length, flagger.length),
        at(others, 0.5),
        harm(flagger, 0.5),
      ];
    }),
  };
}

/** Milliseconds that one look at many routes takes, in the middle of a phase. */
function costOfLooks(): { readonly judge: number; readonly alarm: number } {
  const shares = { read: 10, write: 0, background: 0 };
  const noise = { errorShare: 0.02 };
  const simulation = new Simulation({
    loads: manyRoutes(200, COST_ROUTES),
    shares,
    copies: false,
    noise,
    defect: null,
    seed: SEED,
  });
  let total: Evidence["total"] = [];
  while (simulation.atMs < MINUTE_MS) total = addSeries(total, simulation.tick());
  const evidence: Evidence = { total, recent: total.slice(), shares, background: { reachable: true } };
  const time = (look: () => unknown): number => {
    const times = Array.from({ length: COST_RUNS }, () => {
      const from = performance.now();
      look();
      return performance.now() - from;
    });
    return median(times);
  };
  return {
    judge: time(() => judgePhase(evidence, TESTED_GATE, "2026-01-01T00:00:00.000Z")),
    alarm: time(() => beyondDoubt(evidence, TESTED_GATE)),
  };
}

function goals(
  good: readonly GoodRow[],
  bad: readonly BadRow[],
  cost: ReturnType<typeof costOfLooks>,
): readonly Goal[] {
  const minutes = good.flatMap(({ minute, long, copies }) => [...minute, ...long, ...copies]);
  const alarms = takenBack(minutes).length;
  const strong = bad.filter(({ one }) => one.weak !== true);
  const missed = strong.flatMap(({ outcomes }) => outcomes).filter(({ reason }) => reason === null).length;
  const everything = strong.find(({ one }) => one.defect.name === "500 on everything");
  const slowest = placed(
    takenBack(everything?.outcomes ?? []).map(({ atMs }) => atMs / 1_000),
    0.95,
  );
  const bound = upperBound(alarms, minutes.length);
  return [
    {
      promise: `of good releases under the noise of the first table no more than ${percent(TESTED_GATE.falseAlarm)} are taken back`,
      found: `${share(alarms, minutes.length)} (at 95 % confidence, at most ${percent(bound)})`,
      reached: alarms / minutes.length <= TESTED_GATE.falseAlarm,
    },
    {
      promise: `no strong defect is missed in a minute at 10 % of ${whole(RATES[0])} requests/s`,
      found: `${share(missed, strong.flatMap(({ outcomes }) => outcomes).length)} missed`,
      reached: missed === 0,
    },
    {
      promise: `what fails everything is taken back within 3 s, 19 times of 20, at 10 % of ${whole(RATES[0])} requests/s`,
      found: `${figure(slowest, 1)} s`,
      reached: slowest !== null && slowest <= 3,
    },
    {
      promise: `a look at ${COST_ROUTES} routes takes less than 5 ms`,
      found: `${fixed(cost.judge, 2)} ms to judge, ${fixed(cost.alarm, 2)} ms between judgements`,
      reached: Math.max(cost.judge, cost.alarm) < 5,
    },
  ];
}

async function run(): Promise<Report> {
  const cost = costOfLooks();
  const good = GOOD_CASES.map(measureGoodCase);
  const limits = LIMIT_CASES.map(measureGoodCase);
  const bad = RATES.map((rate) => ({ rate, rows: BAD_CASES.map((one) => measureBadCase(one, rate)) }));
  return {
    sections: [
      { title: "Good releases under noise: how many were taken back", table: goodTable(good) },
      { title: "What counts alone cannot tell from a defect", table: goodTable(limits) },
      ...bad.map(({ rate, rows }) => ({
        title: `Bad releases at 10 % of ${whole(rate)} requests/s, a phase of a minute`,
        table: badTable(rows),
      })),
    ],
    remarks: [
      `simulated, seed ${SEED}; reports every 200 ms ("copies": the canary gets a copy of every read, and no request), judged every ${INTERVAL_MS / 1_000} s, default gate; seconds and harmed requests (median, 95th percentile) until the share is 0`,
      "the second table is left out of the goal: there the gate's promise, that requests fail independently of each other, does not hold, and good releases are taken back far more often than falseAlarm says",
      "Flagger's rule: each minute a success rate of at least 99 % and a p99 of at most 500 ms, five failed checks; up to 10 minutes, requests only",
    ],
    goals: goals(good, bad[0]?.rows ?? [], cost),
  };
}

export const judge: Bench = {
  name: "judge",
  about: "false alarms, misses and time to detection of the rollout's judge beside simulated lanes",
  run,
};
