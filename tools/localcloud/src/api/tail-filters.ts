/** Which invocations a tail is told of. */
import { z } from "zod";
import type { Trace } from "../runtime/contract.ts";

const filterSchema = z.union([
  z.strictObject({ sampling_rate: z.number().min(0).max(1) }),
  z.strictObject({ outcome: z.array(z.string()).min(1) }),
  z.strictObject({ method: z.array(z.string()).min(1) }),
  z.strictObject({ header: z.strictObject({ key: z.string().min(1), query: z.string().optional() }) }),
  z.strictObject({ client_ip: z.array(z.string()).min(1) }),
  z.strictObject({ query: z.string() }),
  z.strictObject({ scriptVersion: z.string() }),
]);

/** The filters of a tail, as wrangler sends them: an invocation must pass them all. */
export const filtersSchema = z.array(filterSchema);
export type TailFilter = z.infer<typeof filterSchema>;

const requestSchema = z.object({
  request: z.object({ method: z.string(), headers: z.record(z.string(), z.string()) }),
});

/**
 * Whether a tail with these filters is told of an invocation. Filters that speak of a request let nothing
 * else pass: a cron has no method.
 * @param random a number in [0, 1).
 * @param self the address that the word `self` stands for.
 */
export function passes(
  trace: Trace,
  filters: readonly TailFilter[],
  random: () => number,
  self: string,
): boolean {
  const parsed = requestSchema.safeParse(trace.event);
  const request = parsed.success ? parsed.data.request : null;
  return filters.every((filter) => {
    if ("sampling_rate" in filter) return random() < filter.sampling_rate;
    if ("outcome" in filter) return filter.outcome.includes(trace.outcome);
    if ("query" in filter) return logText(trace).includes(filter.query);
    if ("scriptVersion" in filter) return trace.scriptVersion.id === filter.scriptVersion;
    if (request === null) return false;
    if ("method" in filter) {
      return filter.method.some((method) => method.toUpperCase() === request.method.toUpperCase());
    }
    if ("header" in filter) {
      const value = request.headers[filter.header.key.toLowerCase()];
      return value !== undefined && value.includes(filter.header.query ?? "");
    }
    const wanted = filter.client_ip.map((ip) => (ip === "self" ? self : ip));
    return wanted.includes(request.headers["cf-connecting-ip"] ?? "");
  });
}

/** What was logged, as one text. */
function logText({ logs }: Trace): string {
  return logs
    .flatMap(({ message }) => (Array.isArray(message) ? message : [message]))
    .map((part: unknown) => (typeof part === "string" ? part : JSON.stringify(part)))
    .join(" ");
}
