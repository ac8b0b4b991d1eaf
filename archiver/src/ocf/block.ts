/** A block: count, size, payload, sync marker. */
import { type Codec, compress, decompress } from "./codec.ts";
import { OcfError } from "./error.ts";
import { concatBytes, type ParsedHeader, SYNC_BYTES, takeBytes } from "./header.ts";
import { decodeLong, encodeLong } from "./long.ts";

export interface Block {
  readonly recordCount: number;
  /** The records' bytes, decompressed. */
  readonly records: Uint8Array;
}

export interface ParsedBlock extends Block {
  /** Where the block begins, and how many bytes it takes up to the end of its sync marker. */
  readonly start: number;
  readonly length: number;
}

/** The framing that a file gives to all its blocks. */
export type Framing = Pick<ParsedHeader, "codec" | "sync">;

/** No block that this writer makes comes near; a reader refuses to inflate more. */
export const MAX_BLOCK_BYTES = 16 * 1024 * 1024;

/** Encodes a block. */
export function encodeBlock(
  { recordCount, records }: Block,
  codec: Codec,
  sync: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const payload = compress(codec, records);
  return concatBytes([encodeLong(recordCount), encodeLong(payload.length), payload, sync]);
}

/**
 * Parses the block at `start`.
 * @throws OcfError
 */
export function parseBlock(bytes: Uint8Array, start: number, { codec, sync }: Framing): ParsedBlock {
  const count = decodeLong(bytes, start);
  if (count.value < 0) throw new OcfError("bad-number", `a block at ${start} counts ${count.value} records`);
  const size = decodeLong(bytes, count.next);
  const payload = takeBytes(bytes, size.next, size.value);
  const end = size.next + size.value + SYNC_BYTES;
  const marker = takeBytes(bytes, end - SYNC_BYTES, SYNC_BYTES);
  if (marker.some((byte, index) => byte !== sync[index])) {
    throw new OcfError("sync-mismatch", `the block at ${start} does not end with the file's sync marker`);
  }
  return {
    recordCount: count.value,
    records: decompress(codec, payload, MAX_BLOCK_BYTES),
    start,
    length: end - start,
  };
}
