/** Records that came as JSON values: checked, then encoded once. */
import type { Fault } from "../contract.ts";
import type { FaultList } from "../faults.ts";
import { isGeneric, type TableSchema } from "../tables/index.ts";
import { toGeneric } from "./generic.ts";
import { MAX_PAYLOAD_BYTES, MAX_TIME, MIN_TIME } from "./limits.ts";
import type { EncodedRecord } from "./pack.ts";
import { validate } from "./validate.ts";

/** A record that fits its schema. */
export interface TimedRecord {
  readonly time: number;
}

const isTimed = (record: unknown): record is TimedRecord =>
  typeof record === "object" && record !== null && "time" in record && typeof record.time === "number";

const RECORD_TIME = /^\/records\/\d+\/time$/;
const OFF_CALENDAR = "must be milliseconds since 1970 (UTC) of a time in the years 1 to 9999";

/** Holds a record against its schema and the calendar; `null` when it has a fault. */
export function checkRecord(
  schema: TableSchema,
  record: unknown,
  path: string,
  faults: FaultList,
): TimedRecord | null {
  const before = faults.count;
  validate(schema.type, record, path, faults);
  if (faults.count > before || !isTimed(record)) return null;
  if (record.time >= MIN_TIME && record.time <= MAX_TIME) return record;
  faults.add(`${path}/time`, OFF_CALENDAR);
  return null;
}

/** Adds what a schema does not say of a time that is no integer: what the integer means. */
export function explainTime(fault: Fault): Fault {
  if (!RECORD_TIME.test(fault.path) || fault.message === OFF_CALENDAR) return fault;
  return { ...fault, message: `${fault.message}; a time is milliseconds since 1970 (UTC)` };
}

/** Holds JSON values against their schema. @returns those that can be encoded */
export function checkRecords(
  schema: TableSchema,
  records: readonly unknown[],
  faults: FaultList,
): readonly TimedRecord[] {
  const good: TimedRecord[] = [];
  for (const [index, record] of records.entries()) {
    const path = `/records/${index}`;
    const before = faults.count;
    const value = isGeneric(schema) ? toGeneric(record, path, faults) : record;
    const checked = faults.count > before ? null : checkRecord(schema, value, path, faults);
    if (checked !== null) good.push(checked);
  }
  return good;
}

/** Encodes records one at a time, into the same memory. */
export function* encodeRecords(
  schema: TableSchema,
  records: readonly TimedRecord[],
): Generator<EncodedRecord> {
  const scratch = Buffer.allocUnsafe(MAX_PAYLOAD_BYTES);
  for (const record of records) {
    const size = schema.type.encode(record, scratch, 0);
    yield { time: record.time, bytes: size < 0 ? null : scratch.subarray(0, size) };
  }
}
