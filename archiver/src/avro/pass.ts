/**
 * Finds where a value ends, and holds its bytes against its type on the way.
 * avsc trusts its input: it takes any byte for a boolean, reads beyond the end,
 * rounds a long of more than 53 bits, turns a broken string into another one,
 * and loops as often as a damaged array count says. Bytes that pass here are
 * those that it decodes to exactly what was written.
 */
import { isUtf8 } from "node:buffer";
import { type AvroType, types } from "./avsc.ts";
import { RecordError } from "./error.ts";

/** A place in bytes; it moves on as they are read. */
export interface Cursor {
  readonly bytes: Uint8Array;
  at: number;
}

/** Moves a cursor past one value. @throws RecordError when no such value lies there */
export type Pass = (cursor: Cursor) => void;

/** avsc computes the zigzag form with floats: below this it reads and writes another number. */
const MIN_LONG = -(2n ** 52n);
/** avsc takes the last safe integer for one that may have been rounded. */
const MAX_LONG = 2n ** 53n - 2n;

const MAX_GROUPS = 10;

/** Seven groups are 49 bits: float arithmetic keeps them. */
const FLOAT_GROUPS = 7;

/**
 * Reads a long, zigzag and base 128.
 * @throws RecordError when the bytes end inside it or avsc would not read it as it is
 */
export function readLong(cursor: Cursor): number {
  const { bytes, at } = cursor;
  let groups = 0;
  for (let index = 0; index < 4; index += 1) {
    const byte = bytes[at + index];
    if (byte === undefined) throw endsInside("number", at);
    groups |= (byte & 0x7f) << (7 * index);
    if (byte < 0x80) {
      cursor.at = at + index + 1;
      return (groups >>> 1) ^ -(groups & 1);
    }
  }
  let scale = 2 ** 28;
  for (let index = 4; index < FLOAT_GROUPS; index += 1) {
    const byte = bytes[at + index];
    if (byte === undefined) throw endsInside("number", at);
    groups += (byte & 0x7f) * scale;
    scale *= 128;
    if (byte < 0x80) {
      cursor.at = at + index + 1;
      return groups % 2 === 0 ? groups / 2 : -(groups + 1) / 2;
    }
  }
  return readWideLong(cursor);
}

function readWideLong(cursor: Cursor): number {
  const { bytes, at } = cursor;
  let groups = 0n;
  for (let index = 0; index < MAX_GROUPS; index += 1) {
    const byte = bytes[at + index];
    if (byte === undefined) throw endsInside("number", at);
    groups |= BigInt(byte & 0x7f) << BigInt(7 * index);
    if (byte >= 0x80) continue;
    const value = (groups >> 1n) ^ -(groups & 1n);
    if (value < MIN_LONG || value > MAX_LONG) break;
    cursor.at = at + index + 1;
    return Number(value);
  }
  throw new RecordError(`the number at ${at} is not from ${MIN_LONG} to ${MAX_LONG}`);
}

const endsInside = (what: string, at: number): RecordError =>
  new RecordError(`the bytes end inside a ${what} at ${at}`);

function passInt(cursor: Cursor): void {
  const { at } = cursor;
  const value = readLong(cursor);
  if (value !== (value | 0)) throw new RecordError(`the number at ${at} exceeds 32 bits`);
}

function passBoolean(cursor: Cursor): void {
  const byte = cursor.bytes[cursor.at];
  if (byte !== 0 && byte !== 1) throw new RecordError(`there is no boolean at ${cursor.at}`);
  cursor.at += 1;
}

/** JSON has no form for a number that is not finite. */
const notFinite = (at: number): RecordError => new RecordError(`the number at ${at} is not finite`);

function passFloat(cursor: Cursor): void {
  const { bytes, at } = cursor;
  if (at + 4 > bytes.length) throw endsInside("float", at);
  if (((bytes[at + 3] ?? 0) & 0x7f) === 0x7f && ((bytes[at + 2] ?? 0) & 0x80) === 0x80) throw notFinite(at);
  cursor.at = at + 4;
}

