/** How archiving grows: the same tenants with ten and a hundred times the records, drained in one go. */
import { BenchArchiver } from "./lib/archiver.ts";
import { fill } from "./lib/load.ts";
import { bytes, fixed, times, whole } from "./lib/numbers.ts";
import type { Bench, Report } from "./lib/report.ts";

const COUNTS = [10_000, 100_000, 1_000_000];
const USERS = 50;
const DAYS = 1;
const UPLOAD = 1_000;
const SEED = 7;

interface Measured {
  readonly records: number;
  readonly seconds: number;
  readonly processorSeconds: number | null;
  readonly hotRows: number;
  readonly runs: number;
  readonly files: number;
  readonly recordBytes: number;
  readonly coldBytes: number;
  /** Bytes. */
  /** How far the process rose above where it stood before the run. */
  readonly grew: number | null;
  readonly processPeak: number | null;
}

async function measure(records: number): Promise<Measured> {
  process.stderr.write(`  ${whole(records)} records\n`);
  await using archiver = await BenchArchiver.start();
  const load = { tenants: USERS, records: records / USERS, days: DAYS, upload: UPLOAD, seed: SEED };
  const recordBytes = await fill(archiver, load);
  const { hot } = await archiver.stats();
  const processor = await archiver.process.processorTime();
  const start = performance.now();
  const { result: runs, growth: grew } = await archiver.process.growthOf(() => archiver.archiveAll());
  const seconds = (performance.now() - start) / 1_000;
  const memory = await archiver.process.memory();
  const spent = await archiver.process.processorTime();
  const { cold } = await archiver.stats();
  if (cold.records !== records) throw new Error(`${cold.records} of ${records} records were archived`);
  return {
    records,
    seconds,
    processorSeconds: spent === null || processor === null ? null : (spent - processor) / 1_000,
    hotRows: hot.rows,
    runs: runs.length,
    files: cold.files,
    recordBytes,
    coldBytes: cold.bytes,
    grew,
    processPeak: memory?.peak ?? null,
  };
}

const known = <T>(value: T | null, show: (value: T) => string): string =>
  value === null ? "not known" : show(value);

/** How a count grew from the row above. */
const growth = (now: number | null, before: number | null | undefined): string =>
  now === null || before === null || before === undefined ? "" : times(now / before);

async function run(): Promise<Report> {
  const measured: Measured[] = [];
  for (const count of COUNTS) measured.push(await measure(count));
  return {
    sections: [
      {
        title: `Archived in one go: ${USERS} tenants, ${DAYS} day, uploads of ${whole(UPLOAD)} records at most`,
        table: {
          columns: [
            "records",
            "runs",
            "hot rows",
            "seconds",
            "records/s",
            "CPU seconds",
            "files",
            "records as Avro",
            "files' bytes",
          ],
          rows: measured.map((it) => [
            whole(it.records),
            whole(it.runs),
            whole(it.hotRows),
            fixed(it.seconds, 2),
            whole(it.records / it.seconds),
            known(it.processorSeconds, (seconds) => fixed(seconds, 2)),
            whole(it.files),
            bytes(it.recordBytes),
            bytes(it.coldBytes),
          ]),
        },
      },
      {
        title: "Memory, and growth from the row above",
        table: {
          columns: ["records", "workerd grew by", "workerd at most", "time", "CPU time", "growth of memory"],
          rows: measured.map((it, index) => {
            const previous = measured[index - 1];
            return [
              whole(it.records),
              known(it.grew, bytes),
              known(it.processPeak, bytes),
              growth(it.seconds, previous?.seconds),
              growth(it.processorSeconds, previous?.processorSeconds),
              growth(it.grew, previous?.grew),
            ];
          }),
        },
      },
    ],
    remarks: [],
    goals: [],
  };
}

export const archive: Bench = {
  name: "archive",
  about: "archiving 10 k, 100 k and 1 M records in one go: records/s, memory, and how they grow",
  run,
};
