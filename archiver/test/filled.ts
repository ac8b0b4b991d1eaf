/** A small archive that has every case of a run, and whether all of it is still there. */
import { expect } from "vitest";
import { type Flight, flight, type TestArchiver } from "./archiver.ts";
import { readStored } from "./stored.ts";

/** Two periods, two datasets, ties and a repeated record. */
export const RECORDS: readonly Flight[] = [
  flight(5),
  flight(3),
  flight(5),
  flight(1441),
  flight(1440, { delay: 9 }),
  flight(3, { delay: 1 }),
];

/** Stores `RECORDS` in four rows, and one row of another dataset. */
export async function fill(archiver: TestArchiver): Promise<void> {
  await archiver.store(RECORDS.slice(0, 4));
  await archiver.store(RECORDS.slice(4));
  await archiver.store([flight(4, { origin: "SFO" })], { datasetId: "SFO" });
}

const sorted = (records: readonly unknown[]): readonly string[] =>
  records.map((record) => JSON.stringify(record)).sort();

/** Every record is stored and read once, and the index agrees with the objects that it names. */
export async function expectExactlyOnce(archiver: TestArchiver): Promise<void> {
  expect(sorted(await archiver.readAll({ limit: 2 }))).toEqual(sorted(RECORDS));
  expect(await archiver.readAll({ datasetId: "SFO" })).toEqual([flight(4, { origin: "SFO" })]);
  const { hot, cold, faults } = await readStored();
  expect(faults).toEqual([]);
  expect([...hot, ...cold].sort()).toEqual(
    [
      ...RECORDS.map((record) => `flights LAS ${JSON.stringify(record)}`),
      `flights SFO ${JSON.stringify(flight(4, { origin: "SFO" }))}`,
    ].sort(),
  );
}
