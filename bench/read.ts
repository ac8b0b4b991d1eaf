/** What a read fetches, against what it must fetch, and against fetching whole files. */
import { Random } from "../archiver/conformance/random.ts";
import { BenchArchiver, type ReadQuery } from "./lib/archiver.ts";
import { EVENTS, fill, type Load, tenantName } from "./lib/load.ts";
import { fixed, times, whole } from "./lib/numbers.ts";
import type { Bench, Report } from "./lib/report.ts";

const LOAD: Load = { tenants: 50, records: 6_000, days: 3, upload: 500, seed: 23 };
const PORTIONS = 6;
const SAMPLE = 50;

const HOUR_MS = 3_600_000;
const SINCE = Date.parse("2024-03-01T00:00:00Z");

const MAX_RATIO = 1.05;

interface Shape {
  readonly name: string;
  /** Hours of the span; `null` for all of the tenant's records. */
  readonly hours: number | null;
  readonly limit: number;
  /** Whether the goal is about it: its pages hold all that matches. */
  readonly whole: boolean;
}

const SHAPES: readonly Shape[] = [
  { name: "a tenant's records, one page", hours: null, limit: 10_000, whole: true },
  { name: "a day of a tenant, one page", hours: 24, limit: 10_000, whole: true },
  { name: "an hour of a tenant, one page", hours: 1, limit: 10_000, whole: true },
  { name: "a tenant's records, pages of 1,000", hours: null, limit: 1_000, whole: false },
];

interface Block {
  readonly file: string;
  readonly fileSize: number;
  readonly start: number;
  readonly length: number;
}

const MATCHING = `
  SELECT file_path AS file, file_size AS fileSize, start_byte AS start, length
  FROM block_indexes JOIN archived_files ON archived_files.id = file_id
  WHERE dataset_id = ? AND block_indexes.table_name = ? AND start_timestamp < ? AND end_timestamp >= ?
  ORDER BY file_path, start_byte`;

/** What the index says that must be fetched: independent of how the archiver reads. */
async function mustFetch(archiver: BenchArchiver, { datasetId, table, from, to }: ReadQuery) {
  const blocks = await archiver.sql<Block>(MATCHING, datasetId, table, to, from);
  const files = new Map(blocks.map(({ file, fileSize }) => [file, fileSize]));
  return {
    bytes: blocks.reduce((sum, { length }) => sum + length, 0),
    runs: blocks.filter(({ file, start }, index) => {
      const before = blocks[index - 1];
      return before?.file !== file || before.start + before.length !== start;
    }).length,
    files: files.size,
    fileBytes: [...files.values()].reduce((sum, size) => sum + size, 0),
  };
}

interface Measured {
  readonly row: readonly string[];
  readonly ratio: number;
  readonly getsPerRun: number;
}

async function measure(archiver: BenchArchiver, when: string, shape: Shape): Promise<Measured> {
  const random = new Random(LOAD.seed);
  const total = { bytes: 0, runs: 0, files: 0, fileBytes: 0, fetched: 0, gets: 0 };
  for (let index = 0; index < SAMPLE; index += 1) {
    const spanHours = shape.hours ?? 24 * LOAD.days;
    const from = SINCE + random.below(24 * LOAD.days - spanHours + 1) * HOUR_MS;
    const query: ReadQuery = {
      datasetId: tenantName(index % LOAD.tenants),
      table: EVENTS,
      from,
      to: from + spanHours * HOUR_MS,
      limit: shape.limit,
    };
    const must = await mustFetch(archiver, query);
    await archiver.takeSpent();
    for await (const page of archiver.read(query)) {
      if (page.hot > 0 || page.lostBlocks > 0) throw new Error("the read met hot rows or lost blocks");
    }
    const { r2ClassB, r2BytesRead } = await archiver.takeSpent();
    total.bytes += must.bytes;
    total.runs += must.runs;
    total.files += must.files;
    total.fileBytes += must.fileBytes;
    total.fetched += r2BytesRead;
    total.gets += r2ClassB;
  }
  const ratio = total.fetched / total.bytes;
  const getsPerRun = total.gets / total.runs;
  const average = (count: number): string => whole(count / SAMPLE);
  return {
    ratio,
    getsPerRun,
    row: [
      when,
      shape.name,
      average(total.bytes),
      average(total.fetched),
      fixed(ratio, 3),
      fixed(total.runs / SAMPLE, 2),
      fixed(getsPerRun, 2),
      average(total.fileBytes),
      times(total.fileBytes / total.fetched),
    ],
  };
}

async function run(): Promise<Report> {
  await using archiver = await BenchArchiver.start({ metered: true });
  const portion = { ...LOAD, records: LOAD.records / PORTIONS };
  for (let index = 0; index < PORTIONS; index += 1) {
    await fill(archiver, { ...portion, seed: LOAD.seed + index });
    await archiver.archiveAll();
  }
  const measured: (Measured & { readonly whole: boolean })[] = [];
  const measureAll = async (when: string): Promise<void> => {
    const { cold } = await archiver.stats();
    for (const shape of SHAPES) {
      const found = await measure(archiver, `${when} (${whole(cold.files)} files)`, shape);
      measured.push({ ...found, whole: shape.whole });
    }
  };
  await measureAll("archived");
  await archiver.compactAll();
  await measureAll("compacted");

  const wholes = measured.filter((found) => found.whole);
  const worst = Math.max(...wholes.map(({ ratio }) => ratio));
  const gets = Math.max(...wholes.map(({ getsPerRun }) => getsPerRun));
  return {
    sections: [
      {
        title: `${LOAD.tenants} tenants × ${whole(LOAD.records)} records over ${LOAD.days} days, archived in ${PORTIONS} portions; averages of ${SAMPLE} reads`,
        table: {
          columns: [
            "archive",
            "read",
            "matching blocks",
            "fetched",
            "ratio",
            "runs of neighbours",
            "GETs a run",
            "whole files",
            "whole files ÷ fetched",
          ],
          rows: measured.map(({ row }) => row),
        },
      },
    ],
    remarks: [],
    goals: [
      {
        promise: `bytes fetched by a cold read are at most ${MAX_RATIO} of those of the matching blocks`,
        found: fixed(worst, 3),
        reached: worst <= MAX_RATIO,
      },
      {
        promise: "one GET for a run of neighbouring blocks",
        found: fixed(gets, 2),
        reached: gets <= 1,
      },
    ],
  };
}

export const read: Bench = {
  name: "read",
  about: "bytes and requests of cold reads, against the matching blocks and against whole files",
  run,
};
