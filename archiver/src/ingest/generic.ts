/** Records of tables without a schema: any JSON object with a time. */
import { type FaultList, pointer } from "../faults.ts";
import { MAX_JSON_DEPTH } from "./limits.ts";

/** A generic record as its envelope's schema has it. */
export interface GenericRecord {
  readonly time: unknown;
  /** JSON of the record without its time. */
  readonly body: string;
}

/**
 * Puts a record into the generic envelope, or says everything that JSON cannot
 * carry of it. The time is left to be held against the envelope's schema.
 */
export function toGeneric(record: unknown, path: string, faults: FaultList): GenericRecord | null {
  if (!isPlainObject(record)) {
    faults.add(path, "must be an object");
    return null;
  }
  const before = faults.count;
  const { time, ...members } = record;
  for (const [key, member] of Object.entries(members)) checkJson(member, pointer(path, key), faults);
  return faults.count > before ? null : { time, body: JSON.stringify(members) };
}

/** Holds the body of a generic record that came encoded to what `toGeneric` makes. */
export function checkBody(body: unknown, path: string, faults: FaultList): void {
  const members = parse(body);
  if (!isPlainObject(members)) {
    faults.add(path, "must be the text of a JSON object");
    return;
  }
  if (Object.hasOwn(members, "time")) faults.add(path, "must not hold a time: the record has one");
  for (const [key, member] of Object.entries(members)) checkJson(member, pointer(path, key), faults);
}

function parse(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return undefined;
  }
}

const isPlainObject = (value: unknown): value is Readonly<Record<string, unknown>> => {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};

/** JSON would write what is not finite as null, and leave out what it has no form for. */
function checkJson(value: unknown, path: string, faults: FaultList, depth = 1): void {
  if (depth > MAX_JSON_DEPTH) {
    faults.add(path, `is nested more than ${MAX_JSON_DEPTH} deep`);
  } else if (typeof value === "number") {
    if (!Number.isFinite(value)) faults.add(path, `must be finite, not ${value}`);
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) checkJson(item, pointer(path, index), faults, depth + 1);
  } else if (isPlainObject(value)) {
    for (const [key, item] of Object.entries(value)) checkJson(item, pointer(path, key), faults, depth + 1);
  } else if (value !== null && typeof value !== "string" && typeof value !== "boolean") {
    faults.add(path, "must be a JSON value");
  }
}
