/** `POST /admin/archive/verify | reindex`, `GET /admin/archive/file`. */
import { createRoute } from "@hono/zod-openapi";
import { createRouter, jsonAnswer, jsonBody, problemAnswers, ProblemError } from "../http/index.ts";
import { callArchiver, operationRefusal } from "../records/index.ts";
import { OPERATION_TIMEOUT_MS } from "./bounds.ts";
import {
  FileQuerySchema,
  FileReportSchema,
  ReindexRequestSchema,
  ReindexSchema,
  VerificationSchema,
  VerifyRequestSchema,
} from "./integrity-shapes.ts";

const common = { tags: ["archive"], security: [{ adminToken: [] }] };
const PROBLEMS = ["unauthenticated", "invalid", "archiver-unavailable", "archiver-timeout"] as const;
const BODY_PROBLEMS = ["malformed-json", "body-too-large", "unsupported-media-type"] as const;

const verifyRoute = createRoute({
  ...common,
  method: "post",
  path: "/admin/archive/verify",
  operationId: "verifyArchive",
  summary: "Check some of the archive; the pages together check it all",
  request: { body: jsonBody(VerifyRequestSchema) },
  responses: {
    200: jsonAnswer("What was checked, and what is not as it should be", VerificationSchema),
    ...problemAnswers(...PROBLEMS, ...BODY_PROBLEMS),
  },
});

const reindexRoute = createRoute({
  ...common,
  method: "post",
  path: "/admin/archive/reindex",
  operationId: "reindexArchive",
  summary: "Make the index again from the bucket alone",
  description:
    "First `scan` until `nextCursor` is `null`; then `apply`, with `dryRun` to see what it would change.",
  request: { body: jsonBody(ReindexRequestSchema) },
  responses: {
    200: jsonAnswer("What was found or put in place", ReindexSchema),
    ...problemAnswers(...PROBLEMS, ...BODY_PROBLEMS, "archive-busy"),
  },
});

const fileRoute = createRoute({
  ...common,
  method: "get",
  path: "/admin/archive/file",
  operationId: "inspectArchiveFile",
  summary: "What one archive file holds",
  request: { query: FileQuerySchema },
  responses: {
    200: jsonAnswer("Its schema, metadata and blocks", FileReportSchema),
    ...problemAnswers(...PROBLEMS, "unknown-file", "not-an-archive-file"),
  },
});

/** Checks of the archive, and its recovery. */
export function integrityRoutes() {
  const router = createRouter();

  router.openapi(verifyRoute, async (c) => {
    const request = c.req.valid("json");
    const result = await callArchiver(
      c.env.ARCHIVER,
      (archiver) => archiver.verify(request),
      OPERATION_TIMEOUT_MS,
    );
    if (!result.ok) throw operationRefusal(result);
    const { ok: _ok, ...verification } = result;
    return c.json(verification, 200);
  });

  router.openapi(reindexRoute, async (c) => {
    const request = c.req.valid("json");
    const result = await callArchiver(
      c.env.ARCHIVER,
      (archiver) => archiver.reindex(request),
      OPERATION_TIMEOUT_MS,
    );
    if (!result.ok) throw operationRefusal(result);
    const { ok: _ok, ...reindex } = result;
    return c.json(reindex, 200);
  });

  router.openapi(fileRoute, async (c) => {
    const { key } = c.req.valid("query");
    const report = await callArchiver(c.env.ARCHIVER, (archiver) => archiver.inspect({ key }));
    if (report === null) {
      throw new ProblemError("unknown-file", {
        detail: `The bucket has no object ${JSON.stringify(key)}. Faults of \`POST /admin/archive/verify\` name files by their keys.`,
      });
    }
    if ("fault" in report) throw new ProblemError("not-an-archive-file", { detail: report.fault });
    return c.json(report, 200);
  });

  return router;
}
