/** The names that callers choose, and the faults of a wrong one. */
import type { FaultList } from "./faults.ts";

const DATASET_ID = /^[A-Za-z0-9_.:-]{1,128}$/;

/** A period is part of an object key, hence no separator and no leading dot. */
const PERIOD_TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;

export function checkDatasetId(value: unknown, faults: FaultList): void {
  if (typeof value === "string" && DATASET_ID.test(value)) return;
  faults.add("/datasetId", "must be 1 to 128 characters of A-Z a-z 0-9 _ . : -");
}

export function checkPeriodTag(value: unknown, faults: FaultList): void {
  if (typeof value === "string" && PERIOD_TAG.test(value)) return;
  faults.add("/periodTag", "must be 1 to 64 characters of A-Z a-z 0-9 _ . - and begin with none of . -");
}

/** The period of a record that names none: its UTC day, as `YYYY_MM_DD`. */
export function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10).replaceAll("-", "_");
}
