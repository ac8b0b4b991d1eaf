/**
 * The order of records and a place in it. Records are ordered by time, then by
 * a digest of their own bytes: nothing else survives the way from hot to cold,
 * where ids are gone. Records with equal bytes are interchangeable, so a place
 * counts the copies that were handed out.
 */
import { createHash } from "node:crypto";
import { recordBytes, recordSize, type RecordRun } from "../tables/index.ts";

/** Where a page ended. */
export interface Position {
  /** ms UTC. */
  readonly time: number;
  /** Hex digest of the last record, or empty: before every record of that time. */
  readonly digest: string;
  /** How many records with this time and digest were handed out. */
  readonly copies: number;
}

/** Hex digits of a digest: 128 bits. */
export const DIGEST_LENGTH = 32;

/** A record that may be on the page. */
export class Candidate {
  readonly time: number;
  readonly run: RecordRun;
  readonly index: number;
  readonly source: "hot" | "cold";
  #digest: string | undefined;

  constructor(run: RecordRun, index: number, time: number, source: "hot" | "cold") {
    this.run = run;
    this.index = index;
    this.time = time;
    this.source = source;
  }

  get bytes(): Buffer {
    return recordBytes(this.run, this.index);
  }

  /** Length of `bytes`. */
  get size(): number {
    return recordSize(this.run, this.index);
  }

  /** Computed when two records share a time, which most do not. */
  get digest(): string {
    this.#digest ??= createHash("sha256")
      .update(this.run.schema.fingerprint)
      .update(this.bytes)
      .digest("hex")
      .slice(0, DIGEST_LENGTH);
    return this.#digest;
  }
}

/** Orders by time, then digest; 0 only for equal records. */
export function compareCandidates(a: Candidate, b: Candidate): number {
  if (a.time !== b.time) return a.time - b.time;
  return a.digest < b.digest ? -1 : a.digest > b.digest ? 1 : 0;
}

/**
 * Collects records and keeps the first ones after a position: never more than
 * `4 × (size + 1)` at a time, however many are offered.
 */
export class FirstRecords {
  readonly #after: Position;
  readonly #to: number;
  readonly #size: number;
  #copiesToSkip: number;
  #kept: Candidate[] = [];

  /**
   * @param after place of the last record that the caller has
   * @param to exclusive end, ms UTC
   * @param size records wanted
   */
  constructor(after: Position, to: number, size: number) {
    this.#after = after;
    this.#to = to;
    this.#size = size;
    this.#copiesToSkip = after.copies;
  }

  /** Offers every record of a run. */
  offer(run: RecordRun, source: "hot" | "cold"): void {
    for (const [index, time] of run.times.entries()) {
      if (time < this.#after.time || time >= this.#to) continue;
      const candidate = new Candidate(run, index, time, source);
      if (this.#follows(candidate)) this.#kept.push(candidate);
      if (this.#kept.length >= 4 * (this.#size + 1)) this.#trim();
    }
  }

  /** How many of the kept records lie before a time, and how many bytes they have. */
  measureBefore(horizon: number): { readonly records: number; readonly bytes: number } {
    let records = 0;
    let bytes = 0;
    for (const candidate of this.#kept) {
      if (candidate.time >= horizon) continue;
      records += 1;
      bytes += candidate.size;
    }
    return { records, bytes };
  }

  /** The kept records before a time, in order; one more than wanted says that there are more. */
  take(horizon: number): readonly Candidate[] {
    this.#trim();
    return this.#kept.filter(({ time }) => time < horizon);
  }

  #follows(candidate: Candidate): boolean {
    if (candidate.time > this.#after.time) return true;
    if (candidate.digest !== this.#after.digest) return candidate.digest > this.#after.digest;
    if (this.#copiesToSkip === 0) return true;
    this.#copiesToSkip -= 1;
    return false;
  }

  #trim(): void {
    this.#kept = this.#kept.sort(compareCandidates).slice(0, this.#size + 1);
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
