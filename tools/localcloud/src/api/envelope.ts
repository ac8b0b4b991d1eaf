import type { Context } from "hono";
import { z } from "zod";
import type { ApiError } from "./errors.ts";

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

const pageNumber = z.coerce.number().int().min(1).catch(1);

/**
 * Answers one page of `items`, by the request's `page` and `per_page`. A page
 * past the end is empty: some clients page until they see that.
 */
export function paged<T>(
  c: Context,
  items: readonly T[],
  limits: { readonly perPage: number; readonly maxPerPage: number },
  wrap: (page: readonly T[]) => unknown = (page) => page,
): Response {
  const page = pageNumber.parse(c.req.query("page"));
  const asked = z.coerce.number().int().min(1).catch(limits.perPage).parse(c.req.query("per_page"));
  const perPage = Math.min(asked, limits.maxPerPage);
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
