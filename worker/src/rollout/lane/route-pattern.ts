import { matchedRoutes } from "hono/route";
import { METHOD_NAME_ALL } from "hono/router";
import type { HubContext } from "../../http/index.ts";

/** The route of requests that this Worker has none for. */
export const OTHER_ROUTE = "other";

/**
 * The pattern under which a request's handler is registered, for example
 * `/admin/archive/files/:id`. There are no more of them than there are routes.
 * A path that is known with other methods only is named all the same.
 */
export function routePattern(c: HubContext): string {
  const routes = matchedRoutes(c);
  const own = routes.find(({ method }) => method !== METHOD_NAME_ALL);
  const route = own ?? routes.findLast(({ path }) => !path.includes("*"));
  return route?.path ?? OTHER_ROUTE;
}
