/** The hub, put together. The order is the order of a request: id, log, lane, credentials, feature. */
import { methodNotAllowed } from "hono/method-not-allowed";
import { requestId } from "hono/request-id";
import { archiveRoutes } from "./archive/index.ts";
import { requireAdmin } from "./auth/index.ts";
import { healthRoutes } from "./health/index.ts";
import {
  answerEnvelope,
  answerError,
  answerMethodNotAllowed,
  answerNotFound,
  createRouter,
  systemClock,
  type Clock,
} from "./http/index.ts";
import { documentRoutes } from "./openapi/index.ts";
import { recordsRoutes } from "./records/index.ts";
import { LANE_HEADER, laneRouter, NUMBERS_HEADER, rolloutRoutes, VERSION_HEADER } from "./rollout/index.ts";

/** What the hub takes from its surroundings; tests pass their own. */
export interface HubOptions {
  readonly clock?: Clock;
}

/** A hub with a memory of its own, as each isolate has one. */
export function createHub({ clock = systemClock }: HubOptions = {}) {
  const app = createRouter();
  app.onError(answerError);
  app.notFound(answerNotFound);

  app.use(requestId());
  app.use(answerEnvelope(clock, { lane: LANE_HEADER, version: VERSION_HEADER, numbers: NUMBERS_HEADER }));
  app.use(laneRouter(clock));
  app.use("/admin/*", requireAdmin());
  app.use(methodNotAllowed({ app, onMethodNotAllowed: answerMethodNotAllowed }));

  app.route("/", healthRoutes());
  app.route("/", recordsRoutes());
  app.route("/", archiveRoutes());
  app.route("/", rolloutRoutes());
  app.route("/", documentRoutes(app));
  return app;
}
