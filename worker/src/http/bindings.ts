import type { Context, MiddlewareHandler } from "hono";
import type { RequestIdVariables } from "hono/request-id";
import type { Env } from "../env.generated.ts";

interface HubVariables extends RequestIdVariables {
  /** What features report with the answer; see `reportNumber`. */
  numbers?: Map<string, number>;
}

/** What every handler of the hub finds in its context. */
export interface HubEnv {
  Bindings: Env;
  Variables: HubVariables;
}

export type HubContext = Context<HubEnv>;
export type HubMiddleware = MiddlewareHandler<HubEnv>;
