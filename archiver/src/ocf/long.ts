/** Avro's `long`: zigzag, then base-128 with the low group first (specification, "Binary encoding"). */
import { OcfError } from "./error.ts";

/** A 64-bit number needs no more than ten groups of seven bits. */
const MAX_GROUPS = 10;

/** Encodes an integer; every safe integer fits. */
export function encodeLong(value: number): Uint8Array {
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
  const groups: number[] = [];
  while (rest > 0x7fn) {
    groups.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  groups.push(Number(rest));
  return Uint8Array.from(groups);
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
