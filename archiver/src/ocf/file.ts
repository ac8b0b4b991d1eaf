/** A whole file, written and read. */
import { type Block, encodeBlock, parseBlock, type ParsedBlock } from "./block.ts";
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

/** Writes a file. Equal input gives equal bytes. */
export function writeFile(header: Header, blocks: Iterable<Block>): WrittenFile {
  const head = encodeHeader(header);
  const parts = [head];
  const written: { readonly start: number; readonly length: number }[] = [];
  let offset = head.length;
  for (const block of blocks) {
    const bytes = encodeBlock(block, header.codec, header.sync);
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

/**
 * Reads a whole file.
 * @throws OcfError
 */
export function readFile(bytes: Uint8Array): {
  readonly header: ParsedHeader;
  readonly blocks: readonly ParsedBlock[];
} {
  const header = parseHeader(bytes);
  return { header, blocks: [...readBlocks(bytes, header)] };
}
