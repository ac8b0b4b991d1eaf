/**
 * Writes an archive file, block by block, to a sink: what the file says of
 * itself stands in its header, so that the index can be made from the bucket.
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { type Codec, encodeBlock, encodeHeader, parseFrame, reframe, SYNC_BYTES } from "../ocf/index.ts";
import type { TableSchema } from "../tables/index.ts";
import type { CutBlock } from "./cut.ts";
import { encodeRows, type RowSet } from "./rows.ts";

/** Keys of the header beside Avro's own. */
export const HEADER_KEYS = {
  table: "strata.table",
  period: "strata.period",
  fingerprint: "strata.schema.sha256",
  level: "strata.level",
  generation: "strata.generation",
  /** `encodeRows` of the hot rows whose records the file holds. */
  rows: "strata.rows",
  /** JSON `[[dataset, records], …]` in the order of the blocks: whose they are follows from their counts. */
  datasets: "strata.datasets",
  /** ms UTC; absent where the object's own upload counts. */
  retainedFrom: "strata.retained_from",
} as const;

/** Merged never, within a period (a day), over a month. */
export type Level = 0 | 1 | 2;

/** What a file is, before its blocks are written. */
export interface FileDraft {
  readonly schema: Pick<TableSchema, "table" | "fingerprint" | "json">;
  readonly period: string;
  readonly level: Level;
  readonly generation: number;
  readonly rows: RowSet;
  /** Datasets in the order in which their blocks will come, and how many records each has. */
  readonly datasets: readonly (readonly [datasetId: string, records: number])[];
  /** ms UTC; `null` for a file of an archive run. */
  readonly retainedFrom: number | null;
  readonly codec: Codec;
}

export interface FileBlock {
  readonly datasetId: string;
  readonly start: number;
  readonly length: number;
  readonly crc32: number;
  readonly recordCount: number;
  /** ms UTC. */
  readonly minTime: number;
  readonly maxTime: number;
}

/** A file whose bytes are written, as the manifest will hold it. */
export interface WrittenFile {
  readonly table: string;
  readonly period: string;
  readonly fingerprint: string;
  readonly level: Level;
  readonly generation: number;
  readonly codec: Codec;
  readonly size: number;
  readonly headerSize: number;
  /** Lower-case hex, of the whole file. */
  readonly sha256: string;
  /** Hex. */
  readonly sync: string;
  readonly recordCount: number;
  readonly minTime: number;
  readonly maxTime: number;
  readonly blocks: readonly FileBlock[];
}

/** Where a file's bytes go, in order. */
export interface ByteSink {
  /** Takes the bytes; they must not change any more. */
  write(bytes: Uint8Array): void | Promise<void>;
}

/** The file did not get the blocks that its header promises. */
export class FileDraftError extends Error {
  override readonly name = "FileDraftError";
}

/** The sync marker is a digest of the header's content: equal drafts give equal files. */
function syncOf(metadata: ReadonlyMap<string, string>): Buffer {
  return createHash("sha256")
    .update(JSON.stringify(["strata.sync", ...metadata]))
    .digest()
    .subarray(0, SYNC_BYTES);
}

function metadataOf(draft: FileDraft): ReadonlyMap<string, string> {
  const { schema, period, level, generation, rows, datasets, retainedFrom } = draft;
  return new Map([
    [HEADER_KEYS.table, schema.table],
    [HEADER_KEYS.period, period],
    [HEADER_KEYS.fingerprint, schema.fingerprint],
    [HEADER_KEYS.level, String(level)],
    [HEADER_KEYS.generation, String(generation)],
    [HEADER_KEYS.rows, encodeRows(rows)],
    [HEADER_KEYS.datasets, JSON.stringify(datasets)],
    ...(retainedFrom === null ? [] : [[HEADER_KEYS.retainedFrom, String(retainedFrom)] as const]),
  ]);
}

/**
 * Writes one file: its header with the first block, then block by block, in the
 * order of the draft's datasets. It keeps no more of the file than its index.
 */
