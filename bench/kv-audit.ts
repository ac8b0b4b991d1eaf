/** How long kv-optimizer takes for a large repository whose KV calls are known, and how much of them it and others see. */
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { interleave, speedup, type Timing } from "./lib/interleave.ts";
import { buildOptimizer, audit, type Auditor, AUDITORS } from "./lib/kv-auditors.ts";
import { kvRepository, type KvRepository, writeRepository } from "./lib/kv-repository.ts";
import { type Score, scoreOf } from "./lib/kv-truth.ts";
import { fixed, times, whole } from "./lib/numbers.ts";
import { Process } from "./lib/process.ts";
import type { Bench, Goal, Report } from "./lib/report.ts";

const SEED = 2_026;
const LINES = 100_000;
const ROUNDS = 7;
const SECONDS_AT_MOST = 1.5;
const MS = 1_000;

/** Whole processes are timed by the clock: their start and what they wait for count. */
const BY_THE_CLOCK = new Process(null);

interface Row {
  readonly auditor: Auditor;
  readonly timing: Timing;
  readonly score: Score;
}

async function measure(repository: KvRepository, folder: string): Promise<readonly Row[]> {
  const auditors: readonly Auditor[] = Object.values(AUDITORS);
  const outputs = new Map<Auditor, string>();
  const contenders = auditors.map((auditor) => ({
    name: auditor.name,
    process: BY_THE_CLOCK,
    run: async (repetitions: number): Promise<void> => {
      for (let turn = 0; turn < repetitions; turn += 1) outputs.set(auditor, await audit(auditor, folder));
    },
  }));
  const timings = await interleave(contenders, { rounds: ROUNDS, sampleTime: 1 });
  return timings.flatMap((timing, index) => {
    const auditor = auditors[index];
    if (auditor === undefined) return [];
    return [
      { auditor, timing, score: scoreOf(repository.truth, auditor.read(outputs.get(auditor) ?? "[]")) },
    ];
  });
}

const percent = (part: number, total: number): string => `${fixed((100 * part) / total, 1)} %`;

function cells({ auditor, timing, score }: Row, own: Timing, { truth }: KvRepository): readonly string[] {
  const bare = truth.filter(({ ttl }) => ttl === false).length;
  return [
    auditor.name,
    fixed(timing.median / MS, 2),
    times(speedup(timing, own)),
    `${score.hits} of ${truth.length}`,
    percent(score.hits, truth.length),
    String(score.falseCalls),
    String(score.falsePuts),
    auditor.knowsTtl ? `${score.bareHits} of ${bare}` : "–",
    auditor.knowsTtl ? String(score.falseBare) : "–",
  ];
}

function goals({ timing, score }: Row, { truth, lines }: KvRepository): readonly Goal[] {
  const bare = truth.filter(({ ttl }) => ttl === false).length;
  const seconds = timing.median / MS;
  return [
    {
      promise: `kv-optimizer reads a repository of ${whole(lines)} lines in at most ${fixed(SECONDS_AT_MOST, 1)} s`,
      found: `${fixed(seconds, 2)} s`,
      reached: seconds <= SECONDS_AT_MOST,
    },
    {
      promise: "it finds every call and every put without a time to live",
      found: `${score.hits} of ${truth.length}, ${score.bareHits} of ${bare}`,
      reached: score.hits === truth.length && score.bareHits === bare,
    },
    {
      promise: "it finds nothing that is not there",
      found: `${score.falseCalls} false calls, ${score.falseBare} puts wrongly said to have no time to live`,
      reached: score.falseCalls === 0 && score.falseBare === 0,
    },
  ];
}

async function run(): Promise<Report> {
  buildOptimizer();
  const repository = await kvRepository(SEED, LINES);
  const folder = await mkdtemp(path.join(os.tmpdir(), "kv-audit-"));
  try {
    await writeRepository(repository, folder);
    const rows = await measure(repository, folder);
    const [own] = rows;
    if (own === undefined) throw new Error("nothing was measured");
    return {
      sections: [
        {
          title: `${whole(repository.lines)} lines in ${repository.files.size} files with ${repository.truth.length} KV calls: whole processes, cold start included, median of ${ROUNDS}`,
          table: {
            columns: [
              "audit",
              "seconds",
              "speed",
              "calls found",
              "recall",
              "false calls",
              "false puts",
              "puts without TTL",
              "wrongly so",
            ],
            rows: rows.map((row) => cells(row, own.timing, repository)),
          },
        },
      ],
      remarks: [
        `made up, seed ${SEED}; every second module uses KV plainly (env.X.get, kv.put), the others by a dozen other ways`,
        "kv-optimizer is the built one, as its package has it",
        "false calls and puts: found where there is none, or in a test; the regular expression counts tests, the two others leave them out",
        "speed: how many times as fast as kv-optimizer, in the same round",
      ],
      goals: goals(own, repository),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export const kvAudit: Bench = {
  name: "kv-audit",
  about: "kv-optimizer beside a line scan and a type-checker over 100,000 lines whose KV calls are known",
  run,
};
