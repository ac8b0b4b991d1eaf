/** The names of the checks, and those that need nothing but the index. */
import type { FileBlock } from "../cold/index.ts";
import type { IntegrityFault } from "../contract.ts";

/** What a check is called. */
export type Check =
  // The index on its own.
  | "header-and-blocks"
  | "contiguous"
  | "record-count"
  | "block-count"
  | "time-range"
  | "orphan-block"
  | "hot-and-cold"
  | "dead-row"
  | "lost"
  // The index against the object.
  | "object-missing"
  | "object-size"
  | "checksum"
  | "no-checksum"
  | "lost-but-there"
  // The bucket against the index.
  | "unindexed-object"
  // Every byte.
  | "header"
  | "sync-marker"
  | "block"
  // Objects that a reindexing meets; verify finds the first, too.
  | "foreign-object"
  | "damaged-object"
  | "unknown-schema"
  | "overlap";

export interface Fault extends IntegrityFault {
  readonly check: Check;
}

/** Faults that an answer lists; it always says how many there are. */
const MAX_FAULTS = 100;

/** Counts every fault and keeps the first 100. */
export class IntegrityFaults {
  readonly #kept: Fault[] = [];
  #count = 0;

  add(check: Check, subject: string, detail: string): void {
    this.#count += 1;
    if (this.#kept.length < MAX_FAULTS) this.#kept.push({ check, subject, detail });
  }

  /** Takes over what another list has. */
  addAll(other: IntegrityFaults): void {
    this.#kept.push(...other.#kept.slice(0, MAX_FAULTS - this.#kept.length));
    this.#count += other.#count;
  }

  get count(): number {
    return this.#count;
  }

  get kept(): readonly Fault[] {
    return this.#kept;
  }
}

/** A file as the index describes it. */
export interface IndexedFile {
  readonly id: number;
  readonly path: string;
  readonly table: string;
  readonly period: string;
  readonly size: number;
  readonly headerSize: number;
  readonly codec: string;
  readonly sha256: string;
  /** Hex. */
  readonly sync: string;
  readonly fingerprint: string;
  readonly recordCount: number;
  readonly blockCount: number;
  /** ms UTC. */
  readonly minTime: number;
  readonly maxTime: number;
  readonly state: string;
  /** ms UTC. */
  readonly stateAt: number;
  readonly level: number;
  readonly generation: number;
  /** ms UTC. */
  readonly retainedFrom: number;
  /** ms UTC. */
  readonly lastModifiedAt: number;
}

/** Sums up a file's blocks, which come in the order of their place, and holds them against the file. */
export class BlockTotals {
  readonly #file: IndexedFile;
  readonly #faults: IntegrityFaults;
  #blocks = 0;
  #records = 0;
  #bytes = 0;
  #end: number;
  #minTime = Number.POSITIVE_INFINITY;
  #maxTime = Number.NEGATIVE_INFINITY;

  constructor(file: IndexedFile, faults: IntegrityFaults) {
    this.#file = file;
    this.#faults = faults;
    this.#end = file.headerSize;
  }

  add({ start, length, recordCount, minTime, maxTime }: FileBlock): void {
    if (start !== this.#end) {
      const what = this.#blocks === 0 ? "the header ends" : "the block before ends";
      this.#faults.add("contiguous", this.#file.path, `a block begins at ${start}, ${what} at ${this.#end}`);
    }
    this.#blocks += 1;
    this.#records += recordCount;
    this.#bytes += length;
    this.#end = start + length;
    this.#minTime = Math.min(this.#minTime, minTime);
    this.#maxTime = Math.max(this.#maxTime, maxTime);
  }

  finish(): void {
    const { path, headerSize, size, recordCount, blockCount, minTime, maxTime } = this.#file;
    const bytes = headerSize + this.#bytes;
    if (bytes !== size) {
      this.#faults.add(
        "header-and-blocks",
        path,
        `header and blocks are ${bytes} bytes, the file has ${size}`,
      );
    }
    if (this.#records !== recordCount) {
      this.#faults.add(
        "record-count",
        path,
        `the blocks have ${this.#records} records, the file ${recordCount}`,
      );
    }
    if (this.#blocks !== blockCount) {
      this.#faults.add("block-count", path, `${this.#blocks} blocks are indexed, the file has ${blockCount}`);
    }
    if (this.#blocks > 0 && (this.#minTime !== minTime || this.#maxTime !== maxTime)) {
      const found = `${this.#minTime} to ${this.#maxTime}`;
      this.#faults.add(
        "time-range",
        path,
        `the blocks reach from ${found}, the file from ${minTime} to ${maxTime}`,
      );
    }
  }
}
