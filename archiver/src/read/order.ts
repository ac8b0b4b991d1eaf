/**
 * The order of records and a place in it. Records are ordered by time, then by
 * digests of their own bytes: nothing else survives the way from hot to cold,
 * where ids are gone. Equal records are interchangeable, so a place counts the
 * copies that were handed out.
 */
import { createHash } from "node:crypto";
import type { RecordRun, TableSchema } from "../tables/index.ts";

/** Where a page ended. */
export interface Position {
  /** ms UTC. */
  readonly time: number;
  /** Hex digests of the last record, or empty: before every record of that time. */
  readonly digest: string;
  /** How many records with this time and digest were handed out. */
  readonly copies: number;
}

/** A quick digest, which nearly always decides, and 128 bits of SHA-256 for when it does not. */
const QUICK_BYTES = 4;
export const DIGEST_BYTES = QUICK_BYTES + 16;

/** 32-bit FNV-1a (draft-eastlake-fnv): a thousand records of one time are put in order without a cryptographic hash of each. */
function quickDigest(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at += 1) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  return hash >>> 0;
}

export type Source = "hot" | "cold";

/** A record that may be on the page. */
export class Candidate {
  readonly time: number;
  readonly schema: TableSchema;
  readonly source: Source;
  #holder: Buffer;
  #start: number;
  #end: number;
  #quick: number | undefined;
  #digest: string | undefined;

  /** The record at `index` of a run. */
  constructor(run: RecordRun, index: number, time: number, source: Source) {
    this.time = time;
    this.schema = run.schema;
    this.source = source;
    this.#holder = run.bytes;
    this.#start = run.offsets[index] ?? 0;
    this.#end = run.offsets[index + 1] ?? 0;
  }

  get bytes(): Buffer {
    return this.#holder.subarray(this.#start, this.#end);
  }

  /** Length of `bytes`, without a view of them. */
  get size(): number {
    return this.#end - this.#start;
  }

  /** Computed when two records share a time, which most do not. */
  get quick(): number {
    this.#quick ??= quickDigest(this.#holder, this.#start, this.#end);
    return this.#quick;
  }

  /** Hex; as a text it has the order that `quick` has. */
  get digest(): string {
    this.#digest ??=
      this.quick.toString(16).padStart(2 * QUICK_BYTES, "0") +
      createHash("sha256")
        .update(this.schema.fingerprint)
        .update(this.bytes)
        .digest("hex")
        .slice(0, 2 * (DIGEST_BYTES - QUICK_BYTES));
    return this.#digest;
  }

  /** Copies the record's bytes to a place of its own and lets go of its run. @returns where the copy ends */
  moveTo(holder: Buffer, start: number): number {
    this.#holder.copy(holder, start, this.#start, this.#end);
    this.#end = start + this.size;
    this.#start = start;
    this.#holder = holder;
    return this.#end;
  }
}

/** Orders by time, then digests; 0 only for equal records. */
export function compareCandidates(a: Candidate, b: Candidate): number {
  if (a.time !== b.time) return a.time - b.time;
  if (a.quick !== b.quick) return a.quick - b.quick;
  return a.digest < b.digest ? -1 : a.digest > b.digest ? 1 : 0;
}

/** How much a page may hold; it holds one record at least. */
export interface PageSize {
  readonly records: number;
  /** Of record bytes. */
  readonly bytes: number;
}

/** Bytes of runs that candidates may hold on to before what is wanted of them is copied out. */
const MAX_RUN_BYTES = 4 * 1024 * 1024;

/**
 * Collects records and keeps the first ones after a position. However many are
 * offered, it holds one page, one record more, and what came since it last
 * looked: at most `4 × (records + 1)` candidates in at most `MAX_RUN_BYTES`.
 */
export class FirstRecords {
  readonly #after: Position;
  readonly #to: number;
  readonly #size: PageSize;
  readonly #afterQuick: number;
  #copiesToSkip: number;
  #kept: Candidate[] = [];
  /** When a page and one more record are known, what comes after them is wanted no more. */
  #last: Candidate | undefined;
  #runBytes = 0;

