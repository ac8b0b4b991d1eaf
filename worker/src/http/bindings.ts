import type { Context, MiddlewareHandler } from "hono";
import type { RequestIdVariables } from "hono/request-id";
import type { Env } from "../env.generated.ts";

/** What every handler of the hub finds in its context. */
export interface HubEnv {
  Bindings: Env;
  Variables: RequestIdVariables;
}

export type HubContext = Context<HubEnv>;
export type HubMiddleware = MiddlewareHandler<HubEnv>;
