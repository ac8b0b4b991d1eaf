/** What records take in the archive, against JSON in the forms in which others would keep them. */
import { gzipSync } from "node:zlib";
import { type DatasetRecords, earthquakes, flights } from "../archiver/conformance/real-data.ts";
import { registry } from "../archiver/src/tables/index.ts";
import { BenchArchiver } from "./lib/archiver.ts";
import { change, whole } from "./lib/numbers.ts";
import { type BenchRecord, inTimeOrder, timeOf } from "./lib/records.ts";
import type { Bench, Report } from "./lib/report.ts";

const MIN_SAVING = 0.7;

const DAY_MS = 86_400_000;

/** Records that a client uploads at a time, which a plain consumer would store as one object. */
const UPLOAD_RECORDS = [100, 1_000];

interface Form {
  readonly name: string;
  readonly bytes: number;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function chunks<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}

function peers(table: string, datasets: readonly DatasetRecords[]): readonly Form[] {
  const all = inTimeOrder(datasets.flatMap(({ records }) => records));
  const json = Buffer.from(JSON.stringify(all));
  const lines = Buffer.from(all.map((record) => `${JSON.stringify(record)}\n`).join(""));
  const type = registry.newest(table)?.type;
  const gzipped = (uploads: readonly (readonly BenchRecord[])[]): number =>
    sum(uploads.map((upload) => gzipSync(JSON.stringify(upload)).length));
  const byDay = datasets.flatMap(({ records }) => [
    ...Map.groupBy(inTimeOrder(records), (record) => Math.floor(timeOf(record) / DAY_MS)).values(),
  ]);
  return [
    { name: "JSON, one array", bytes: json.length },
    { name: "JSON + gzip -6, one file of all datasets", bytes: gzipSync(json, { level: 6 }).length },
    { name: "NDJSON + gzip -6, one file of all datasets", bytes: gzipSync(lines, { level: 6 }).length },
    { name: "NDJSON + gzip -9, one file of all datasets", bytes: gzipSync(lines, { level: 9 }).length },
    ...UPLOAD_RECORDS.map((size) => ({
      name: `JSON + gzip -6, one object an upload of ${whole(size)} records`,
      bytes: gzipped(datasets.flatMap(({ records }) => chunks(inTimeOrder(records), size))),
    })),
    { name: "JSON + gzip -6, one object a dataset and day", bytes: gzipped(byDay) },
    {
      name: "Avro records alone, uncompressed",
      bytes: sum(all.map((record) => type?.toBuffer(record).length ?? 0)),
    },
  ];
}

/** The archive's bytes: a file a day, as runs leave them, and merged over months. */
async function archived(table: string, datasets: readonly DatasetRecords[]): Promise<readonly Form[]> {
  await using archiver = await BenchArchiver.start();
  for (const { datasetId, records } of datasets) await archiver.ingest({ datasetId, table, records });
  await archiver.drainQueue();
  await archiver.archiveAll();
  const before = await archiver.stats();
  await archiver.compactAll();
  const after = await archiver.stats();
  const form = (name: string, { cold }: typeof before): Form => ({
    name: `archive, ${name}: ${whole(cold.files)} files, ${whole(cold.blocks)} blocks`,
    bytes: cold.bytes,
  });
  return [form("a file a day", before), form("compacted", after)];
}

async function run(): Promise<Report> {
  const sections = [];
  const goals = [];
  for (const [table, datasets] of Object.entries({
    flights: await flights(),
    earthquakes: await earthquakes(),
  })) {
    const records = sum(datasets.map((dataset) => dataset.records.length));
    const forms = [...peers(table, datasets), ...(await archived(table, datasets))];
    const json = forms[0]?.bytes ?? 0;
    const compacted = forms.at(-1)?.bytes ?? json;
    const gzip = forms[3]?.bytes ?? 0;
    sections.push({
      title: `${table}: ${whole(records)} records of ${datasets.length} datasets`,
      table: {
        columns: ["form", "bytes", "a record", "against JSON", "against NDJSON + gzip -9"],
        rows: forms.map(({ name, bytes }) => [
          name,
          whole(bytes),
          (bytes / records).toFixed(1),
          change(bytes, json),
          change(bytes, gzip),
        ]),
      },
    });
    goals.push({
      promise: `${table}: the compacted archive is at least ${100 * MIN_SAVING} % smaller than JSON`,
      found: change(compacted, json),
      reached: compacted <= (1 - MIN_SAVING) * json,
    });
  }
  return { sections, remarks: [], goals };
}

export const size: Bench = {
  name: "size",
  about: "bytes of the two real data sets in the archive, against JSON, plain and gzipped",
  run,
};