  /**
   * @param after place of the last record that the caller has
   * @param to exclusive end, ms UTC
   */
  constructor(after: Position, to: number, size: PageSize) {
    this.#after = after;
    this.#to = to;
    this.#size = size;
    this.#copiesToSkip = after.copies;
    this.#afterQuick = Number.parseInt(after.digest.slice(0, 2 * QUICK_BYTES), 16);
  }

  /** Offers every record of a run. */
  offer(run: RecordRun, source: Source): void {
    for (const [index, time] of run.times.entries()) {
      if (time < this.#after.time || time >= this.#to) continue;
      if (this.#last !== undefined && time > this.#last.time) continue;
      const candidate = new Candidate(run, index, time, source);
      if (this.#follows(candidate) && this.#precedesLast(candidate)) this.#kept.push(candidate);
      if (this.#kept.length >= 4 * (this.#size.records + 1)) this.#trim();
    }
    this.#runBytes += run.bytes.length;
    if (this.#runBytes > MAX_RUN_BYTES) this.#pack();
  }

  /** How many bytes of records lie before a time; infinite when they are more records than a page takes. */
  bytesBefore(horizon: number): number {
    let records = 0;
    let bytes = 0;
    for (const candidate of this.#kept) {
      if (candidate.time >= horizon) continue;
      records += 1;
      bytes += candidate.size;
    }
    return records > this.#size.records ? Number.POSITIVE_INFINITY : bytes;
  }

  /**
   * The records before a time, in order, that a page takes, and whether there are more of them.
   * @param horizon ms UTC
   */
  take(horizon: number): { readonly page: readonly Candidate[]; readonly more: boolean } {
    this.#pack();
    const found = this.#kept.filter(({ time }) => time < horizon);
    const page = found.slice(0, this.#pageLength(found));
    return { page, more: found.length > page.length };
  }

  #follows(candidate: Candidate): boolean {
    if (candidate.time > this.#after.time || this.#after.digest === "") return true;
    if (candidate.quick !== this.#afterQuick) return candidate.quick > this.#afterQuick;
    if (candidate.digest !== this.#after.digest) return candidate.digest > this.#after.digest;
    if (this.#copiesToSkip === 0) return true;
    this.#copiesToSkip -= 1;
    return false;
  }

  #precedesLast(candidate: Candidate): boolean {
    return this.#last === undefined || compareCandidates(candidate, this.#last) < 0;
  }

  /** How many of the first records make a page. */
  #pageLength(found: readonly Candidate[]): number {
    let bytes = 0;
    const overweight = found.findIndex((candidate) => {
      bytes += candidate.size;
      return bytes > this.#size.bytes;
    });
    return overweight === -1 ? this.#size.records : Math.min(this.#size.records, Math.max(overweight, 1));
  }

  /** Keeps a page, and one more record that says that there are more. */
  #trim(): void {
    this.#kept.sort(compareCandidates);
    const wanted = this.#pageLength(this.#kept) + 1;
    if (this.#kept.length < wanted) return;
    this.#kept.length = wanted;
    this.#last = this.#kept.at(-1);
  }

  #pack(): void {
    this.#trim();
    const holder = Buffer.allocUnsafeSlow(this.#kept.reduce((sum, { size }) => sum + size, 0));
    let end = 0;
    for (const candidate of this.#kept) end = candidate.moveTo(holder, end);
    this.#runBytes = 0;
  }
}

/** The position after the last record of a page that began at `from`. */
export function positionAfter(page: readonly Candidate[], from: Position): Position {
  const last = page.at(-1);
  if (last === undefined) return from;
  const { time, digest } = last;
  const copies = page.filter((item) => item.time === time && item.digest === digest).length;
  const carried = from.time === time && from.digest === digest ? from.copies : 0;
  return { time, digest, copies: copies + carried };
}
