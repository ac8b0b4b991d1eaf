/** What the sizes of blocks and files cost and save: why their defaults are what they are. */
import { Random } from "../archiver/conformance/random.ts";
import { BenchArchiver } from "./lib/archiver.ts";
import { Encoder } from "./lib/encoder.ts";
import { EVENTS, fill, type Load, tenantName } from "./lib/load.ts";
import { bytes, change, fixed, median, whole } from "./lib/numbers.ts";
import { randomTable, realTables } from "./lib/records.ts";
import type { Bench, Report, Table } from "./lib/report.ts";

const KIB = 1024;
const BLOCK_SIZES = [8, 16, 32, 64, 128, 256].map((size) => size * KIB);
const DEFAULT_BLOCK = 64 * KIB;

const FILE_SIZES = [1, 2, 4, 8].map((size) => size * KIB * KIB);

const DAY_MS = 86_400_000;
const SINCE = Date.parse("2024-03-01T00:00:00Z");

const LOAD: Load = { tenants: 10, records: 10_000, days: 1, upload: 1_000, seed: 11 };
const SMALL_READS = 200;
const SMALL_LIMIT = 20;

/** Files of the same records, by the size of their blocks. */
async function sizes(): Promise<Table> {
  const tables = [...(await realTables()), randomTable()];
  await using encoder = await Encoder.start(tables);
  const fileBytes = (table: string, blockBytes: number): Promise<number> =>
    encoder.encode({
      way: "file-writer",
      codec: "deflate",
      level: undefined,
      table,
      blockBytes,
      repetitions: 1,
    });
  const rows: string[][] = [];
  for (const blockBytes of BLOCK_SIZES) {
    const cells = [bytes(blockBytes)];
    for (const { table } of tables) {
      const size = await fileBytes(table, blockBytes);
      cells.push(whole(size), change(size, await fileBytes(table, DEFAULT_BLOCK)));
    }
    rows.push(cells);
  }
  return {
    columns: ["block", ...tables.flatMap(({ title }) => [title, `against ${bytes(DEFAULT_BLOCK)}`])],
    rows,
  };
}

/** The archive with blocks of some size, and small reads of it. */
async function smallReads(blockBytes: number): Promise<readonly string[]> {
  process.stderr.write(`  blocks of ${bytes(blockBytes)}\n`);
  await using archiver = await BenchArchiver.start({ vars: { ARCHIVE_BLOCK_BYTES: String(blockBytes) } });
  await fill(archiver, LOAD);
  await archiver.archiveAll();
  const archived = await archiver.stats();
  await archiver.compactAll();
  const { cold } = await archiver.stats();

  const random = new Random(LOAD.seed);
  const latencies: number[] = [];
  let fetched = 0;
  const processor = await archiver.process.processorTime();
  for (let index = 0; index < SMALL_READS; index += 1) {
    const query = {
      datasetId: tenantName(random.below(LOAD.tenants)),
      table: EVENTS,
      from: SINCE + random.below(DAY_MS - DAY_MS / 24),
      to: SINCE + DAY_MS,
      limit: SMALL_LIMIT,
    };
    const start = performance.now();
    const { value: page } = await archiver.read(query).next();
    latencies.push(performance.now() - start);
    fetched += page?.coldBytes ?? 0;
  }
  const spent = await archiver.process.processorTime();
  return [
    bytes(blockBytes),
    whole((1e6 * archived.cold.blocks) / archived.cold.records),
    whole((1e6 * cold.blocks) / cold.records),
    bytes(cold.bytes),
    bytes(fetched / SMALL_READS),
    fixed(median(latencies), 1),
    spent === null || processor === null ? "not known" : fixed((spent - processor) / SMALL_READS, 1),
  ];
}

/** An archive run with files of some size. */
async function files(fileBytes: number): Promise<readonly string[]> {
  process.stderr.write(`  files of ${bytes(fileBytes)}\n`);
  await using archiver = await BenchArchiver.start({ vars: { ARCHIVE_FILE_BYTES: String(fileBytes) } });
  await fill(archiver, LOAD);
  const start = performance.now();
  const { result: runs, growth } = await archiver.process.growthOf(() => archiver.archiveAll());
  const seconds = (performance.now() - start) / 1_000;
  const { cold } = await archiver.stats();
  const spent = (name: "d1Queries" | "d1RowsWritten"): number =>
    runs.reduce((sum, run) => sum + run.spent[name], 0);
  return [
    bytes(fileBytes),
    whole(cold.files),
    whole(cold.blocks),
    bytes(cold.bytes),
    whole(spent("d1Queries")),
    whole(spent("d1RowsWritten")),
    fixed(seconds, 2),
    growth === null ? "not known" : bytes(growth),
  ];
}

async function inOrder<T>(
  items: readonly T[],
  work: (item: T) => Promise<readonly string[]>,
): Promise<Table["rows"]> {
  const rows: (readonly string[])[] = [];
  for (const item of items) rows.push(await work(item));
  return rows;
}

async function run(): Promise<Report> {
  const load = `${LOAD.tenants} tenants × ${whole(LOAD.records)} records of one day`;
  return {
    sections: [
      {
        title: "Bytes of one file of all records, deflate 6, by the size of its blocks before compression",
        table: await sizes(),
      },
      {
        title: `${load}, compacted: ${SMALL_READS} reads of ${SMALL_LIMIT} records at a random time`,
        table: {
          columns: [
            "block",
            "index rows a million records",
            "compacted",
            "files",
            "fetched a read",
            "ms a read",
            "CPU ms a read",
          ],
          rows: await inOrder(BLOCK_SIZES, smallReads),
        },
      },
      {
        title: `${load}, archived with files of at most so many bytes of records`,
        table: {
          columns: [
            "file",
            "files",
            "blocks",
            "bytes",
            "D1 queries",
            "D1 rows written",
            "seconds",
            "workerd grew by",
          ],
          rows: await inOrder(FILE_SIZES, files),
        },
      },
    ],
    remarks: [],
    goals: [],
  };
}

export const blocks: Bench = {
  name: "blocks",
  about: "sizes of blocks and files: bytes stored, bytes of a small read, memory of a run",
  run,
};
