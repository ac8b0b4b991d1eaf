/** A whole file, written and read. */
import { type Block, encodeBlock, parseBlock, type ParsedBlock } from "./block.ts";
import { OcfError } from "./error.ts";
import { concatBytes, encodeHeader, type Header, parseHeader, type ParsedHeader } from "./header.ts";

export interface WrittenBlock {
  readonly start: number;
  readonly length: number;
  readonly bytes: Uint8Array;
}

export interface WrittenFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly headerSize: number;
  /** In the order given. */
  readonly blocks: readonly WrittenBlock[];
}

/**
 * Writes a file. Equal input gives equal bytes.
 * @param level of the codec: deflate 1 to 9, zstandard 1 to 22; its default when absent
 * @throws OcfError for a codec that this runtime does not have
 */
export function writeFile(header: Header, blocks: Iterable<Block>, level?: number): WrittenFile {
  const head = encodeHeader(header);
  const parts = [head];
  const written: { readonly start: number; readonly length: number }[] = [];
  let offset = head.length;
  for (const block of blocks) {
    const bytes = encodeBlock(block, header.codec, header.sync, level);
    parts.push(bytes);
    written.push({ start: offset, length: bytes.length });
    offset += bytes.length;
  }
  const bytes = concatBytes(parts);
  return {
    bytes,
    headerSize: head.length,
    blocks: written.map(({ start, length }) => ({
      start,
      length,
      bytes: bytes.subarray(start, start + length),
    })),
  };
}

/**
 * Reads every block of a file, one at a time.
 * @throws OcfError
 */
export function* readBlocks(bytes: Uint8Array, header: ParsedHeader): Generator<ParsedBlock> {
  let offset = header.size;
  while (offset < bytes.length) {
    const block = parseBlock(bytes, offset, header);
    yield block;
    offset += block.length;
  }
}

/** Small blocks can decompress to a thousand times their size, and `readFile` keeps all of them. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;

/**
 * Reads a whole file into memory; `readBlocks` keeps one block at a time.
 * @param maxBytes of all its blocks, decompressed
 * @throws OcfError
 */
export function readFile(
  bytes: Uint8Array,
  maxBytes = MAX_FILE_BYTES,
): { readonly header: ParsedHeader; readonly blocks: readonly ParsedBlock[] } {
  const header = parseHeader(bytes);
  const blocks: ParsedBlock[] = [];
  let total = 0;
  for (const block of readBlocks(bytes, header)) {
    total += block.records.length;
    if (total > maxBytes) throw new OcfError("bad-payload", `the file holds more than ${maxBytes} bytes`);
    blocks.push(block);
  }
  return { header, blocks };
}
