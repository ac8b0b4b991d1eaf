/** `POST /admin/archive/run`, `GET /admin/archive/stats`. */
import { createRoute } from "@hono/zod-openapi";
import { createRouter, jsonAnswer, problemAnswers } from "../http/index.ts";
import { callArchiver } from "../records/index.ts";
import { ArchiveRunSchema, ArchiveStatsSchema } from "./shapes.ts";

const runRoute = createRoute({
  method: "post",
  path: "/admin/archive/run",
  operationId: "runArchive",
  summary: "Archive now what is ready",
  tags: ["archive"],
  security: [{ adminToken: [] }],
  responses: {
    200: jsonAnswer("What was moved", ArchiveRunSchema),
    ...problemAnswers("unauthenticated", "archiver-unavailable", "archiver-timeout"),
  },
});

const statsRoute = createRoute({
  method: "get",
  path: "/admin/archive/stats",
  operationId: "archiveStats",
  summary: "What is hot and what is cold",
  tags: ["archive"],
  security: [{ adminToken: [] }],
  responses: {
    200: jsonAnswer("Rows, records and bytes", ArchiveStatsSchema),
    ...problemAnswers("unauthenticated", "archiver-unavailable", "archiver-timeout"),
  },
});

/** A run moves many files; it gets longer than other calls, in milliseconds. */
export const ARCHIVE_TIMEOUT_MS = 120_000;

/** Operations of the archive; the admin guard stands before them. */
export function archiveRoutes() {
  const router = createRouter();
  router.openapi(runRoute, async (c) =>
    c.json(await callArchiver(c.env.ARCHIVER, (archiver) => archiver.archive(), ARCHIVE_TIMEOUT_MS), 200),
  );
  router.openapi(statsRoute, async (c) =>
    c.json(await callArchiver(c.env.ARCHIVER, (archiver) => archiver.stats()), 200),
  );
  return router;
}
