/** The records that the benches work on. */
import { earthquakes, flights } from "../../archiver/conformance/real-data.ts";
import { registry } from "../../archiver/src/tables/index.ts";
import { randomReadings, READINGS } from "./readings.ts";

export type BenchRecord = Readonly<Record<string, unknown>>;

export interface TableRecords {
  readonly table: string;
  /** What the records are, for tables in print. */
  readonly title: string;
  /** The schema as JSON. */
  readonly schema: string;
  /** In time order. */
  readonly records: readonly BenchRecord[];
}

export const timeOf = (record: BenchRecord): number => Number(record["time"]);

export const inTimeOrder = (records: readonly BenchRecord[]): readonly BenchRecord[] =>
  records.toSorted((a, b) => timeOf(a) - timeOf(b));

const schemaOf = (table: string): string => {
  const schema = registry.newest(table);
  if (schema === undefined) throw new Error(`there is no table ${table}`);
  return schema.json;
};

/** The two real data sets, each whole and in time order. */
export async function realTables(): Promise<readonly TableRecords[]> {
  const whole = { flights: await flights(), earthquakes: await earthquakes() };
  return Object.entries(whole).map(([table, datasets]) => ({
    table,
    title: table,
    schema: schemaOf(table),
    records: inTimeOrder(datasets.flatMap(({ records }) => records)),
  }));
}

const READINGS_SEED = 4;
const READINGS_COUNT = 10_000;

/** Random records beside them. */
export function randomTable(): TableRecords {
  return {
    table: "readings",
    title: "random readings",
    schema: JSON.stringify(READINGS),
    records: randomReadings(READINGS_COUNT, READINGS_SEED),
  };
}
