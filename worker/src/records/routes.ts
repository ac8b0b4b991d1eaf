/** `POST /buffer`, `GET /read`, `GET /tables`. */
import { createRoute } from "@hono/zod-openapi";
import { requireApiKey } from "../auth/index.ts";
import { createRouter, jsonAnswer, jsonBody, limitBody, problemAnswers, requireUtf8 } from "../http/index.ts";
import { callArchiver, refusal } from "./archiver.ts";
import {
  BufferAnswerSchema,
  BufferHeadersSchema,
  BufferRequestSchema,
  DEFAULT_READ_LIMIT,
  ReadAnswerSchema,
  ReadQuerySchema,
  TablesAnswerSchema,
} from "./shapes.ts";
import { MAX_TIME_MS, MIN_TIME_MS } from "./time.ts";

const bufferRoute = createRoute({
  method: "post",
  path: "/buffer",
  operationId: "bufferRecords",
  summary: "Take records",
  description:
    "All records are taken, or none. With an `Idempotency-Key` the request may be sent again safely.",
  tags: ["records"],
  security: [{ apiKey: [] }, { bearer: [] }],
  request: { headers: BufferHeadersSchema, body: jsonBody(BufferRequestSchema) },
  responses: {
    202: jsonAnswer("Taken; readable shortly after", BufferAnswerSchema),
    ...problemAnswers(
      "malformed-json",
      "unauthenticated",
      "unknown-table",
      "body-too-large",
      "unsupported-media-type",
      "invalid",
      "queue-unavailable",
      "archiver-unavailable",
      "archiver-timeout",
    ),
  },
});

const readRoute = createRoute({
  method: "get",
  path: "/read",
  operationId: "readRecords",
  summary: "Read records in time order",
  tags: ["records"],
  security: [{ apiKey: [] }, { bearer: [] }],
  request: { query: ReadQuerySchema },
  responses: {
    200: jsonAnswer("One page", ReadAnswerSchema),
    ...problemAnswers(
      "unauthenticated",
      "unknown-table",
      "invalid",
      "archiver-unavailable",
      "archiver-timeout",
    ),
  },
});

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
  for (const route of [bufferRoute, readRoute, tablesRoute]) router.use(route.path, requireApiKey());
  router.use(bufferRoute.path, limitBody(), requireUtf8());

  router.openapi(bufferRoute, async (c) => {
    const { dataset_id, table, period_tag, records } = c.req.valid("json");
    const { "idempotency-key": idempotencyKey } = c.req.valid("header");
    const result = await callArchiver(c.env.ARCHIVER, (archiver) =>
      archiver.ingest({ datasetId: dataset_id, table, periodTag: period_tag, idempotencyKey, records }),
    );
    if (!result.ok) throw refusal(result, table);
    return c.json({ accepted: result.accepted, messages: result.messages, bytes: result.bytes }, 202);
  });

  router.openapi(readRoute, async (c) => {
    const query = c.req.valid("query");
    const result = await callArchiver(c.env.ARCHIVER, (archiver) =>
      archiver.read({
        datasetId: query.dataset_id,
        table: query.table,
        from: query.from ?? MIN_TIME_MS,
        to: query.to ?? MAX_TIME_MS,
        limit: query.limit ?? DEFAULT_READ_LIMIT,
        cursor: query.cursor,
      }),
    );
    if (!result.ok) throw refusal(result, query.table);
    const source = { hot: result.hot, cold: result.cold, range_reads: result.rangeReads };
    c.header("cache-control", "no-store");
    return c.json({ records: result.records, next_cursor: result.nextCursor, source }, 200);
  });

  router.openapi(tablesRoute, async (c) => {
    const tables = await callArchiver(c.env.ARCHIVER, (archiver) => archiver.tables());
    return c.json({ tables }, 200);
  });

  return router;
}
