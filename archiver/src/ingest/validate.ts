/** Holds a JSON value against an Avro type and says everything that does not fit. */
import { type AvroType, types } from "../tables/index.ts";
import { type FaultList, pointer } from "../faults.ts";

/**
 * avsc writes longs in float arithmetic: below this, zigzag needs more bits
 * than a double has, and another number would be written without an error.
 */
const MIN_EXACT_LONG = -(2 ** 52);

const IN_WORDS: Readonly<Record<string, string>> = {
  int: "an integer from -2147483648 to 2147483647",
  long: `an integer from ${MIN_EXACT_LONG} to ${Number.MAX_SAFE_INTEGER - 1}`,
  float: "a number",
  double: "a number",
  boolean: "true or false",
  string: "a string",
  null: "null",
};

/** Characters of a value that a fault repeats. */
const MAX_QUOTED = 40;

/** What a type takes, in words. */
function expected(type: AvroType): string {
  if (type instanceof types.EnumType) return `one of ${type.symbols.join(", ")}`;
  if (type instanceof types.UnwrappedUnionType) return type.types.map(expected).join(" or ");
  if (type instanceof types.ArrayType) return "an array";
  if (type instanceof types.MapType || type instanceof types.RecordType) return "an object";
  return IN_WORDS[type.typeName] ?? type.typeName;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Whether a type that holds no others takes a value. avsc looks an enum's symbol
 * up in an object that has members of its own, `toString` for one.
 */
function takes(type: AvroType, value: unknown): boolean {
  if (type instanceof types.EnumType) return type.symbols.some((symbol) => symbol === value);
  if (type instanceof types.LongType && Number(value) < MIN_EXACT_LONG) return false;
  return type.isValid(value);
}

/**
 * Adds every fault of `value` against `type` to `faults`.
 * Members that the schema does not know are faults too: dropping them would
 * lose data without a word.
 */
export function validate(type: AvroType, value: unknown, path: string, faults: FaultList): void {
  if (type instanceof types.RecordType) {
    if (!isObject(value)) faults.add(path, `must be an object, ${found(value)}`);
    else validateRecord(type, value, path, faults);
  } else if (type instanceof types.ArrayType) {
    if (!Array.isArray(value)) faults.add(path, `must be an array, ${found(value)}`);
    else {
      for (const [index, item] of value.entries()) {
        validate(type.itemsType, item, pointer(path, index), faults);
      }
    }
  } else if (type instanceof types.MapType) {
    if (!isObject(value)) faults.add(path, `must be an object, ${found(value)}`);
    else {
      for (const [key, item] of Object.entries(value)) {
        validateKey(key, pointer(path, key), faults);
        validate(type.valuesType, item, pointer(path, key), faults);
      }
    }
  } else if (type instanceof types.UnwrappedUnionType) {
    const branch = branchFor(type, value);
    if (branch === undefined) faults.add(path, `must be ${expected(type)}, ${foundFor(type, value)}`);
    else validate(branch, value, path, faults);
  } else if (!takes(type, value)) {
    faults.add(path, `must be ${expected(type)}, ${foundFor(type, value)}`);
  } else if (typeof value === "string") {
    validateText(value, path, faults);
  } else if (typeof value === "number" && !Number.isFinite(value)) {
    faults.add(path, `must be finite, ${found(value)}`);
  } else if (type instanceof types.FloatType && !Number.isFinite(Math.fround(Number(value)))) {
    faults.add(path, `must be within the range of a 32-bit float, ${found(value)}`);
  }
}

function validateRecord(
  type: InstanceType<typeof types.RecordType>,
  value: Readonly<Record<string, unknown>>,
  path: string,
  faults: FaultList,
): void {
  const known = new Set<string>();
  for (const field of type.fields) {
    known.add(field.name);
    const present = Object.hasOwn(value, field.name) && value[field.name] !== undefined;
    if (present) validate(field.type, value[field.name], pointer(path, field.name), faults);
    else if (field.defaultValue() === undefined) {
      faults.add(pointer(path, field.name), `is missing; must be ${expected(field.type)}`);
    }
  }
  for (const key of Object.keys(value)) {
    if (!known.has(key)) faults.add(pointer(path, key), "is not a field of this table");
  }
}

/** The branch of a union whose own faults say more than "none of these". */
function branchFor(
  union: InstanceType<typeof types.UnwrappedUnionType>,
  value: unknown,
): AvroType | undefined {
  const structural = (branch: AvroType): boolean =>
    branch instanceof types.ArrayType
      ? Array.isArray(value)
      : (branch instanceof types.RecordType || branch instanceof types.MapType) && isObject(value);
  return union.types.find((branch) => structural(branch) || takes(branch, value));
}

/** UTF-8 has no form for half a surrogate pair: it would be stored as another character. */
function validateText(text: string, path: string, faults: FaultList): void {
  if (!text.isWellFormed()) faults.add(path, "must be well-formed Unicode, but holds half a surrogate pair");
}

/** A map is decoded by assignment, which for this one name sets a prototype and no member. */
function validateKey(key: string, path: string, faults: FaultList): void {
  if (key === "__proto__") faults.add(path, "is a name that a map cannot hold");
  validateText(key, path, faults);
}

/** Of a text that was to be a symbol, which text it is. */
function foundFor(type: AvroType, value: unknown): string {
  const branches = type instanceof types.UnwrappedUnionType ? type.types : [type];
  const symbolic = branches.some((branch) => branch instanceof types.EnumType);
  if (!symbolic || typeof value !== "string") return found(value);
  const quoted = JSON.stringify(value.slice(0, MAX_QUOTED));
  return value.length > MAX_QUOTED ? `not ${quoted}…` : `not ${quoted}`;
}

function found(value: unknown): string {
  if (value === null) return "not null";
  if (value === undefined) return "not absent";
  if (Array.isArray(value)) return "not an array";
  if (typeof value === "number") return `not ${value}`;
  return `not ${typeof value === "object" ? "an object" : `a ${typeof value}`}`;
}
