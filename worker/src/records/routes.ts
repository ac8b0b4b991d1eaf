/** The records API: `POST /buffer`, `GET /read`, `GET /tables`. */
import { createRoute } from "@hono/zod-openapi";
import { requireApiKey } from "../auth/index.ts";
import { createRouter, jsonAnswer, problemAnswers } from "../http/index.ts";
import { callArchiver } from "./archiver.ts";
import { bufferRoutes } from "./buffer-routes.ts";
import { readRoutes } from "./read-routes.ts";
import { TablesAnswerSchema } from "./shapes.ts";

const tablesRoute = createRoute({
  method: "get",
  path: "/tables",
  operationId: "listTables",
  summary: "The tables that take records",
  tags: ["records"],
  security: [{ apiKey: [] }, { bearer: [] }],
  responses: {
    200: jsonAnswer("Their names", TablesAnswerSchema),
    ...problemAnswers("unauthenticated", "archiver-unavailable", "archiver-timeout"),
  },
});

/** The routes of the records API. */
export function recordsRoutes() {
  const router = createRouter();
  router.use(tablesRoute.path, requireApiKey());

  router.route("/", bufferRoutes());
  router.route("/", readRoutes());
  router.openapi(tablesRoute, async (c) => {
    const tables = await callArchiver(c.env.ARCHIVER, (archiver) => archiver.tables());
    return c.json({ tables }, 200);
  });

  return router;
}
