/**
 * Times several things that do the same work, in turns, so that what else the
 * machine does meets all of them; they are compared within a round. Processor
 * time is taken where it is known: it counts what Workers are billed by, and not
 * how long others held the processor.
 */
import { median } from "./numbers.ts";
import type { Process } from "./process.ts";

/** One of the things that are compared. */
export interface Contender {
  readonly name: string;
  /** Does the work so often; the time of one call without work (a request, a pipe) should not count against it. */
  readonly run: (repetitions: number) => Promise<void>;
  /** Which process does the work. */
  readonly process: Process;
}

export interface Timing {
  readonly name: string;
  /** ms of processor time of the work done once, in each round. */
  readonly samples: readonly number[];
  readonly median: number;
}

export interface InterleaveOptions {
  readonly rounds: number;
  /** ms that one sample lasts at least. */
  readonly sampleTime: number;
}

async function timed(contender: Contender, repetitions: number): Promise<number> {
  const clock = async (): Promise<number> => (await contender.process.processorTime()) ?? performance.now();
  const start = await clock();
  await contender.run(repetitions);
  return (await clock()) - start;
}

const MAX_REPETITIONS = 4_096;

/** Warms a contender up, and finds how often it must work to fill a sample. */
async function calibrate(contender: Contender, sampleTime: number): Promise<number> {
  let repetitions = 1;
  for (;;) {
    const time = await timed(contender, repetitions);
    if (time >= sampleTime || repetitions >= MAX_REPETITIONS) return repetitions;
    repetitions = Math.min(
      MAX_REPETITIONS,
      Math.ceil(repetitions * Math.min(8, (1.2 * sampleTime) / Math.max(time, 1))),
    );
  }
}

/** Times every contender once a round, each round beginning with another one. */
export async function interleave(
  contenders: readonly Contender[],
  { rounds, sampleTime }: InterleaveOptions,
): Promise<readonly Timing[]> {
  const repetitions: number[] = [];
  for (const contender of contenders) repetitions.push(await calibrate(contender, sampleTime));
  const samples = contenders.map((): number[] => []);
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < contenders.length; turn += 1) {
      const index = (round + turn) % contenders.length;
      const contender = contenders[index];
      const count = repetitions[index] ?? 1;
      if (contender !== undefined) samples[index]?.push((await timed(contender, count)) / count);
    }
  }
  return contenders.map(({ name }, index) => {
    const own = samples[index] ?? [];
    return { name, samples: own, median: median(own) };
  });
}

/** How many times as fast as `peer` something is: the median over the rounds. */
export function speedup(timing: Timing, peer: Timing): number {
  return median(timing.samples.map((time, round) => (peer.samples[round] ?? time) / time));
}
