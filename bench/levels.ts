/** What each codec and level costs and saves: which one the run takes, and which the compaction. */
import type { Codec } from "../archiver/src/ocf/index.ts";
import { Encoder } from "./lib/encoder.ts";
import { interleave, speedup, type Timing } from "./lib/interleave.ts";
import { change, times, whole } from "./lib/numbers.ts";
import { randomTable, realTables, type TableRecords } from "./lib/records.ts";
import type { Bench, Report } from "./lib/report.ts";

const BLOCK_BYTES = 64 * 1024;
const SAMPLING = { rounds: 9, sampleTime: 100 };

interface Choice {
  readonly codec: Codec;
  readonly level: number | undefined;
}

const DEFLATE_LEVELS = [1, 2, 3, 4, 5, 6, 7, 8, 9];
const ZSTANDARD_LEVELS = [1, 3, 6, 9, 12, 19];

const CHOICES: readonly Choice[] = [
  { codec: "null", level: undefined },
  ...DEFLATE_LEVELS.map((level) => ({ codec: "deflate" as const, level })),
  ...ZSTANDARD_LEVELS.map((level) => ({ codec: "zstandard" as const, level })),
];

const nameOf = ({ codec, level }: Choice): string => (level === undefined ? codec : `${codec} ${level}`);

/** Which others are held against. */
const PEER = "deflate 6";

async function measure(
  { table, records }: TableRecords,
  encoder: Encoder,
): Promise<readonly (readonly string[])[]> {
  const ways = CHOICES.map((choice) => ({
    name: nameOf(choice),
    way: { way: "file-writer", ...choice } as const,
  }));
  const sizes: number[] = [];
  for (const { way } of ways) {
    sizes.push(await encoder.encode({ ...way, table, blockBytes: BLOCK_BYTES, repetitions: 1 }));
  }
  const timings = await interleave(
    ways.map(({ name, way }) => encoder.contender(name, table, BLOCK_BYTES, way)),
    SAMPLING,
  );
  const peerIndex = ways.findIndex(({ name }) => name === PEER);
  const peer: Timing | undefined = timings[peerIndex];
  if (peer === undefined) throw new Error(`${PEER} was not measured`);
  return timings.map((timing, index) => [
    timing.name,
    whole((1_000 * records.length) / timing.median),
    times(speedup(timing, peer)),
    whole(sizes[index] ?? 0),
    change(sizes[index] ?? 0, sizes[peerIndex] ?? 0),
  ]);
}

async function run(): Promise<Report> {
  const tables = [...(await realTables()), randomTable()];
  await using encoder = await Encoder.start(tables);
  const sections = [];
  for (const data of tables) {
    sections.push({
      title: `${data.title}: ${whole(data.records.length)} records, blocks of 64 KiB, from values to a file`,
      table: {
        columns: ["codec", "records/s", `speed against ${PEER}`, "bytes", "size against it"],
        rows: await measure(data, encoder),
      },
    });
  }
  return { sections, remarks: [], goals: [] };
}

export const levels: Bench = {
  name: "levels",
  about: "speed and size of every codec and level, against deflate 6",
  run,
};
