import type { Context } from "hono";
import { ApiError } from "./errors.ts";

const WHOLE_NUMBER = /^\d{1,15}$/;

/** What a whole number in the query may be. */
export interface NumberRule {
  /** The number when the request names none. */
  readonly standard: number;
  /** The largest one. */
  readonly max: number;
  /** The product's code for a request that it cannot read. */
  readonly code: number;
}

/**
 * A number of the query, from 1 to `max`.
 * @throws {ApiError} 400 for anything else: a page that was not asked for would look like the one that was.
 */
export function wholeNumber(c: Context, name: string, { standard, max, code }: NumberRule): number {
  const given = c.req.query(name);
  if (given === undefined) {
    return standard;
  }
  const value = WHOLE_NUMBER.test(given) ? Number(given) : 0;
  if (value < 1 || value > max) {
    const range = max === Number.MAX_SAFE_INTEGER ? "from 1 up" : `from 1 to ${max}`;
    throw new ApiError(400, code, `Invalid request: ${name} must be a whole number ${range}, not '${given}'`);
  }
  return value;
}

/** One of the words that a parameter of the query may be; the first one when there is none. @throws {ApiError} 400 */
export function oneOf<T extends string>(
  c: Context,
  name: string,
  words: readonly [T, ...T[]],
  code: number,
): T {
  const given = c.req.query(name) ?? words[0];
  const word = words.find((known) => known === given);
  if (word === undefined) {
    throw new ApiError(
      400,
      code,
      `Invalid request: ${name} must be one of ${words.join(", ")}, not '${given}'`,
    );
  }
  return word;
}
