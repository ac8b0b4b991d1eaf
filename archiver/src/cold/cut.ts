/** Cuts the records of one dataset, which come in order, into blocks. */
import type { Block } from "../ocf/index.ts";

/** A block before it is written. */
export interface CutBlock extends Block {
  readonly datasetId: string;
  /** Event times of its first and last record, ms UTC. */
  readonly minTime: number;
  readonly maxTime: number;
}

/**
 * Collects records until a further one would make a block larger than the
 * target; a single larger record is a block of its own. Datasets never share a
 * block.
 */
export class BlockCutter {
  readonly #datasetId: string;
  readonly #targetBytes: number;
  #bytes: Buffer;
  #length = 0;
  #count = 0;
  #minTime = 0;
  #maxTime = 0;

  constructor(datasetId: string, targetBytes: number) {
    this.#datasetId = datasetId;
    this.#targetBytes = targetBytes;
    this.#bytes = Buffer.allocUnsafe(Math.min(targetBytes, 4_096));
  }

  /** Adds a record's bytes, which are copied. @returns the block that it no longer fitted into */
  add(record: Uint8Array, time: number): CutBlock | null {
    const full = this.#count > 0 && this.#length + record.length > this.#targetBytes ? this.flush() : null;
    this.#reserve(this.#length + record.length);
    this.#bytes.set(record, this.#length);
    this.#length += record.length;
    if (this.#count === 0) this.#minTime = time;
    this.#maxTime = time;
    this.#count += 1;
    return full;
  }

  /** The last block, if there is one. */
  flush(): CutBlock | null {
    if (this.#count === 0) return null;
    const block: CutBlock = {
      datasetId: this.#datasetId,
      recordCount: this.#count,
      minTime: this.#minTime,
      maxTime: this.#maxTime,
      records: Buffer.from(this.#bytes.subarray(0, this.#length)),
    };
    this.#length = 0;
    this.#count = 0;
    return block;
  }

  #reserve(size: number): void {
    if (size <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(size, Math.min(2 * this.#bytes.length, this.#targetBytes)));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}
