/** What a million records cost at published prices, from counted operations, by how many come in one request. */
import { Random } from "../archiver/conformance/random.ts";
import { BenchArchiver } from "./lib/archiver.ts";
import { randomEvent } from "./lib/events.ts";
import { EVENTS, tenantName } from "./lib/load.ts";
import { fixed, whole } from "./lib/numbers.ts";
import type { BenchRecord } from "./lib/records.ts";
import type { Bench, Report, Table } from "./lib/report.ts";
import { BILLED, type Billed, PRICES, PRICES_READ, STORAGE_DOLLARS_PER_GB_MONTH } from "./prices.ts";

const BATCHES = [1, 10, 100, 1_000];
const RECORDS = 20_000;
const TENANTS = 20;
const RUNS = 4;
const PAGE = 1_000;
const SEED = 31;
const PARALLEL = 8;

const MILLION = 1e6;
const HOURS_OF_MONTH = 720;

type Counts = Readonly<Record<Billed, number>>;

const countsOf = (count: (billed: Billed) => number): Counts => ({
  requests: count("requests"),
  cpuMs: count("cpuMs"),
  queueOperations: count("queueOperations"),
  d1RowsRead: count("d1RowsRead"),
  d1RowsWritten: count("d1RowsWritten"),
  r2ClassA: count("r2ClassA"),
  r2ClassB: count("r2ClassB"),
});

/** Does some work. @returns what it took; of the whole process's CPU time, so rather too much */
async function counted(
  archiver: BenchArchiver,
  requests: () => number,
  work: () => Promise<unknown>,
): Promise<Counts> {
  await archiver.takeSpent();
  const before = (await archiver.process.processorTime()) ?? 0;
  await work();
  const cpuMs = ((await archiver.process.processorTime()) ?? 0) - before;
  const spent = await archiver.takeSpent();
  const all = { ...spent, cpuMs, requests: requests() + spent.deliveries };
  return countsOf((billed) => all[billed]);
}

interface Upload {
  readonly datasetId: string;
  readonly records: readonly BenchRecord[];
}

function makeUploads(random: Random, records: number, batch: number): readonly Upload[] {
  return Array.from({ length: records / batch }, (_, index) => ({
    datasetId: tenantName(index % TENANTS),
    records: Array.from({ length: batch }, () => randomEvent(random, 1)),
  }));
}

async function uploadAll(archiver: BenchArchiver, uploads: readonly Upload[]): Promise<void> {
  const rest = uploads.values();
  const client = async (): Promise<void> => {
    for (const upload of rest) await archiver.ingest({ ...upload, table: EVENTS });
  };
  await Promise.all(Array.from({ length: PARALLEL }, client));
  await archiver.drainQueue();
}

const sum = (counts: readonly Counts[]): Counts =>
  countsOf((billed) => counts.reduce((total, count) => total + count[billed], 0));

const less = (counts: Counts, idle: Counts): Counts =>
  countsOf((billed) => Math.max(0, counts[billed] - idle[billed]));

interface Measured {
  readonly batch: number;
  /** Of all records: received and made hot, archived and compacted, read once. */
  readonly received: Counts;
  readonly archived: Counts;
  readonly read: Counts;
  readonly coldBytes: number;
  /** Of one round of archiving, compaction and retention without work. */
  readonly idle: Counts;
}

async function measure(batch: number): Promise<Measured> {
  process.stderr.write(`  ${whole(batch)} records a request\n`);
  const random = new Random(SEED);
  await using archiver = await BenchArchiver.start({ metered: true });
  const nothing = (): number => 0;
  const round = async (): Promise<void> => {
    await archiver.archiveAll();
    await archiver.compactAll();
    await archiver.retain();
  };
  await counted(archiver, nothing, round);
  const idle = await counted(archiver, () => 1, round);
  const received: Counts[] = [];
  const archived: Counts[] = [];
  for (let index = 0; index < RUNS; index += 1) {
    const uploads = makeUploads(random, RECORDS / RUNS, batch);
    received.push(
      await counted(
        archiver,
        () => uploads.length,
        () => uploadAll(archiver, uploads),
      ),
    );
    archived.push(less(await counted(archiver, nothing, round), idle));
  }
  let pages = 0;
  const read = await counted(
    archiver,
    () => pages,
    async () => {
      for (let tenant = 0; tenant < TENANTS; tenant += 1) {
        const query = { datasetId: tenantName(tenant), table: EVENTS, from: 0, to: 2 ** 45, limit: PAGE };
        for await (const page of archiver.read(query)) pages += page.cold > 0 ? 1 : 0;
      }
    },
  );
  const { cold } = await archiver.stats();
  if (cold.records !== RECORDS) throw new Error(`${cold.records} of ${RECORDS} records were archived`);
  return { batch, received: sum(received), archived: sum(archived), read, coldBytes: cold.bytes, idle };
}

