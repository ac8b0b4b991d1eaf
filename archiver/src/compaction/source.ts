/** A file that is merged: its header, and its blocks one after another, within a stated part of the memory. */
import {
  type ColdBlock,
  decodeRows,
  type FetchedBlock,
  HEADER_KEYS,
  openBlock,
  ReadError,
  type RowSet,
  RowSetError,
  streamBlocks,
  type FileBlock,
} from "../cold/index.ts";
import { OcfError, parseHeader } from "../ocf/index.ts";
import type { RecordRun, SchemaRegistry } from "../tables/index.ts";
import { listBlocks, type SourceFile } from "./store.ts";

/** A source is not what the index says. The other files can be merged without it. */
export class SourceError extends Error {
  override readonly name = "SourceError";
  readonly file: SourceFile;

  constructor(file: SourceFile, message: string, options?: ErrorOptions) {
    super(`${file.filePath}: ${message}`, options);
    this.file = file;
  }
}

/** A block with all that `openBlock` and `FileWriter.copy` want to know. */
export type SourceBlock = ColdBlock & FileBlock;

export interface SourceBindings {
  readonly db: D1Database;
  readonly bucket: R2Bucket;
  readonly registry: SchemaRegistry;
}

/** Index rows that are in memory of each source at a time. */
const BLOCK_PAGE = 500;

/** D1 queries that reading a source takes at most. */
export function queriesOf({ blocks }: Pick<SourceFile, "blocks">): number {
  return Math.floor(blocks / BLOCK_PAGE) + 1;
}

/** Gives what the cold layer finds wrong with a file its file. */
function blame(file: SourceFile, error: unknown): never {
  if (error instanceof ReadError || error instanceof OcfError || error instanceof RowSetError) {
    throw new SourceError(file, error.message, { cause: error });
  }
  throw error;
}

/** Fetches the bytes of a file's header. @throws SourceError */
export async function fetchHeader(bucket: R2Bucket, file: SourceFile): Promise<Uint8Array> {
  const object = await bucket.get(file.filePath, { range: { offset: 0, length: file.headerSize } });
  if (object === null) throw new SourceError(file, "is in the index but not in the bucket");
  return new Uint8Array(await object.arrayBuffer());
}

/**
 * Ids of the hot rows whose records a file holds, as its header says.
 * @throws SourceError
 */
export function rowsOfHeader(file: SourceFile, header: Uint8Array): RowSet {
  try {
    const rows = parseHeader(header).metadata.get(HEADER_KEYS.rows);
    if (rows === undefined) throw new SourceError(file, "does not say which rows it holds");
    return decodeRows(rows);
  } catch (error) {
    return blame(file, error);
  }
}

/** Reads a file's blocks in the order of their place. */
export class Source {
  readonly file: SourceFile;
  readonly #bindings: SourceBindings;
  readonly #blocks: AsyncGenerator<FetchedBlock<SourceBlock>>;
  #current: FetchedBlock<SourceBlock> | null = null;

  /** @param bufferBytes that a range request brings at most; a larger block is read whole */
  constructor(file: SourceFile, bindings: SourceBindings, bufferBytes: number) {
    this.file = file;
    this.#bindings = bindings;
    this.#blocks = this.#stream(bufferBytes);
  }

  /** The block that it stands at; `null` before the first `advance` and after the last block. */
  get current(): FetchedBlock<SourceBlock> | null {
    return this.#current;
  }

  /**
   * Goes to the next block.
   * @throws SourceError where its bytes are not those that the index describes
   */
  async advance(): Promise<void> {
    const before = this.#current?.block.datasetId ?? "";
    try {
      const next = await this.#blocks.next();
      this.#current = next.done === true ? null : next.value;
    } catch (error) {
      blame(this.file, error);
    }
    if (this.#current !== null && this.#current.block.datasetId < before) {
      throw new SourceError(this.file, "its datasets are in no order");
    }
  }

  /** The records of the block that it stands at. @throws SourceError */
  open(): RecordRun {
    const { file, current } = this;
    if (current === null) throw new SourceError(file, "has no further block");
    try {
      return openBlock(current.block, current.bytes, file.table, this.#bindings.registry);
    } catch (error) {
      return blame(file, error);
    }
  }

  async *#stream(bufferBytes: number): AsyncGenerator<FetchedBlock<SourceBlock>> {
    const { db, bucket } = this.#bindings;
    const { id, filePath, codec, sync, fingerprint } = this.file;
    let after = 0;
    for (;;) {
      const page = await listBlocks(db, id, after, BLOCK_PAGE);
      yield* streamBlocks(
        bucket,
        page.map((block) => ({ ...block, filePath, codec, sync, fingerprint })),
        bufferBytes,
      );
      if (page.length < BLOCK_PAGE) return;
      after = page.at(-1)?.start ?? 0;
    }
  }
}
