import type { Context } from "hono";
import { type ApiError, CODE } from "./errors.ts";
import { wholeNumber } from "./query.ts";

/** Cloudflare's page of a list. */
export interface ResultInfo {
  readonly page: number;
  readonly per_page: number;
  readonly count: number;
  readonly total_count: number;
  readonly total_pages: number;
}

/** The success envelope around `result`. */
export function ok(c: Context, result: unknown, resultInfo?: Readonly<Record<string, unknown>>): Response {
  return c.json({
    success: true,
    errors: [],
    messages: [],
    result,
    ...(resultInfo === undefined ? {} : { result_info: resultInfo }),
  });
}

/** The failure envelope. */
export function failure(c: Context, error: ApiError): Response {
  return c.json(
    { success: false, errors: [{ code: error.code, message: error.message }], messages: [], result: null },
    error.status,
  );
}

/** How long the pages of a list are. */
export interface PageLimits {
  readonly perPage: number;
  readonly maxPerPage: number;
  /** The product's code for a page that cannot be. Default: the API's general one. */
  readonly code?: number;
}

/**
 * Answers one page of `items`, by the request's `page` and `per_page`. A page
 * past the end is empty: some clients page until they see that.
 * @throws {ApiError} 400 when one of them is no whole number within the limits.
 */
export function paged<T>(
  c: Context,
  items: readonly T[],
  { perPage: standard, maxPerPage, code = CODE.INVALID_REQUEST }: PageLimits,
  wrap: (page: readonly T[]) => unknown = (page) => page,
): Response {
  const page = wholeNumber(c, "page", { standard: 1, max: Number.MAX_SAFE_INTEGER, code });
  const perPage = wholeNumber(c, "per_page", { standard, max: maxPerPage, code });
  const slice = items.slice((page - 1) * perPage, page * perPage);
  const info: ResultInfo = {
    page,
    per_page: perPage,
    count: slice.length,
    total_count: items.length,
    total_pages: Math.ceil(items.length / perPage),
  };
  return ok(c, wrap(slice), { ...info });
}

/** Milliseconds UTC as the API writes a time. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString();
}
