/** `GET /health` and the service description at `GET /`. */
import { createRoute } from "@hono/zod-openapi";
import { createRouter, jsonAnswer, problemAnswers } from "../http/index.ts";
import { checkBindings } from "./checks.ts";
import { HealthSchema, ServiceSchema } from "./shapes.ts";

const healthRoute = createRoute({
  method: "get",
  path: "/health",
  operationId: "health",
  summary: "Which version answers, and whether its bindings can be reached",
  tags: ["service"],
  responses: {
    200: jsonAnswer("All bindings answer", HealthSchema),
    503: jsonAnswer("At least one does not", HealthSchema),
    ...problemAnswers(),
  },
});

const serviceRoute = createRoute({
  method: "get",
  path: "/",
  operationId: "service",
  summary: "What this is, and where to look next",
  tags: ["service"],
  responses: { 200: jsonAnswer("The service", ServiceSchema), ...problemAnswers() },
});

const LINKS = {
  health: "/health",
  docs: "/docs",
  openapi: "/openapi.json",
  buffer: "/buffer",
  read: "/read",
  tables: "/tables",
};

/** The routes that say how the hub is. */
export function healthRoutes() {
  const router = createRouter();

  router.openapi(healthRoute, async (c) => {
    const { id, tag } = c.env.VERSION;
    const bindings = await checkBindings(c.env);
    const ok = Object.values(bindings).every((health) => health === "ok");
    c.header("cache-control", "no-store");
    return c.json(
      {
        status: ok ? ("ok" as const) : ("degraded" as const),
        version: { id, tag },
        lane: c.env.LANE,
        environment: c.env.ENVIRONMENT,
        bindings,
      },
      ok ? 200 : 503,
    );
  });

  router.openapi(serviceRoute, (c) =>
    c.json({ service: "strata hub", version: c.env.VERSION.id, lane: c.env.LANE, links: LINKS }, 200),
  );

  return router;
}