function passDouble(cursor: Cursor): void {
  const { bytes, at } = cursor;
  if (at + 8 > bytes.length) throw endsInside("double", at);
  if (((bytes[at + 7] ?? 0) & 0x7f) === 0x7f && ((bytes[at + 6] ?? 0) & 0xf0) === 0xf0) throw notFinite(at);
  cursor.at = at + 8;
}

/** Up to here a look at each byte is faster than a call into the runtime. */
const SHORT_TEXT = 48;

function passString(cursor: Cursor): void {
  const size = readLong(cursor);
  const { bytes, at } = cursor;
  if (size < 0) throw new RecordError(`a string of ${size} bytes at ${at}`);
  const end = at + size;
  if (end > bytes.length) throw endsInside("string", at);
  if (!isText(bytes, at, end)) throw new RecordError(`the string at ${at} is not UTF-8`);
  cursor.at = end;
}

function isText(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > SHORT_TEXT) return isUtf8(bytes.subarray(start, end));
  for (let index = start; index < end; index += 1) {
    if ((bytes[index] ?? 0) >= 0x80) return isUtf8(bytes.subarray(index, end));
  }
  return true;
}

const PROTO = Buffer.from("__proto__");

/** A map is decoded by assignment, which for this one key sets a prototype and no member. */
function passKey(cursor: Cursor): void {
  const { at } = cursor;
  passString(cursor);
  const key = cursor.bytes.subarray(cursor.at - PROTO.length, cursor.at);
  if (cursor.at - at === PROTO.length + 1 && Buffer.compare(key, PROTO) === 0) {
    throw new RecordError(`the map at ${at} holds a key that it cannot`);
  }
}

function passEnum(symbols: number): Pass {
  return (cursor) => {
    const { at } = cursor;
    const index = readLong(cursor);
    if (index < 0 || index >= symbols) throw new RecordError(`the enum at ${at} has no symbol ${index}`);
  };
}

function passUnion(branches: readonly Pass[]): Pass {
  return (cursor) => {
    const { at } = cursor;
    const index = readLong(cursor);
    const branch = branches[index];
    if (branch === undefined) throw new RecordError(`the union at ${at} has no branch ${index}`);
    branch(cursor);
  };
}

/** Items come in blocks; a negative count is followed by the block's size in bytes. */
function passItems(item: Pass): Pass {
  return (cursor) => {
    for (;;) {
      const { at } = cursor;
      const count = readLong(cursor);
      if (count === 0) return;
      const size = count < 0 ? readLong(cursor) : undefined;
      const start = cursor.at;
      for (let left = Math.abs(count); left > 0; left -= 1) item(cursor);
      if (size !== undefined && cursor.at - start !== size) {
        throw new RecordError(`the items at ${at} do not have the size that they claim`);
      }
    }
  };
}

const inOrder =
  (passes: readonly Pass[]): Pass =>
  (cursor) => {
    for (const pass of passes) pass(cursor);
  };

const PRIMITIVES: Readonly<Record<string, Pass>> = {
  null: () => {},
  boolean: passBoolean,
  int: passInt,
  long: (cursor) => void readLong(cursor),
  float: passFloat,
  double: passDouble,
  string: passString,
};

/** Makes the pass of a type that `compileSchema` takes: no recursion, no items without bytes. */
export function passOf(type: AvroType): Pass {
  if (type instanceof types.RecordType) return inOrder(type.fields.map((field) => passOf(field.type)));
  if (type instanceof types.ArrayType) return passItems(passOf(type.itemsType));
  if (type instanceof types.MapType) return passItems(inOrder([passKey, passOf(type.valuesType)]));
  if (type instanceof types.UnwrappedUnionType) return passUnion(type.types.map(passOf));
  if (type instanceof types.EnumType) return passEnum(type.symbols.length);
  const pass = PRIMITIVES[type.typeName];
  if (pass === undefined) throw new TypeError(`no bytes are known of the type ${type.typeName}`);
  return pass;
}
