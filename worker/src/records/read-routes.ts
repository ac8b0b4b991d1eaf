/** `GET /read`: a page of records in one of three formats. */
import { createRoute, z } from "@hono/zod-openapi";
import { requireApiKey } from "../auth/index.ts";
import { createRouter, problemAnswers, ProblemError, reportNumber } from "../http/index.ts";
import { callArchiver, readRefusal } from "./archiver.ts";
import { AVRO_TYPES, JSON_TYPES, NDJSON_TYPES } from "./media-types.ts";
import { negotiate, READ_TYPES, representationOf, type Representation } from "./negotiate.ts";
import { notModifiedResponse, pageHead, pageResponse } from "./page.ts";
import {
  DEFAULT_READ_LIMIT,
  ReadAnswerSchema,
  ReadHeadersSchema,
  ReadQuerySchema,
  ReadRequestHeadersSchema,
} from "./shapes.ts";
import { MAX_TIME_MS, MIN_TIME_MS } from "./time.ts";

const readRoute = createRoute({
  method: "get",
  path: "/read",
  operationId: "readRecords",
  summary: "Read records in time order",
  description:
    "The answer is streamed. One that ends before its last byte is broken, and the connection with it: " +
    "ask again for the same page.",
  tags: ["records"],
  security: [{ apiKey: [] }, { bearer: [] }],
  request: { query: ReadQuerySchema, headers: ReadRequestHeadersSchema },
  responses: {
    200: {
      description: "One page",
      headers: ReadHeadersSchema,
      content: {
        [JSON_TYPES[0]]: { schema: ReadAnswerSchema },
        [NDJSON_TYPES[0]]: { schema: z.string().openapi({ description: "One record a line" }) },
        [AVRO_TYPES[0]]: {
          schema: z.string().openapi({
            format: "binary",
            description: "An Avro object container file in the table's newest schema",
          }),
        },
      },
    },
    304: { description: "The client has this page already, as its `If-None-Match` says" },
    ...problemAnswers(
      "unauthenticated",
      "unknown-table",
      "not-acceptable",
      "invalid",
      "too-dense",
      "unreadable-data",
      "object-missing",
      "archiver-unavailable",
      "archiver-timeout",
    ),
  },
});

/** @throws ProblemError `not-acceptable` */
function acceptable(accept: string | undefined): Representation {
  const representation = negotiate(accept);
  if (representation !== null) return representation;
  throw new ProblemError("not-acceptable", {
    detail: `Records are given as ${READ_TYPES.join(", ")}. Mend the \`Accept\` header, or choose by \`format\` in the query.`,
    extensions: { content_types: READ_TYPES },
    headers: { vary: "accept" },
  });
}

/** The ways out. */
export function readRoutes() {
  const router = createRouter();
  router.use(readRoute.path, requireApiKey());

  router.openapi(readRoute, async (c) => {
    const query = c.req.valid("query");
    const headers = c.req.valid("header");
    const { dataset_id: datasetId, table, format } = query;
    const representation = format === undefined ? acceptable(headers.accept) : representationOf(format);

    const result = await callArchiver(c.env.ARCHIVER, (archiver) =>
      archiver.read({
        datasetId,
        table,
        from: query.from ?? MIN_TIME_MS,
        to: query.to ?? MAX_TIME_MS,
        limit: query.limit ?? DEFAULT_READ_LIMIT,
        cursor: query.cursor,
        format: representation.format,
        ifNoneMatch: headers["if-none-match"],
      }),
    );
    if (!result.ok) throw readRefusal(result, table);
    const request = { url: c.req.url, datasetId, table, representation, negotiated: format === undefined };
    if (!result.modified) return notModifiedResponse(result, request);
    reportNumber(c, "records_read", result.hot + result.cold);
    return c.req.method === "HEAD" ? await pageHead(result, request) : pageResponse(result, request);
  });

  return router;
}
