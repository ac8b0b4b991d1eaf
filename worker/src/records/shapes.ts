/** Shapes of the records API. What a record holds is the archiver's to judge. */
import { z } from "@hono/zod-openapi";
import { jsonPointer, type Fault } from "../http/index.ts";
import {
  MAX_RECORD_DEPTH,
  MAX_RECORDS_PER_REQUEST,
  nestsWithin,
  NO_RECORDS,
  TOO_DEEP,
  TOO_MANY,
} from "./bounds.ts";
import { READ_FORMATS } from "./negotiate.ts";
import { MAX_TIME_MS, MIN_TIME_MS, parseTime, timeFault } from "./time.ts";

export const DEFAULT_READ_LIMIT = 1_000;
export const MAX_READ_LIMIT = 10_000;

const MAX_NAME = 128;
const MAX_CURSOR = 2_048;

/** `.` and `..` are steps of a path, so that no address could name such a dataset. */
const DATASET_ID = /^(?!\.{1,2}$)[A-Za-z0-9_.:-]{1,128}$/;

/** A period is a part of an object key: no separator, and nothing hidden. */
const PERIOD_TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;

/** What is wrong with a value that is no text. */
type NoText = string | ((issue: { readonly input: unknown }) => string);

const inBody: NoText = "must be a string";
const inQuery: NoText = ({ input }) =>
  input === undefined ? "must be given in the query" : "must be given once";

const datasetId = (noText: NoText) =>
  z
    .string({ error: noText })
    .regex(DATASET_ID, "must have 1–128 characters of A–Z a–z 0-9 _ . : - and be neither . nor ..")
    .openapi({ description: "Tenant whose records these are", example: "airport:ATL" });

export const DatasetId = datasetId(inBody);

const tableName = (noText: NoText) =>
  z
    .string({ error: noText })
    .min(1, "must not be empty")
    .max(MAX_NAME, `must have at most ${MAX_NAME} characters`)
    .openapi({ example: "flights" });

const RecordSchema = z.unknown().refine((record) => nestsWithin(MAX_RECORD_DEPTH, record), TOO_DEEP);

const PERIOD =
  "A period is the part of an object's key that its records share, their UTC day unless told, and files are merged within it";

const periodTag = (noText: NoText) =>
  z
    .string({ error: noText })
    .regex(PERIOD_TAG, "must have 1–64 characters of A–Z a–z 0-9 _ . - and begin with neither . nor -")
    .openapi({ description: PERIOD, example: "2026_11_22" });

const target = (noText: NoText) => ({
  dataset_id: datasetId(noText),
  table: tableName(noText),
  period_tag: periodTag(noText).optional(),
});

/** Where the records belong when the body holds nothing but records. */
export const UploadTargetSchema = z.strictObject(target(inQuery));

const besideRecords = (schema: z.ZodString, description: string) =>
  schema.optional().openapi({ description: `${description}. JSON bodies say it themselves` });

const beside = target(inQuery);

/** The same parameters as the document shows them: which body needs them is said in words. */
export const UploadTargetParameters = z.object({
  dataset_id: besideRecords(beside.dataset_id, "With NDJSON and Avro bodies: required"),
  table: besideRecords(beside.table, "With NDJSON and Avro bodies: required"),
  period_tag: besideRecords(beside.period_tag.unwrap(), `With NDJSON and Avro bodies: optional. ${PERIOD}`),
});

/** The query of an upload that says where its records belong in its body. */
export function strayParameters(query: Readonly<Record<string, unknown>>): readonly Fault[] {
  return Object.keys(query).map((name) => ({
    path: jsonPointer([name]),
    message: `${Object.hasOwn(beside, name) ? "is in the body" : "is not known here"}; JSON takes no query parameters`,
  }));
}

export const BufferRequestSchema = z
  .strictObject(
    {
      ...target(inBody),
      records: z
        .array(RecordSchema, "must be an array")
        .min(1, NO_RECORDS)
        .max(MAX_RECORDS_PER_REQUEST, TOO_MANY)
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
      description:
        "Makes a retry safe: the same request under the same key is stored once and answered as it was, for 30 days",
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
      context.addIssue({ code: "custom", message: timeFault(text) });
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
    dataset_id: datasetId(inQuery),
    table: tableName(inQuery),
    from: timeParameter("Inclusive; all time unless told"),
    to: timeParameter("Exclusive; all time unless told"),
    limit: ReadLimit,
    cursor: z
      .string("must be given once")
      .min(1, "must not be empty")
      .max(MAX_CURSOR, "is not one of ours")
      .optional()
      .openapi({ description: "`next_cursor` of the page before" }),
    format: z
      .enum(READ_FORMATS, `must be given once, as one of ${READ_FORMATS.join(", ")}`)
      .optional()
      .openapi({
        description:
          "`json`, `ndjson` (a record a line) or `ocf` (an Avro object container file); what `Accept` asks for unless told",
        example: "ndjson",
      }),
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
      cold_bytes: z.int().openapi({ description: "Bytes that they brought" }),
      lost_blocks: z
        .int()
        .openapi({ description: "Blocks of the range whose object is lost; their records are not here" }),
    }),
  })
  .openapi("ReadAnswer");

const countHeader = (description: string) => z.string().optional().openapi({ type: "integer", description });

/** What each page says in its head, whatever its format. */
export const ReadHeadersSchema = z.object({
  "strata-next-cursor": z
    .string()
    .optional()
    .openapi({ description: "The `cursor` of the next page; absent on the last" }),
  link: z
    .string()
    .optional()
    .openapi({ description: '`<address>; rel="next"`: the next page; absent on the last' }),
  "strata-source-hot": countHeader("Records that came from D1"),
  "strata-source-cold": countHeader("Records that came from R2"),
  "strata-source-range-reads": countHeader("R2 range requests made"),
  "strata-source-cold-bytes": countHeader("Bytes that they brought"),
  "strata-source-lost-blocks": countHeader("Blocks whose object is lost; their records are not here"),
  etag: z.string().optional().openapi({ description: "For `If-None-Match`" }),
});

export const ReadRequestHeadersSchema = z.object({
  accept: z.string().optional().openapi({
    description: "Chooses the format when `format` does not",
    example: "application/x-ndjson",
  }),
  "if-none-match": z
    .string()
    .optional()
    .openapi({ description: "Entity tags of pages that the client has; answered 304 when one still holds" }),
});

export const TablesAnswerSchema = z
  .object({ tables: z.array(z.string()).readonly() })
  .openapi("TablesAnswer");
