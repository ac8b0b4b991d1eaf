/** Seeds: a new one each time, unless `BENCH_SEED` repeats an earlier run. */

const SEEDS = 2 ** 31;

/** The seed of a bench, which is said before it begins. */
export function seedOf(bench: string): number {
  const chosen = Number(process.env["BENCH_SEED"] ?? Math.floor(Math.random() * SEEDS));
  if (!Number.isSafeInteger(chosen)) throw new Error("BENCH_SEED must be an integer");
  process.stderr.write(`${bench}: seed ${chosen} (BENCH_SEED=${chosen} repeats it)\n`);
  return chosen;
}
