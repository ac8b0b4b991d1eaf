/** Avro's `long`: zigzag, then base-128 with the low group first (specification, "Binary encoding"). */
import { OcfError } from "./error.ts";

/** A 64-bit number needs no more than ten groups of seven bits. */
const MAX_GROUPS = 10;

/** Numbers in [-2^30, 2^30) have a zigzag form that bit operators keep. */
const SMALL = 2 ** 30;

/** The zigzag form of these is a safe integer, so float arithmetic keeps every bit. */
const EXACT = 2 ** 52;

/**
 * Writes an integer at `offset`; every safe integer fits.
 * @returns the offset after it
 */
export function writeLong(target: Uint8Array, offset: number, value: number): number {
  if (value >= -SMALL && value < SMALL) return writeGroups(target, offset, (value << 1) ^ (value >> 31));
  if (value >= -EXACT && value < EXACT) {
    return writeFloatGroups(target, offset, value < 0 ? value * -2 - 1 : value * 2);
  }
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
  let next = offset;
  for (; rest > 0x7fn; rest >>= 7n) target[next++] = Number(rest & 0x7fn) | 0x80;
  target[next++] = Number(rest);
  return next;
}

function writeGroups(target: Uint8Array, offset: number, zigzag: number): number {
  let rest = zigzag >>> 0;
  let next = offset;
  for (; rest > 0x7f; rest >>>= 7) target[next++] = (rest & 0x7f) | 0x80;
  target[next++] = rest;
  return next;
}

function writeFloatGroups(target: Uint8Array, offset: number, zigzag: number): number {
  let rest = zigzag;
  let next = offset;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) target[next++] = (rest % 128) | 0x80;
  target[next++] = rest;
  return next;
}

/** Encodes an integer; every safe integer fits. */
export function encodeLong(value: number): Uint8Array {
  const groups = new Uint8Array(MAX_GROUPS);
  return groups.subarray(0, writeLong(groups, 0, value));
}

/**
 * Decodes the integer at `offset`.
 * @returns the value and the offset after it
 * @throws OcfError when the bytes end inside it, or it is no safe integer
 */
export function decodeLong(
  bytes: Uint8Array,
  offset: number,
): { readonly value: number; readonly next: number } {
  let groups = 0;
  // Four groups are 28 bits: bit operators keep them.
  for (let index = 0; index < 4; index += 1) {
    const byte = bytes[offset + index];
    if (byte === undefined) throw new OcfError("truncated", `the bytes end inside a number at ${offset}`);
    groups |= (byte & 0x7f) << (7 * index);
    if (byte < 0x80) return { value: (groups >>> 1) ^ -(groups & 1), next: offset + index + 1 };
  }
  return decodeWideLong(bytes, offset);
}

function decodeWideLong(
  bytes: Uint8Array,
  offset: number,
): { readonly value: number; readonly next: number } {
  let groups = 0n;
  for (let index = 0; index < MAX_GROUPS; index += 1) {
    const byte = bytes[offset + index];
    if (byte === undefined) throw new OcfError("truncated", `the bytes end inside a number at ${offset}`);
    groups |= BigInt(byte & 0x7f) << BigInt(7 * index);
    if (byte < 0x80) return { value: fromZigzag(groups, offset), next: offset + index + 1 };
  }
  throw new OcfError("bad-number", `the number at ${offset} has more than ${MAX_GROUPS} bytes`);
}

function fromZigzag(groups: bigint, offset: number): number {
  if (groups > 0xffff_ffff_ffff_ffffn) {
    throw new OcfError("bad-number", `the number at ${offset} exceeds 64 bits`);
  }
  const value = Number((groups >> 1n) ^ -(groups & 1n));
  if (!Number.isSafeInteger(value)) throw new OcfError("bad-number", `the number at ${offset} exceeds 2^53`);
  return value;
}
