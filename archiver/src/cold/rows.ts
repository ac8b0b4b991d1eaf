/**
 * Ids of hot rows as ranges: a file says whose records it holds, so that the
 * index can be made again from the bucket alone and no record counts twice.
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";

/** First and last id, both inclusive. */
export type RowRange = readonly [first: number, last: number];

/** Disjoint ranges in ascending order, no two of them adjacent. */
export type RowSet = readonly RowRange[];

/** Text that is no set of rows. */
export class RowSetError extends Error {
  override readonly name = "RowSetError";
}

const MAX_TEXT_BYTES = 64 * 1024 * 1024;

/** Joins ranges in any order into a set. */
export function unionRows(...sets: readonly RowSet[]): RowSet {
  const joined: [number, number][] = [];
  for (const [first, last] of sets.flat().sort((a, b) => a[0] - b[0])) {
    const current = joined.at(-1);
    if (current !== undefined && first <= current[1] + 1) current[1] = Math.max(current[1], last);
    else joined.push([first, last]);
  }
  return joined;
}

/** The set of single ids. */
export function rowsOf(ids: readonly number[]): RowSet {
  return unionRows(ids.map((id) => [id, id]));
}

/** How many ids a set has. */
export function countOf(rows: RowSet): number {
  return rows.reduce((sum, [first, last]) => sum + last - first + 1, 0);
}

/** The ids that both sets have. */
export function intersectRows(a: RowSet, b: RowSet): RowSet {
  const common: RowRange[] = [];
  let i = 0;
  let j = 0;
  for (;;) {
    const left = a[i];
    const right = b[j];
    if (left === undefined || right === undefined) return common;
    const first = Math.max(left[0], right[0]);
    const last = Math.min(left[1], right[1]);
    if (first <= last) common.push([first, last]);
    if (left[1] < right[1]) i += 1;
    else j += 1;
  }
}

/**
 * A set as text for a file's header: `first+length` pairs, each first relative
 * to the end of the range before, deflated, in base64.
 */
export function encodeRows(rows: RowSet): string {
  let end = 0;
  const pairs = rows.map(([first, last]) => {
    const pair = `${first - end}+${last - first}`;
    end = last;
    return pair;
  });
  return deflateRawSync(pairs.join(" ")).toString("base64");
}

/** @throws RowSetError */
export function decodeRows(text: string): RowSet {
  const rows: RowRange[] = [];
  let end = 0;
  const pairs = inflated(text);
  if (pairs === "") return rows;
  for (const pair of pairs.split(" ")) {
    const [, gap, length] = /^(\d+)\+(\d+)$/.exec(pair) ?? [];
    const first = end + Number(gap);
    const last = first + Number(length);
    if (gap === undefined || first <= end || !Number.isSafeInteger(last)) {
      throw new RowSetError(`${JSON.stringify(pair)} is no range of rows`);
    }
    rows.push([first, last]);
    end = last;
  }
  return unionRows(rows);
}

function inflated(text: string): string {
  try {
    return inflateRawSync(Buffer.from(text, "base64"), { maxOutputLength: MAX_TEXT_BYTES }).toString(
      "latin1",
    );
  } catch (cause) {
    throw new RowSetError("the rows of a file do not inflate", { cause });
  }
}
