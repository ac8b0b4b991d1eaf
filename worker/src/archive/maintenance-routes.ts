/** `POST /admin/archive/run | compact | retain`, `GET /admin/archive/stats`. */
import { createRoute } from "@hono/zod-openapi";
import { createRouter, jsonAnswer, problemAnswers } from "../http/index.ts";
import { callArchiver } from "../records/index.ts";
import { OPERATION_TIMEOUT_MS } from "./bounds.ts";
import {
  ArchiveRunSchema,
  ArchiveStatsSchema,
  CompactionRequestSchema,
  CompactionSchema,
  RetentionSchema,
} from "./shapes.ts";

const common = { tags: ["archive"], security: [{ adminToken: [] }] };
const PROBLEMS = ["unauthenticated", "archiver-unavailable", "archiver-timeout"] as const;

const runRoute = createRoute({
  ...common,
  method: "post",
  path: "/admin/archive/run",
  operationId: "runArchive",
  summary: "Archive now what is ready",
  responses: { 200: jsonAnswer("What was moved", ArchiveRunSchema), ...problemAnswers(...PROBLEMS) },
});

const compactRoute = createRoute({
  ...common,
  method: "post",
  path: "/admin/archive/compact",
  operationId: "compactArchive",
  summary: "Merge the small files of periods that are over",
  request: { body: { content: { "application/json": { schema: CompactionRequestSchema } } } },
  responses: {
    200: jsonAnswer("What was merged", CompactionSchema),
    ...problemAnswers(...PROBLEMS, "malformed-json", "body-too-large", "unsupported-media-type", "invalid"),
  },
});

const retainRoute = createRoute({
  ...common,
  method: "post",
  path: "/admin/archive/retain",
  operationId: "retainArchive",
  summary: "Clear away what has expired, was replaced or belongs to nothing",
  responses: { 200: jsonAnswer("What was cleared away", RetentionSchema), ...problemAnswers(...PROBLEMS) },
});

const statsRoute = createRoute({
  ...common,
  method: "get",
  path: "/admin/archive/stats",
  operationId: "archiveStats",
  summary: "What is hot and what is cold",
  responses: {
    200: jsonAnswer("Rows, records and bytes", ArchiveStatsSchema),
    ...problemAnswers(...PROBLEMS),
  },
});

/** What the cron does by itself, on demand. */
export function maintenanceRoutes() {
  const router = createRouter();

  router.openapi(runRoute, async (c) =>
    c.json(await callArchiver(c.env.ARCHIVER, (archiver) => archiver.archive(), OPERATION_TIMEOUT_MS), 200),
  );

  router.openapi(compactRoute, async (c) => {
    const { force } = c.req.valid("json");
    const compact = callArchiver(
      c.env.ARCHIVER,
      (archiver) => archiver.compact({ force }),
      OPERATION_TIMEOUT_MS,
    );
    return c.json(await compact, 200);
  });

  router.openapi(retainRoute, async (c) =>
    c.json(await callArchiver(c.env.ARCHIVER, (archiver) => archiver.retain(), OPERATION_TIMEOUT_MS), 200),
  );

  router.openapi(statsRoute, async (c) =>
    c.json(await callArchiver(c.env.ARCHIVER, (archiver) => archiver.stats()), 200),
  );

  return router;
}
