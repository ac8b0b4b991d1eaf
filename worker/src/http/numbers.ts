/**
 * Numbers that a feature reports with an answer, beside status and time: what
 * it found, took or spent. The judge of a rollout compares them between lanes,
 * so that an answer that is quick, correct in form and half empty is seen.
 */
import type { HubContext } from "./bindings.ts";

/** Names that one answer may report; further ones are dropped. */
export const MAX_NUMBERS = 8;

/** Largest value: above it, sums of a few would no longer be exact. */
export const MAX_NUMBER = 1e15;

/** Longest header that is read, in UTF-16 code units: as many names and digits as there may be. */
const MAX_HEADER_LENGTH = MAX_NUMBERS * 72;

const NAME = /^[a-z][a-z0-9_]{0,39}$/;

export type ReportedNumbers = ReadonlyMap<string, number>;

const NONE: ReportedNumbers = new Map();

/** Takes a number over if it is within bounds, and its name is one. */
function take(numbers: Map<string, number>, name: string, value: number): void {
  // Written so that NaN is none, either.
  if (!NAME.test(name) || !(value >= 0 && value <= MAX_NUMBER)) return;
  if (numbers.has(name) || numbers.size < MAX_NUMBERS) numbers.set(name, value);
}

/**
 * Reports a number with the answer to this request. Names are lower case with
 * digits and `_`, at most 40 long; values are from 0 to `MAX_NUMBER`; the last
 * report of a name holds. What does not fit is dropped: measuring breaks no request.
 */
export function reportNumber(c: HubContext, name: string, value: number): void {
  const numbers = c.get("numbers") ?? new Map<string, number>();
  take(numbers, name, value);
  c.set("numbers", numbers);
}

/** What this Worker has reported with the answer to a request so far. */
export function reportedNumbers(c: HubContext): ReportedNumbers {
  return c.get("numbers") ?? NONE;
}

/** As a header: `name=value` separated by `;`. */
export function formatNumbers(numbers: ReportedNumbers): string {
  return Array.from(numbers, ([name, value]) => `${name}=${value}`).join(";");
}

/** What a header of `formatNumbers` says. Never throws: parts that do not fit are dropped. */
export function parseNumbers(header: string | null): ReportedNumbers {
  if (header === null || header.length > MAX_HEADER_LENGTH) return NONE;
  const numbers = new Map<string, number>();
  for (const part of header.split(";")) {
    const [name = "", value = ""] = part.split("=");
    if (value !== "") take(numbers, name, Number(value));
  }
  return numbers;
}
