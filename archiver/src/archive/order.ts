/**
 * Puts the records of a dataset in order and cuts them into blocks.
 *
 * Records are kept as numbers in typed arrays, 16 bytes each beside their bytes:
 * an object a record would take several times what a small record itself takes.
 */
import { BlockCutter, type CutBlock } from "../cold/index.ts";
import type { RecordRun } from "../tables/index.ts";

/** All records of some runs, in the order in which they come. */
interface RecordTable {
  readonly bytes: Buffer;
  /** Where each record begins in `bytes`, and at last where the last one ends. */
  readonly offsets: Uint32Array;
  /** ms UTC. */
  readonly times: Float64Array;
}

function join(runs: readonly RecordRun[]): RecordTable {
  const count = runs.reduce((sum, { times }) => sum + times.length, 0);
  const offsets = new Uint32Array(count + 1);
  const times = new Float64Array(count);
  let record = 0;
  let base = 0;
  for (const run of runs) {
    times.set(run.times, record);
    for (let index = 0; index < run.times.length; index += 1) {
      offsets[record] = base + (run.offsets[index] ?? 0);
      record += 1;
    }
    base += run.bytes.length;
  }
  offsets[count] = base;
  const [only, ...others] = runs;
  const bytes =
    only !== undefined && others.length === 0 ? only.bytes : Buffer.concat(runs.map((run) => run.bytes));
  return { bytes, offsets, times };
}

/** The numbers of the records by time, and by their bytes where times are equal. */
function orderOf({ bytes, offsets, times }: RecordTable): Uint32Array {
  const order = new Uint32Array(times.length).map((_, record) => record);
  if (times.every((time, record) => record === 0 || time > (times[record - 1] ?? time))) return order;
  const start = (record: number): number => offsets[record] ?? 0;
  return order.sort(
    (a, b) =>
      (times[a] ?? 0) - (times[b] ?? 0) ||
      bytes.compare(bytes, start(b), start(b + 1), start(a), start(a + 1)),
  );
}

/** The blocks of one dataset: its records by time, then by bytes. */
export function* datasetBlocks(
  datasetId: string,
  runs: readonly RecordRun[],
  blockBytes: number,
): Generator<CutBlock> {
  const table = join(runs);
  const cutter = new BlockCutter(datasetId, blockBytes);
  for (const record of orderOf(table)) {
    const bytes = table.bytes.subarray(table.offsets[record], table.offsets[record + 1]);
    const full = cutter.add(bytes, table.times[record] ?? 0);
    if (full !== null) yield full;
  }
  const last = cutter.flush();
  if (last !== null) yield last;
}
