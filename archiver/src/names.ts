/** The names that callers choose, and the faults of a wrong one. */
import type { FaultList } from "./faults.ts";

/** `.` and `..` are names that no URL can have as its last segment, hence none of a dataset that is to be erased. */
const DATASET_ID = /^(?!\.{1,2}$)[A-Za-z0-9_.:-]{1,128}$/;

/** A period is part of an object key, hence no separator and no leading dot. */
const PERIOD_TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;

/** Visible ASCII, as an HTTP header carries it. */
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

export const isDatasetId = (value: unknown): value is string =>
  typeof value === "string" && DATASET_ID.test(value);

export const isPeriodTag = (value: unknown): value is string =>
  typeof value === "string" && PERIOD_TAG.test(value);

export function checkDatasetId(value: unknown, faults: FaultList): void {
  if (isDatasetId(value)) return;
  faults.add("/datasetId", "must be 1 to 128 characters of A-Z a-z 0-9 _ . : - and not . or ..");
}

export function checkPeriodTag(value: unknown, faults: FaultList): void {
  if (isPeriodTag(value)) return;
  faults.add("/periodTag", "must be 1 to 64 characters of A-Z a-z 0-9 _ . - and begin with none of . -");
}

export function checkIdempotencyKey(value: unknown, faults: FaultList): void {
  if (typeof value === "string" && IDEMPOTENCY_KEY.test(value)) return;
  faults.add("/idempotencyKey", "must be 1 to 255 visible ASCII characters");
}

/** The period of a record that names none: its UTC day, as `YYYY_MM_DD`. */
export function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10).replaceAll("-", "_");
}