const perMillion = (count: number): number => (count * MILLION) / RECORDS;

const dollars = (counts: Counts): number =>
  BILLED.reduce((total, billed) => total + (counts[billed] * PRICES[billed].dollarsPerMillion) / MILLION, 0);

const money = (value: number): string => `$${value < 0.01 && value > 0 ? value.toFixed(4) : fixed(value, 2)}`;

function countTable(measured: readonly Measured[], of: (it: Measured) => Counts): Table {
  return {
    columns: ["a million records", ...measured.map(({ batch }) => `${whole(batch)} a request`)],
    rows: BILLED.map((billed) => [
      PRICES[billed].title,
      ...measured.map((it) => whole(perMillion(of(it)[billed]))),
    ]),
  };
}

const stored = ({ coldBytes }: Measured): number =>
  (perMillion(coldBytes) / 1e9) * STORAGE_DOLLARS_PER_GB_MONTH;

function moneyTable(measured: readonly Measured[]): Table {
  const row = (title: string, of: (it: Measured) => number): readonly string[] => [
    title,
    ...measured.map((it) => money(of(it))),
  ];
  const million = (counts: Counts): number => perMillion(dollars(counts));
  return {
    columns: ["a million records", ...measured.map(({ batch }) => `${whole(batch)} a request`)],
    rows: [
      row("received and made hot", ({ received }) => million(received)),
      row("archived, compacted, cleared", ({ archived }) => million(archived)),
      row("both", ({ received, archived }) => million(received) + million(archived)),
      row(`all read once, pages of ${whole(PAGE)}`, ({ read }) => million(read)),
      row("kept in R2, a month", stored),
    ],
  };
}

/** How many records a day the Free plan carries, and what runs out first. */
function freeTable(measured: readonly Measured[]): Table {
  return {
    columns: ["records a request", "records a day", "what runs out first"],
    rows: measured.map(({ batch, received, archived }) => {
      const all = sum([received, archived]);
      const limits = BILLED.flatMap((billed) => {
        const { freePerDay, title } = PRICES[billed];
        return freePerDay === null ? [] : [{ title, records: (freePerDay * RECORDS) / all[billed] }];
      });
      const first = limits.reduce((least, limit) => (limit.records < least.records ? limit : least));
      return [whole(batch), whole(first.records), first.title];
    }),
  };
}

async function run(): Promise<Report> {
  const measured: Measured[] = [];
  for (const batch of BATCHES) measured.push(await measure(batch));
  const idle = measured[0]?.idle;
  const remarks = [`prices: ${PRICES_READ}`];
  if (idle !== undefined) {
    remarks.push(
      `an hourly round without work (archive, compact, retain): ${whole(idle.d1RowsRead)} rows read, ${whole(idle.d1RowsWritten)} written, ` +
        `${whole(idle.r2ClassA)} class A, ${whole(idle.r2ClassB)} class B; ${money(HOURS_OF_MONTH * dollars(idle))} a month; taken off above`,
    );
  }
  return {
    sections: [
      { title: "Cost", table: moneyTable(measured) },
      { title: "Counted: received and made hot", table: countTable(measured, ({ received }) => received) },
      {
        title: "Counted: archived, compacted, cleared",
        table: countTable(measured, ({ archived }) => archived),
      },
      {
        title: `Counted: all read once, pages of ${whole(PAGE)}`,
        table: countTable(measured, ({ read }) => read),
      },
      { title: "What the Free plan's allowance carries", table: freeTable(measured) },
    ],
    remarks,
    goals: [],
  };
}

export const cost: Bench = {
  name: "cost",
  about: "dollars a million records at published prices, from counted operations",
  run,
};
