/** What every answer carries, and the one log line of every request. */
import type { HubContext, HubMiddleware } from "./bindings.ts";
import type { Clock } from "./clock.ts";
import { log } from "./log.ts";
import { formatNumbers, reportedNumbers } from "./numbers.ts";

export const REQUEST_ID_HEADER = "x-request-id";

/** Headers that hold unless the route has set its own. */
const DEFAULT_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "strict-transport-security": "max-age=31536000",
  "x-content-type-options": "nosniff",
};

/** Names of the headers of the lanes. */
export interface LaneHeaders {
  /** Which lane answered. */
  readonly lane: string;
  /** Which version answered. */
  readonly version: string;
  /** Of a request: the stable lane asks the canary for its numbers. Of the answer: those numbers. */
  readonly numbers: string;
}

function complete(c: HubContext, names: LaneHeaders): void {
  const headers = c.res.headers;
  const defaults = { ...DEFAULT_HEADERS, [names.lane]: c.env.LANE, [names.version]: c.env.VERSION.id };
  headers.set(REQUEST_ID_HEADER, c.get("requestId"));
  for (const [name, value] of Object.entries(defaults)) {
    if (!headers.has(name)) headers.set(name, value);
  }
  if (c.env.LANE === "canary" && c.req.raw.headers.has(names.numbers)) {
    headers.set(names.numbers, formatNumbers(reportedNumbers(c)));
  }
}

/** Completes the answer's headers and logs the request. Path only: a query may hold what a log must not. */
export function answerEnvelope(clock: Clock, names: LaneHeaders): HubMiddleware {
  return async (c, next) => {
    const startedAt = clock.now();
    await next();
    complete(c, names);
    const { status, headers } = c.res;
    log(c.env, status >= 500 ? "error" : "info", "request", {
      request_id: c.get("requestId"),
      method: c.req.method,
      path: c.req.path,
      status,
      ms: clock.now() - startedAt,
      lane: headers.get(names.lane),
      version: headers.get(names.version),
      environment: c.env.ENVIRONMENT,
    });
  };
}
