/** Ways in which bytes go wrong: on a disk, on a wire, in a writer with a defect, by intent. */
import type { Random } from "./random.ts";

type Damage = (random: Random, bytes: Buffer, other: Buffer) => Buffer;

/** Numbers at the edges, as Avro writes them; the last two are none. */
const NUMBERS: readonly [Buffer, ...Buffer[]] = [
  Buffer.from([0x00]),
  Buffer.from([0x01]),
  Buffer.from([0x7f]),
  Buffer.from([0x80, 0x01]),
  Buffer.from([0xfe, 0xff, 0xff, 0xff, 0x0f]),
  Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f]),
  Buffer.from([0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f]),
  Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f]),
  Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
  Buffer.from([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00]),
  Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
];

/** A place in `bytes`, more often near one of its ends, where framing is. */
function placeIn(random: Random, bytes: Buffer): number {
  if (random.once(3)) return random.below(Math.min(bytes.length, 24) + 1);
  if (random.once(3)) return bytes.length - random.below(Math.min(bytes.length, 24) + 1);
  return random.below(bytes.length + 1);
}

/** Two places, the first not behind the second. */
function rangeIn(random: Random, bytes: Buffer): readonly [number, number] {
  const start = placeIn(random, bytes);
  return [start, Math.min(bytes.length, start + random.below(random.once(3) ? bytes.length + 1 : 9))];
}

const flipBits: Damage = (random, bytes) => {
  const damaged = Buffer.from(bytes);
  for (let flips = 1 + random.below(3); flips > 0 && bytes.length > 0; flips -= 1) {
    const at = random.below(bytes.length);
    damaged[at] = (damaged[at] ?? 0) ^ (1 << random.below(8));
  }
  return damaged;
};

const overwrite: Damage = (random, bytes) => {
  const [start, end] = rangeIn(random, bytes);
  return Buffer.concat([bytes.subarray(0, start), random.bytes(end - start), bytes.subarray(end)]);
};

const truncate: Damage = (random, bytes) =>
  random.once(4) ? bytes.subarray(placeIn(random, bytes)) : bytes.subarray(0, placeIn(random, bytes));

const insert: Damage = (random, bytes) => {
  const at = placeIn(random, bytes);
  return Buffer.concat([bytes.subarray(0, at), random.bytes(1 + random.below(20)), bytes.subarray(at)]);
};

const remove: Damage = (random, bytes) => {
  const [start, end] = rangeIn(random, bytes);
  return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
};

const repeat: Damage = (random, bytes) => {
  const [start, end] = rangeIn(random, bytes);
  return Buffer.concat([bytes.subarray(0, end), bytes.subarray(start)]);
};

const swap: Damage = (random, bytes) => {
  const [start, end] = rangeIn(random, bytes);
  const at = Math.floor((start + end) / 2);
  return Buffer.concat([
    bytes.subarray(0, start),
    bytes.subarray(at, end),
    bytes.subarray(start, at),
    bytes.subarray(end),
  ]);
};

const splice: Damage = (random, bytes, other) => {
  const [start, end] = rangeIn(random, bytes);
  const [from, to] = rangeIn(random, other);
  return Buffer.concat([bytes.subarray(0, start), other.subarray(from, to), bytes.subarray(end)]);
};

const cross: Damage = (random, bytes, other) =>
  Buffer.concat([bytes.subarray(0, placeIn(random, bytes)), other.subarray(placeIn(random, other))]);

const tamperNumber: Damage = (random, bytes) => {
  const start = placeIn(random, bytes);
  let end = start;
  while (end < bytes.length && (bytes[end] ?? 0) >= 0x80) end += 1;
  return Buffer.concat([bytes.subarray(0, start), random.pick(NUMBERS), bytes.subarray(end + 1)]);
};

/** Damages bytes in one to three ways; `other` are bytes of the same kind. */
export function damage(random: Random, bytes: Buffer, other: Buffer): Buffer {
  let damaged = bytes;
  for (let rounds = random.once(4) ? 1 + random.below(3) : 1; rounds > 0; rounds -= 1) {
    const way = random.pick([
      flipBits,
      flipBits,
      overwrite,
      truncate,
      insert,
      remove,
      repeat,
      swap,
      splice,
      cross,
      tamperNumber,
      tamperNumber,
    ]);
    damaged = way(random, damaged, other);
  }
  return damaged;
}
