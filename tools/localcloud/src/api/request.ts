import type { Context } from "hono";
import type { z } from "zod";
import { ApiError, CODE } from "./errors.ts";
import type { Source } from "../state/versions.ts";

/** One sentence that names every fault of a value with its path. */
export function faults(error: z.ZodError): string {
  return error.issues
    .map((issue) => (issue.path.length === 0 ? issue.message : `${issue.path.join(".")}: ${issue.message}`))
    .join("; ");
}

/** Parses JSON text by `schema`. @throws {ApiError} 400 */
export function parseJson<T>(schema: z.ZodType<T>, text: string, code: number): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ApiError(400, CODE.MALFORMED_JSON, "Malformed JSON in request body");
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    throw new ApiError(400, code, `Invalid request: ${faults(parsed.error)}`);
  }
  return parsed.data;
}

/**
 * The request's JSON body. The content type is not looked at: wrangler sends
 * some JSON bodies as `text/plain`.
 * @throws {ApiError} 400 with `code` when the body does not fit `schema`.
 */
export async function body<T>(c: Context, schema: z.ZodType<T>, code: number): Promise<T> {
  return parseJson(schema, await c.req.text(), code);
}

/** The rest of a path as the parameter `key`: keys hold slashes, and may hold line breaks, which `.` leaves out. */
export const ANY_KEY = ":key{[^]+}";

/** The named path parameter. */
export function param(c: Context, name: string): string {
  const value = c.req.param(name);
  if (value === undefined) {
    throw new Error(`the route has no parameter ${name}`);
  }
  return value;
}

/** Who calls, by the user agent that the client sends. */
export function source(c: Context): Source {
  const agent = (c.req.header("user-agent") ?? "").toLowerCase();
  if (agent.startsWith("wrangler/")) {
    return "wrangler";
  }
  return agent.includes("terraform") || agent.includes("pulumi") ? "terraform" : "api";
}
