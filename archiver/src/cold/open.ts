/** Fetches blocks from R2: neighbours in one range request, every block verified. */
import { crc32 } from "node:zlib";
import { OcfError, parseBlock, parseCodec } from "../ocf/index.ts";
import { type RecordRun, RecordError, scanRecords, type SchemaRegistry } from "../tables/index.ts";

/** A block as the index describes it, and what its file says of all of its blocks. */
export interface ColdBlock {
  readonly filePath: string;
  readonly codec: string;
  /** Hex. */
  readonly sync: string;
  readonly fingerprint: string;
  readonly start: number;
  readonly length: number;
  readonly crc32: number;
  readonly recordCount: number;
  /** ms UTC. */
  readonly minTime: number;
}

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
export interface BlockRange<B extends ColdBlock = ColdBlock> {
  readonly filePath: string;
  readonly offset: number;
  readonly length: number;
  readonly blocks: readonly B[];
}

/** Bytes of one range request. */
export const MAX_RANGE_BYTES = 4 * 1024 * 1024;

/**
 * Joins neighbouring blocks of a file into ranges of at most `maxBytes`.
 *
 * A gap is never read: the blocks of a dataset lie in time order and next to
 * each other in a file, so those that a query wants have no gap between them.
 */
export function coalesce<B extends ColdBlock>(
  blocks: readonly B[],
  maxBytes: number = MAX_RANGE_BYTES,
): readonly BlockRange<B>[] {
  const ranges: { filePath: string; offset: number; length: number; blocks: B[] }[] = [];
  const inPlace = [...blocks].sort((a, b) =>
    a.filePath === b.filePath ? a.start - b.start : a.filePath < b.filePath ? -1 : 1,
  );
  for (const block of inPlace) {
    const range = ranges.at(-1);
    const adjacent = range?.filePath === block.filePath && range.offset + range.length === block.start;
    if (range !== undefined && adjacent && range.length + block.length <= maxBytes) {
      range.length += block.length;
      range.blocks.push(block);
    } else {
      ranges.push({ filePath: block.filePath, offset: block.start, length: block.length, blocks: [block] });
    }
  }
  return ranges;
}

/**
 * Fetches a range with one request.
 * @returns `null` when there is no such object
 * @throws ReadError when the object is too short
 */
export async function fetchRange(
  bucket: R2Bucket,
  { filePath, offset, length }: BlockRange,
): Promise<Uint8Array | null> {
  const object = await bucket.get(filePath, { range: { offset, length } });
  if (object === null) return null;
  const bytes = new Uint8Array(await object.arrayBuffer());
  if (bytes.length === length) return bytes;
  throw new ReadError("block-damaged", `${filePath} has ${bytes.length} of ${length} bytes at ${offset}`);
}

/** The bytes of a block. */
export interface FetchedBlock<B extends ColdBlock> {
  readonly block: B;
  /** From its count to the end of its sync marker; its checksum is right. */
  readonly bytes: Uint8Array;
}

/**
 * Reads blocks one after another, file by file and in the order of their place,
 * with at most `maxBytes` in memory (a single larger block is read whole).
 * @throws ReadError
 */
export async function* streamBlocks<B extends ColdBlock>(
  bucket: R2Bucket,
  blocks: readonly B[],
  maxBytes: number,
): AsyncGenerator<FetchedBlock<B>> {
  for (const range of coalesce(blocks, maxBytes)) {
    const bytes = await fetchRange(bucket, range);
    if (bytes === null) {
      throw new ReadError("object-missing", `${range.filePath} is in the index but not in the bucket`);
    }
    for (const block of range.blocks) {
      const offset = block.start - range.offset;
      yield { block, bytes: checked(block, bytes.subarray(offset, offset + block.length)) };
    }
  }
}

function checked(block: ColdBlock, bytes: Uint8Array): Uint8Array {
  if (crc32(bytes) === block.crc32) return bytes;
  throw new ReadError("block-damaged", `block at ${block.start} of ${block.filePath}: checksum mismatch`);
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
  checked(block, bytes);
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
