/**
 * Merges files, dataset by dataset and record by record, without holding more of
 * them than a range of each. The records' bytes stay what they were.
 */
import { BlockCutter, type CutBlock, type FileWriter } from "../cold/index.ts";
import { recordBytes, type RecordRun } from "../tables/index.ts";
import type { Source } from "./source.ts";
import type { DatasetTotal } from "./store.ts";

/** Where the records go, and what is told on the way. */
export interface MergeTarget {
  readonly writer: Pick<FileWriter, "add" | "copy">;
  /** Bytes of records that a block aims at. */
  readonly blockBytes: number;
  /** Of the codec; its default when absent. */
  readonly compressionLevel: number | undefined;
  /** Called for every block that was read, before anything is done with it. May throw to end the merge. */
  readonly onBlock: () => Promise<void>;
  readonly onDecompressed: (bytes: number) => void;
  readonly onCompressed: (bytes: number) => void;
}

/** One source's records of a dataset, from the one that is next in its order. */
interface Head {
  readonly source: Source;
  run: RecordRun;
  index: number;
}

/** Blocks less full than this part of their target are cut again. */
const FULL = 0.5;

/**
 * Writes every record of the datasets, in their order.
 * @param datasets all of the sources, in the order of their bytes
 */
export async function mergeSources(
  sources: readonly Source[],
  datasets: readonly DatasetTotal[],
  target: MergeTarget,
): Promise<void> {
  for (const source of sources) await advance(source, target);
  for (const dataset of datasets) {
    const holders = sources.filter(({ current }) => current?.block.datasetId === dataset.datasetId);
    const [only, ...others] = holders;
    if (only !== undefined && others.length === 0 && hasGoodBlocks(only, dataset, target)) {
      await copyBlocks(only, dataset.datasetId, target);
    } else {
      await mergeRecords(holders, dataset.datasetId, target);
    }
  }
}

async function advance(source: Source, { onBlock }: MergeTarget): Promise<void> {
  await onBlock();
  await source.advance();
}

function open(source: Source, { onDecompressed }: MergeTarget): RecordRun {
  const run = source.open();
  onDecompressed(run.bytes.length);
  return run;
}

/** Whether a dataset that no other source has would come out as it is; its first block speaks for all but the last. */
function hasGoodBlocks(source: Source, { blocks }: DatasetTotal, target: MergeTarget): boolean {
  return blocks === 1 || open(source, target).bytes.length >= FULL * target.blockBytes;
}

async function copyBlocks(source: Source, datasetId: string, target: MergeTarget): Promise<void> {
  const sync = Buffer.from(source.file.sync, "hex");
  for (;;) {
    const { current } = source;
    if (current?.block.datasetId !== datasetId) return;
    await target.writer.copy(current.block, current.bytes, sync);
    await advance(source, target);
  }
}

async function mergeRecords(
  holders: readonly Source[],
  datasetId: string,
  target: MergeTarget,
): Promise<void> {
  const cutter = new BlockCutter(datasetId, target.blockBytes);
  const heads: Head[] = holders.map((source) => ({ source, run: open(source, target), index: 0 }));
  heads.sort(byTimeThenBytes);
  for (;;) {
    const [first] = heads;
    if (first === undefined) break;
    const full = cutter.add(recordBytes(first.run, first.index), first.run.times[first.index] ?? 0);
    if (full !== null) await addBlock(full, target);
    first.index += 1;
    if (first.index < first.run.times.length || (await openNext(first, datasetId, target))) sink(heads);
    else heads.shift();
  }
  const last = cutter.flush();
  if (last !== null) await addBlock(last, target);
}

async function addBlock(
  block: CutBlock,
  { writer, compressionLevel, onCompressed }: MergeTarget,
): Promise<void> {
  onCompressed(block.records.length);
  await writer.add(block, compressionLevel);
}

/** @returns `false` when the source has no more of the dataset */
async function openNext(head: Head, datasetId: string, target: MergeTarget): Promise<boolean> {
  await advance(head.source, target);
  if (head.source.current?.block.datasetId !== datasetId) return false;
  head.run = open(head.source, target);
  head.index = 0;
  return true;
}

function byTimeThenBytes(a: Head, b: Head): number {
  const times = (a.run.times[a.index] ?? 0) - (b.run.times[b.index] ?? 0);
  return times || Buffer.compare(recordBytes(a.run, a.index), recordBytes(b.run, b.index));
}

/** Puts the first of otherwise ordered heads into its place, which mostly is where it is. */
function sink(heads: Head[]): void {
  const [first] = heads;
  if (first === undefined) return;
  let place = 1;
  for (let next = heads[place]; next !== undefined && byTimeThenBytes(first, next) > 0; next = heads[place]) {
    heads[place - 1] = next;
    place += 1;
  }
  heads[place - 1] = first;
}