export class FileWriter {
  readonly #draft: FileDraft;
  readonly #sink: ByteSink;
  readonly #sync: Uint8Array;
  readonly #header: Uint8Array;
  readonly #hash = createHash("sha256");
  readonly #blocks: FileBlock[] = [];
  #size = 0;

  /** @param sync the marker that ends its blocks; by default one that follows from the draft */
  constructor(draft: FileDraft, sink: ByteSink, sync?: Uint8Array) {
    this.#draft = draft;
    this.#sink = sink;
    const metadata = metadataOf(draft);
    this.#sync = sync ?? syncOf(metadata);
    this.#header = encodeHeader({
      schema: draft.schema.json,
      codec: draft.codec,
      metadata,
      sync: this.#sync,
    });
  }

  /** Compresses and writes a block. @param level of the codec */
  async add(block: CutBlock, level?: number): Promise<void> {
    await this.#addBytes(block, encodeBlock(block, this.#draft.codec, this.#sync, level));
  }

  /**
   * Writes a block of another file of the same codec as it is, under this file's sync marker.
   * @param bytes of the block, from its count to the end of its marker `sync`
   * @throws FileDraftError when the bytes are not that block
   * @throws OcfError when they are no block
   */
  async copy(block: Omit<CutBlock, "records">, bytes: Uint8Array, sync: Uint8Array): Promise<void> {
    const frame = parseFrame(bytes, 0, sync);
    if (frame.length !== bytes.length || frame.recordCount !== block.recordCount) {
      throw new FileDraftError("the bytes of a copied block are not the block that they are said to be");
    }
    await this.#addBytes(block, reframe(frame, this.#sync));
  }

  /** @throws FileDraftError when it has no blocks, or not those of the draft's datasets */
  async finish(): Promise<WrittenFile> {
    await this.#begin();
    this.#check();
    const { schema, period, level, generation, codec } = this.#draft;
    const blocks = this.#blocks;
    return {
      table: schema.table,
      period,
      fingerprint: schema.fingerprint,
      level,
      generation,
      codec,
      size: this.#size,
      headerSize: this.#header.length,
      sha256: this.#hash.digest("hex"),
      sync: Buffer.from(this.#sync).toString("hex"),
      recordCount: blocks.reduce((sum, { recordCount }) => sum + recordCount, 0),
      minTime: blocks.reduce((least, { minTime }) => Math.min(least, minTime), Number.POSITIVE_INFINITY),
      maxTime: blocks.reduce((most, { maxTime }) => Math.max(most, maxTime), Number.NEGATIVE_INFINITY),
      blocks,
    };
  }

  async #addBytes(block: Omit<CutBlock, "records">, bytes: Uint8Array): Promise<void> {
    await this.#begin();
    const { datasetId, recordCount, minTime, maxTime } = block;
    const placed = { start: this.#size, length: bytes.length, crc32: crc32(bytes) };
    this.#blocks.push({ datasetId, recordCount, minTime, maxTime, ...placed });
    await this.#write(bytes);
  }

  async #begin(): Promise<void> {
    if (this.#size === 0) await this.#write(this.#header);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#size += bytes.length;
    this.#hash.update(bytes);
    await this.#sink.write(bytes);
  }

  #check(): void {
    const written: [string, number][] = [];
    for (const { datasetId, recordCount } of this.#blocks) {
      const last = written.at(-1);
      if (last?.[0] === datasetId) last[1] += recordCount;
      else written.push([datasetId, recordCount]);
    }
    const asPromised = JSON.stringify(written) === JSON.stringify(this.#draft.datasets);
    if (asPromised && written.length > 0) return;
    throw new FileDraftError("a file's blocks are not those that its header promises");
  }
}

/** Keeps what is written. */
export class MemorySink implements ByteSink {
  readonly #parts: Uint8Array[] = [];

  write(bytes: Uint8Array): void {
    this.#parts.push(bytes);
  }

  bytes(): Buffer<ArrayBuffer> {
    return Buffer.concat(this.#parts);
  }
}
