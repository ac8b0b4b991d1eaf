/** Shapes of the records API. What a record holds is the archiver's to judge. */
import { z } from "@hono/zod-openapi";
import { MAX_TIME_MS, MIN_TIME_MS, parseTime } from "./time.ts";

export const MAX_RECORDS_PER_REQUEST = 10_000;
export const DEFAULT_READ_LIMIT = 1_000;
export const MAX_READ_LIMIT = 10_000;

/** Levels of arrays and objects in a record. A few thousand are more than an RPC call carries. */
export const MAX_RECORD_DEPTH = 64;

const MAX_NAME = 128;
const MAX_CURSOR = 2_048;

const DatasetId = z
  .string("must be a string")
  .regex(/^[A-Za-z0-9_.:-]{1,128}$/, "must have 1–128 characters of A–Z a–z 0-9 _ . : -")
  .openapi({ description: "Tenant whose records these are", example: "airport:ATL" });

const TableName = z
  .string("must be a string")
  .min(1, "must not be empty")
  .max(MAX_NAME, `must have at most ${MAX_NAME} characters`)
  .openapi({ example: "flights" });

/** Whether a value nests at most so many levels; it looks no deeper than that. */
function nestsWithin(levels: number, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((member) => nestsWithin(levels - 1, member));
}

const RecordSchema = z
  .unknown()
  .refine(
    (record) => nestsWithin(MAX_RECORD_DEPTH, record),
    `must nest at most ${MAX_RECORD_DEPTH} levels deep`,
  );

export const BufferRequestSchema = z
  .strictObject(
    {
      dataset_id: DatasetId,
      table: TableName,
      period_tag: z.string("must be a string").min(1, "must not be empty").max(MAX_NAME).optional().openapi({
        description: "Period the records belong to; derived from each record's time when absent",
        example: "2026_11_22",
      }),
      records: z
        .array(RecordSchema, "must be an array")
        .min(1, "must hold at least one record")
        .max(MAX_RECORDS_PER_REQUEST, `must hold at most ${MAX_RECORDS_PER_REQUEST} records`)
        .openapi({ description: "Records that fit the table's Avro schema" }),
    },
    { error: (issue) => (issue.code === "invalid_type" ? "must be a JSON object" : undefined) },
  )
  .openapi("BufferRequest");

const MAX_IDEMPOTENCY_KEY = 255;
const idempotencyKeyMessage = `must have 1–${MAX_IDEMPOTENCY_KEY} visible ASCII characters`;

export const BufferHeadersSchema = z.object({
  "idempotency-key": z
    .string()
    .regex(new RegExp(`^[\\x21-\\x7e]{1,${MAX_IDEMPOTENCY_KEY}}$`), idempotencyKeyMessage)
    .optional()
    .openapi({
      description: "Makes a retry safe: the same records under the same key are stored once",
      example: "upload-2026-11-22-0001",
    }),
});

export const BufferAnswerSchema = z
  .object({
    accepted: z.int().openapi({ description: "Records taken" }),
    messages: z.int().openapi({ description: "Queue messages they became" }),
    bytes: z.int().openapi({ description: "Encoded size of the records" }),
  })
  .openapi("BufferAnswer");

const timeParameter = (description: string) =>
  z
    .string("must be given once")
    .transform((text, context) => {
      const ms = parseTime(text);
      if (ms !== null) return ms;
      context.addIssue({
        code: "custom",
        message:
          "must be an ISO 8601 date, a date-time with a zone (2026-11-22T08:00:00Z), or integer milliseconds",
      });
      return z.NEVER;
    })
    .optional()
    .openapi({ type: "string", description, example: "2026-11-22T00:00:00Z" });

const limitMessage = `must be an integer from 1 to ${MAX_READ_LIMIT}`;

const ReadLimit = z
  .string("must be given once")
  .regex(/^\d{1,6}$/, limitMessage)
  .transform(Number)
  .pipe(z.number().min(1, limitMessage).max(MAX_READ_LIMIT, limitMessage))
  .optional()
  .openapi({
    type: "integer",
    description: `Records a page; ${DEFAULT_READ_LIMIT} unless told`,
    example: 500,
  });

const IntervalSchema = z.object({ from: z.number().optional(), to: z.number().optional() });

export const ReadQuerySchema = z
  .strictObject({
    dataset_id: DatasetId,
    table: TableName,
    from: timeParameter("Inclusive; all time unless told"),
    to: timeParameter("Exclusive; all time unless told"),
    limit: ReadLimit,
    cursor: z
      .string("must be given once")
      .min(1, "must not be empty")
      .max(MAX_CURSOR, "is not one of ours")
      .optional()
      .openapi({ description: "`next_cursor` of the page before" }),
  })
  .refine(({ from, to }) => (from ?? MIN_TIME_MS) < (to ?? MAX_TIME_MS), {
    path: ["to"],
    message: "must be later than `from`",
    when: ({ value }) => IntervalSchema.safeParse(value).success,
  });

export const ReadAnswerSchema = z
  .object({
    records: z.array(z.record(z.string(), z.unknown())).readonly().openapi({ description: "In time order" }),
    next_cursor: z.string().nullable().openapi({ description: "`null` on the last page" }),
    source: z.object({
      hot: z.int().openapi({ description: "Records that came from D1" }),
      cold: z.int().openapi({ description: "Records that came from R2" }),
      range_reads: z.int().openapi({ description: "R2 range requests made" }),
    }),
  })
  .openapi("ReadAnswer");

export const TablesAnswerSchema = z
  .object({ tables: z.array(z.string()).readonly() })
  .openapi("TablesAnswer");
