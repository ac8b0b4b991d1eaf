/** Fetches blocks from R2: neighbours in one range request, every block verified. */
import { crc32 } from "node:zlib";
import { OcfError, parseBlock, parseCodec } from "../ocf/index.ts";
import { type RecordRun, RecordError, scanRecords, type SchemaRegistry } from "../tables/index.ts";
import type { ColdBlock } from "./store.ts";

export type ReadFault =
  /** The object that the index names is gone. */
  | "object-missing"
  /** Bytes are not those that the index describes. */
  | "block-damaged"
  /** Written with a schema that this version does not have. */
  | "unknown-schema"
  /** More than the bounds of a page lies at one millisecond. */
  | "too-dense";

/** Data that is there by the index, but cannot be read. No record is returned in its stead. */
export class ReadError extends Error {
  override readonly name = "ReadError";
  readonly code: ReadFault;

  constructor(code: ReadFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Blocks of one file that lie next to each other. */
export interface BlockRange {
  readonly filePath: string;
  readonly offset: number;
  readonly length: number;
  readonly blocks: readonly ColdBlock[];
}

/** Bytes of one range request. */
export const MAX_RANGE_BYTES = 4 * 1024 * 1024;

/** Joins neighbouring blocks of a file into ranges of at most `MAX_RANGE_BYTES`. */
export function coalesce(blocks: readonly ColdBlock[]): readonly BlockRange[] {
  const ranges: { filePath: string; offset: number; length: number; blocks: ColdBlock[] }[] = [];
  const inPlace = [...blocks].sort((a, b) =>
    a.filePath === b.filePath ? a.start - b.start : a.filePath < b.filePath ? -1 : 1,
  );
  for (const block of inPlace) {
    const range = ranges.at(-1);
    const adjacent = range?.filePath === block.filePath && range.offset + range.length === block.start;
    if (range !== undefined && adjacent && range.length + block.length <= MAX_RANGE_BYTES) {
      range.length += block.length;
      range.blocks.push(block);
    } else {
      ranges.push({ filePath: block.filePath, offset: block.start, length: block.length, blocks: [block] });
    }
  }
  return ranges;
}

/** Workers keep six connections open at a time. */
const PARALLEL_READS = 6;

/**
 * Fetches and verifies blocks.
 * @throws ReadError
 */
export async function fetchBlocks(
  bucket: R2Bucket,
  blocks: readonly ColdBlock[],
  table: string,
  registry: SchemaRegistry,
): Promise<{ readonly runs: readonly RecordRun[]; readonly rangeReads: number }> {
  const ranges = coalesce(blocks);
  const runs: RecordRun[] = [];
  for (let start = 0; start < ranges.length; start += PARALLEL_READS) {
    const wave = ranges.slice(start, start + PARALLEL_READS);
    const fetched = await Promise.all(
      wave.map(async (range) => ({ range, bytes: await fetchRange(bucket, range) })),
    );
    for (const { range, bytes } of fetched) {
      for (const block of range.blocks) {
        const offset = block.start - range.offset;
        runs.push(openBlock(block, bytes.subarray(offset, offset + block.length), table, registry));
      }
    }
  }
  return { runs, rangeReads: ranges.length };
}

async function fetchRange(bucket: R2Bucket, { filePath, offset, length }: BlockRange): Promise<Uint8Array> {
  const object = await bucket.get(filePath, { range: { offset, length } });
  if (object === null) {
    throw new ReadError("object-missing", `${filePath} is in the index but not in the bucket`);
  }
  const bytes = new Uint8Array(await object.arrayBuffer());
  if (bytes.length === length) return bytes;
  throw new ReadError("block-damaged", `${filePath} has ${bytes.length} of ${length} bytes at ${offset}`);
}

/** Holds a block's bytes against its index entry and finds its records. @throws ReadError */
export function openBlock(
  block: ColdBlock,
  bytes: Uint8Array,
  table: string,
  registry: SchemaRegistry,
): RecordRun {
  const where = `block at ${block.start} of ${block.filePath}`;
  const schema = registry.find(table, block.fingerprint);
  if (schema === undefined) {
    throw new ReadError("unknown-schema", `${where}: schema ${block.fingerprint} is not known`);
  }
  if (crc32(bytes) !== block.crc32) throw new ReadError("block-damaged", `${where}: checksum mismatch`);
  try {
    const framing = { codec: parseCodec(block.codec), sync: Buffer.from(block.sync, "hex") };
    const parsed = parseBlock(bytes, 0, framing);
    if (parsed.length !== block.length || parsed.recordCount !== block.recordCount) {
      throw new ReadError("block-damaged", `${where}: not the block that the index describes`);
    }
    return scanRecords(schema, parsed.records, parsed.recordCount);
  } catch (cause) {
    if (!(cause instanceof OcfError || cause instanceof RecordError)) throw cause;
    throw new ReadError("block-damaged", `${where}: ${cause.message}`, { cause });
  }
}
