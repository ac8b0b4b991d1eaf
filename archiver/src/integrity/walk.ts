/** What an archive file says of itself: its header, its blocks, and whose they are. */
import { decodeRows, HEADER_KEYS, type Level, type RowSet, RowSetError } from "../cold/index.ts";
import {
  type Frame,
  MAX_BLOCK_BYTES,
  OcfError,
  parseFrame,
  type ParsedHeader,
  parseHeader,
} from "../ocf/index.ts";
import type { ObjectReader } from "./reader.ts";

/** An Avro file, but none that the archive has written. */
export class ForeignFile extends Error {
  override readonly name = "ForeignFile";
}

/** Records of a dataset, in the order of the blocks. */
export type DatasetCount = readonly [datasetId: string, records: number];

/** The archive's part of a header. */
export interface FileLabels {
  readonly table: string;
  readonly period: string;
  readonly fingerprint: string;
  readonly level: Level;
  readonly generation: number;
  /** The hot rows whose records the file holds. */
  readonly rows: RowSet;
  readonly datasets: readonly DatasetCount[];
  /** ms UTC; `null` where the object's upload counts. */
  readonly retainedFrom: number | null;
}

/** Of a header at first, of a block at first; larger ones are met by reading on. */
const FIRST_PEEK = 64 * 1024;

/** A header names at most every row of a file; a block is bounded by its records, and by what compression adds. */
const MAX_PEEK = MAX_BLOCK_BYTES + FIRST_PEEK;

/** Parses what lies next, however long it is. */
async function parseNext<T>(
  reader: ObjectReader,
  first: number,
  parse: (bytes: Uint8Array) => T,
): Promise<T> {
  for (let length = first; ; length *= 4) {
    const bytes = await reader.peek(Math.min(length, MAX_PEEK));
    try {
      return parse(bytes);
    } catch (error) {
      const mayGoOn = bytes.length < reader.left && length < MAX_PEEK;
      if (!(error instanceof OcfError && error.code === "truncated" && mayGoOn)) throw error;
    }
  }
}

/**
 * Reads the header at the beginning of an object.
 * @param onBytes is given the header's bytes
 * @throws OcfError, ObjectChanged
 */
export async function readHeader(
  reader: ObjectReader,
  onBytes: (bytes: Uint8Array) => void = () => undefined,
): Promise<ParsedHeader> {
  const header = await parseNext(reader, FIRST_PEEK, parseHeader);
  onBytes(await reader.take(header.size));
  return header;
}

/** A block where it lies. */
export interface WalkedBlock {
  readonly frame: Frame;
  readonly start: number;
  /** From its count to the end of its sync marker. */
  readonly bytes: Uint8Array;
}

/**
 * Reads the blocks after the header, one at a time.
 * @throws OcfError, ObjectChanged
 */
export async function* walkBlocks(reader: ObjectReader, sync: Uint8Array): AsyncGenerator<WalkedBlock> {
  while (reader.left > 0) {
    const start = reader.position;
    const frame = await parseNext(reader, FIRST_PEEK, (bytes) => parseFrame(bytes, 0, sync));
    yield { frame, start, bytes: await reader.take(frame.length) };
  }
}

/**
 * Reads the archive's part of a header.
 * @throws ForeignFile when it has none, OcfError when it is wrong
 */
export function parseLabels({ metadata }: Pick<ParsedHeader, "metadata">): FileLabels {
  const table = metadata.get(HEADER_KEYS.table);
  if (table === undefined) throw new ForeignFile("the header names no table of the archive");
  const text = (key: string): string => {
    const value = metadata.get(key);
    if (value === undefined) throw new OcfError("bad-header", `the header has no ${key}`);
    return value;
  };
  const integer = (key: string): number => {
    const value = text(key);
    if (!/^\d{1,15}$/.test(value)) throw new OcfError("bad-header", `${key} is no number`);
    return Number(value);
  };
  return {
    table,
    period: text(HEADER_KEYS.period),
    fingerprint: text(HEADER_KEYS.fingerprint),
    level: levelOf(integer(HEADER_KEYS.level)),
    generation: integer(HEADER_KEYS.generation),
    rows: parseRows(text(HEADER_KEYS.rows)),
    datasets: parseDatasets(text(HEADER_KEYS.datasets)),
    retainedFrom: metadata.has(HEADER_KEYS.retainedFrom) ? integer(HEADER_KEYS.retainedFrom) : null,
  };
}

function levelOf(level: number): Level {
  if (level === 0 || level === 1 || level === 2) return level;
  throw new OcfError("bad-header", `there is no level ${level}`);
}

function parseRows(text: string): RowSet {
  try {
    return decodeRows(text);
  } catch (cause) {
    if (!(cause instanceof RowSetError)) throw cause;
    throw new OcfError("bad-header", cause.message, { cause });
  }
}

/** @throws OcfError */
export function parseDatasets(text: string): readonly DatasetCount[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new OcfError("bad-header", "the header's datasets are not JSON", { cause });
  }
  if (Array.isArray(value) && value.every(isDatasetCount)) return value;
  throw new OcfError("bad-header", "the header's datasets are no list of names and counts");
}

const isDatasetCount = (value: unknown): value is DatasetCount =>
  Array.isArray(value) &&
  value.length === 2 &&
  typeof value[0] === "string" &&
  Number.isSafeInteger(value[1]) &&
  value[1] > 0;

/** Tells block by block whose it is, from the counts that the header gives each dataset. */
export class BlockOwners {
  readonly #datasets: readonly DatasetCount[];
  #index = 0;
  #taken = 0;

  constructor(datasets: readonly DatasetCount[]) {
    this.#datasets = datasets;
  }

  /** Whether every dataset has had all of its records. */
  get isDone(): boolean {
    return this.#index === this.#datasets.length;
  }

  /** @returns whose the next block is; `null` when its records do not fit the counts */
  next(recordCount: number): string | null {
    const [datasetId, records] = this.#datasets[this.#index] ?? [null, 0];
    this.#taken += recordCount;
    if (datasetId === null || recordCount === 0 || this.#taken > records) return null;
    if (this.#taken === records) {
      this.#index += 1;
      this.#taken = 0;
    }
    return datasetId;
  }
}
