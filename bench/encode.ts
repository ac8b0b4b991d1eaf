/** How fast records become a file: the archiver's way against avsc's `BlockEncoder` and Python's libraries. */
import { LEVELS as LEVELS_OF_A_RUN } from "../archiver/src/archive/levels.ts";
import { Encoder } from "./lib/encoder.ts";
import { type Contender, interleave, speedup, type Timing } from "./lib/interleave.ts";
import { times, whole } from "./lib/numbers.ts";
import { PYTHON_LIBRARIES, PythonAvro, type PythonLibrary } from "./lib/python-avro.ts";
import { randomTable, realTables, type TableRecords } from "./lib/records.ts";
import type { Bench, Goal, Report } from "./lib/report.ts";

const BLOCK_BYTES = 64 * 1024;
const SAMPLING = { rounds: 15, sampleTime: 150 };

/** Of the faster of avsc's two ways. */
const GOAL = 1.15;

/** zlib's own level, which avsc and Python take. */
const PEER_LEVEL = 6;

/** The level of an archive run: what the goal is held against. */
const RUN_LEVEL = LEVELS_OF_A_RUN.deflate;

/** Levels of our writer that are shown beside it. */
const LEVELS = [4, 5, 6];

const oursAt = (level: number): string => `archiver's writer, deflate ${level}`;
const OURS = oursAt(RUN_LEVEL);
const PEERS = ["avsc BlockEncoder, its own deflate", "avsc BlockEncoder, deflateRawSync"] as const;
const RUN = "archive run from hot rows: checked, sorted";

interface Measured {
  readonly rows: readonly (readonly string[])[];
  readonly goal: Goal | null;
}

async function measure(
  data: TableRecords,
  encoder: Encoder,
  pythons: ReadonlyMap<PythonLibrary, PythonAvro>,
): Promise<Measured> {
  const { table, title, records } = data;
  const inWorkerd = [
    ...LEVELS.map((level) => [oursAt(level), { way: "file-writer", codec: "deflate", level }] as const),
    [PEERS[0], { way: "block-encoder" }],
    [PEERS[1], { way: "block-encoder-sync" }],
    [RUN, { way: "archive-run" }],
  ] as const;
  const contenders: Contender[] = inWorkerd.map(([name, way]) =>
    encoder.contender(name, table, BLOCK_BYTES, way),
  );
  const sizes = await Promise.all(
    inWorkerd.map(([, way]) => encoder.encode({ ...way, table, blockBytes: BLOCK_BYTES, repetitions: 1 })),
  );
  for (const python of pythons.values()) {
    await python.load(data.schema, records);
    sizes.push(await python.encode(1));
    contenders.push({
      name: python.version,
      process: python.process,
      run: async (repetitions) => {
        await python.encode(repetitions);
      },
    });
  }
  const timings = await interleave(contenders, SAMPLING);
  const peers = timings.filter(({ name }) => (PEERS as readonly string[]).includes(name));
  const fastest = peers.reduce((best, timing) => (timing.median < best.median ? timing : best));
  return {
    rows: timings.map((timing, index) => [
      title,
      timing.name,
      whole((1_000 * records.length) / timing.median),
      times(speedup(timing, fastest)),
      whole(sizes[index] ?? 0),
    ]),
    goal: goalOf(title, timings, fastest),
  };
}

function goalOf(title: string, timings: readonly Timing[], fastest: Timing): Goal | null {
  const ours = timings.find(({ name }) => name === OURS);
  if (ours === undefined) return null;
  const factor = speedup(ours, fastest);
  return {
    promise: `${title}: at an archive run's level (deflate ${RUN_LEVEL}), at least ${times(GOAL)} the records/s of BlockEncoder (deflate ${PEER_LEVEL}) in workerd`,
    found: times(factor),
    reached: factor >= GOAL,
  };
}

async function run(): Promise<Report> {
  const tables = [...(await realTables()), randomTable()];
  await using encoder = await Encoder.start(tables);
  await using stack = new AsyncDisposableStack();
  const pythons = new Map<PythonLibrary, PythonAvro>();
  const missing: string[] = [];
  for (const library of PYTHON_LIBRARIES) {
    const python = await PythonAvro.start(library);
    if (python === null) missing.push(library);
    else pythons.set(library, stack.use(python));
  }
  const measured: Measured[] = [];
  for (const data of tables) measured.push(await measure(data, encoder, pythons));
  return {
    sections: [
      {
        title:
          "Records to a file with blocks of 64 KiB, deflate; the factor is against the faster BlockEncoder",
        table: {
          columns: ["data", "way", "records/s", "factor", "bytes"],
          rows: measured.flatMap(({ rows }) => rows),
        },
      },
    ],
    remarks: missing.map(
      (library) => `MISSING: Python has no library ${library}; it was not measured (pip install ${library})`,
    ),
    goals: measured.flatMap(({ goal }) => (goal === null ? [] : [goal])),
  };
}

export const encode: Bench = {
  name: "encode",
  about: "records/s from values to a compressed file, against avsc's BlockEncoder and Python",
  run,
};
