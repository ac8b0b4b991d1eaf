/** A block: count, size, payload, sync marker. */
import { type Codec, compress, decompress } from "./codec.ts";
import { OcfError } from "./error.ts";
import { type ParsedHeader, SYNC_BYTES, takeBytes } from "./header.ts";
import { decodeLong, writeLong } from "./long.ts";

export interface Block {
  readonly recordCount: number;
  /** The records' bytes, decompressed. */
  readonly records: Uint8Array;
}

/** A block as it lies in a file, its payload still compressed. */
export interface Frame {
  readonly recordCount: number;
  /** A view into the bytes that were parsed. */
  readonly payload: Uint8Array;
  /** Where the block begins, and how many bytes it takes up to the end of its sync marker. */
  readonly start: number;
  readonly length: number;
}

export interface ParsedBlock extends Block {
  readonly start: number;
  readonly length: number;
}

/** The framing that a file gives to all its blocks. */
export type Framing = Pick<ParsedHeader, "codec" | "sync">;

/** No block that this writer makes comes near; a reader refuses to decompress more. */
export const MAX_BLOCK_BYTES = 16 * 1024 * 1024;

/** Two numbers of ten bytes at most. */
const MAX_PREFIX_BYTES = 20;

/**
 * Encodes a block.
 * @param level of the codec: deflate 1 to 9, zstandard 1 to 22; its default when absent
 * @throws OcfError for a codec that this runtime does not have
 */
export function encodeBlock(
  { recordCount, records }: Block,
  codec: Codec,
  sync: Uint8Array,
  level?: number,
): Uint8Array<ArrayBuffer> {
  return frameBlock(recordCount, compress(codec, records, level), sync);
}

/** The same payload as a block of a file with another sync marker. The codec stays what it was. */
export function reframe(
  { recordCount, payload }: Pick<Frame, "recordCount" | "payload">,
  sync: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return frameBlock(recordCount, payload, sync);
}

function frameBlock(recordCount: number, payload: Uint8Array, sync: Uint8Array): Uint8Array<ArrayBuffer> {
  if (sync.length !== SYNC_BYTES) throw new OcfError("bad-header", `a sync marker has ${SYNC_BYTES} bytes`);
  const prefix = new Uint8Array(MAX_PREFIX_BYTES);
  const prefixBytes = writeLong(prefix, writeLong(prefix, 0, recordCount), payload.length);
  const block = new Uint8Array(prefixBytes + payload.length + SYNC_BYTES);
  block.set(prefix.subarray(0, prefixBytes));
  block.set(payload, prefixBytes);
  block.set(sync, prefixBytes + payload.length);
  return block;
}

/**
 * Finds the block at `start` without looking into its payload.
 * @throws OcfError
 */
export function parseFrame(bytes: Uint8Array, start: number, sync: Uint8Array): Frame {
  const count = decodeLong(bytes, start);
  if (count.value < 0) throw new OcfError("bad-number", `a block at ${start} counts ${count.value} records`);
  const size = decodeLong(bytes, count.next);
  const payload = takeBytes(bytes, size.next, size.value);
  const end = size.next + size.value + SYNC_BYTES;
  const marker = takeBytes(bytes, end - SYNC_BYTES, SYNC_BYTES);
  for (let index = 0; index < SYNC_BYTES; index += 1) {
    if (marker[index] === sync[index]) continue;
    throw new OcfError("sync-mismatch", `the block at ${start} does not end with the file's sync marker`);
  }
  return { recordCount: count.value, payload, start, length: end - start };
}

/**
 * Parses the block at `start`.
 * @throws OcfError
 */
export function parseBlock(bytes: Uint8Array, start: number, { codec, sync }: Framing): ParsedBlock {
  const { recordCount, payload, length } = parseFrame(bytes, start, sync);
  return { recordCount, records: decompress(codec, payload, MAX_BLOCK_BYTES), start, length };
}
