/** `POST /buffer`: records as JSON, NDJSON or Avro. */
import { createRoute, z } from "@hono/zod-openapi";
import { requireApiKey } from "../auth/index.ts";
import { createRouter, jsonAnswer, problemAnswers, reportNumber } from "../http/index.ts";
import { callArchiver, ingestRefusal } from "./archiver.ts";
import { MAX_RECORDS_PER_REQUEST } from "./bounds.ts";
import { AVRO_TYPES, JSON_TYPES, NDJSON_TYPES } from "./media-types.ts";
import {
  BufferAnswerSchema,
  BufferHeadersSchema,
  BufferRequestSchema,
  UploadTargetParameters,
} from "./shapes.ts";
import { limitUpload, MAX_UPLOAD_BYTES, readUpload } from "./upload.ts";

const NdjsonBody = z
  .string()
  .openapi({ description: "One record a line", example: '{"time":1}\n{"time":2}\n' });
const AvroBody = z.string().openapi({
  format: "binary",
  description: "An Avro object container file in a published schema of the table",
});

const bufferRoute = createRoute({
  method: "post",
  path: "/buffer",
  operationId: "bufferRecords",
  summary: "Take records",
  description: [
    "All records are taken, or none, unless the queue refuses in the middle: then the answer says how many were. ",
    "With an `Idempotency-Key` the request may be sent again safely; an answer that repeats the first one carries `idempotency-replayed: true`. ",
    `A body may have ${MAX_UPLOAD_BYTES} bytes, and as text ${MAX_RECORDS_PER_REQUEST} records. `,
    "NDJSON and Avro hold records only: the query says where they belong. A JSON body says it itself, without a query.",
  ].join(""),
  tags: ["records"],
  security: [{ apiKey: [] }, { bearer: [] }],
  request: {
    headers: BufferHeadersSchema,
    query: UploadTargetParameters,
    body: {
      required: true,
      content: {
        [JSON_TYPES[0]]: { schema: BufferRequestSchema },
        [NDJSON_TYPES[0]]: { schema: NdjsonBody },
        [AVRO_TYPES[0]]: { schema: AvroBody },
      },
    },
  },
  responses: {
    202: {
      ...jsonAnswer("Taken; readable shortly after", BufferAnswerSchema),
      headers: z.object({
        "idempotency-replayed": z
          .literal("true")
          .optional()
          .openapi({ description: "The key was known: this is the answer of the first request" }),
      }),
    },
    ...problemAnswers(
      "malformed-json",
      "unauthenticated",
      "unknown-table",
      "body-too-large",
      "unsupported-media-type",
      "invalid",
      "idempotency-key-reused",
      "queue-unavailable",
      "archiver-unavailable",
      "archiver-timeout",
    ),
  },
});

/**
 * The ways in. What a body has to be depends on its type, which the library's
 * validators do not know: the route is documented here and judged by `readUpload`.
 */
export function bufferRoutes() {
  const router = createRouter();
  router.openAPIRegistry.registerPath(bufferRoute);
  router.use(bufferRoute.path, requireApiKey());

  router.post(bufferRoute.path, limitUpload(), async (c) => {
    const upload = await readUpload(c);
    const result = await callArchiver(c.env.ARCHIVER, (archiver) => archiver.ingest(upload));
    if (!result.ok) throw ingestRefusal(result, upload);
    const { accepted, messages, bytes, replayed } = result;
    reportNumber(c, "records_taken", accepted);
    if (replayed) c.header("idempotency-replayed", "true");
    return c.json({ accepted, messages, bytes } satisfies z.input<typeof BufferAnswerSchema>, 202);
  });

  return router;
}
