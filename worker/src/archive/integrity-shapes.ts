/** Requests and answers of the archive's checks, as the archiver's contract names them. */
import { z } from "@hono/zod-openapi";
import type {
  FileReport,
  IntegrityFault,
  ReindexRequest,
  ReindexResult,
  VerifyRequest,
  VerifyResult,
} from "../../../archiver/src/contract.ts";
import { MAX_CURSOR } from "./bounds.ts";

/** What an operation answers when it is done. */
type Done<T, Step = unknown> = Omit<Extract<T, { readonly ok: true; readonly step?: Step }>, "ok">;

/** R2's bound of a key, in bytes; here of characters. */
const MAX_KEY = 1_024;

const DEPTHS = ["index", "full"] as const;

const Cursor = z
  .string("must be a string")
  .min(1, "must not be empty")
  .max(MAX_CURSOR, "is not one of ours")
  .openapi({ description: "`nextCursor` of the call before" });

const NextCursor = z
  .string()
  .nullable()
  .openapi({ description: "For the next call; `null` when this was the last" });

export const VerifyRequestSchema = z
  .strictObject({
    depth: z.enum(DEPTHS, `must be one of ${DEPTHS.join(", ")}`).openapi({
      description: "`index`: the index, and each object's size and checksum; `full`: every byte as well",
    }),
    cursor: Cursor.optional(),
  })
  .openapi("VerifyRequest") satisfies z.ZodType<VerifyRequest>;

const IntegrityFaultSchema = z
  .object({
    check: z.string().openapi({ example: "sync-marker" }),
    subject: z.string().openapi({ description: "The file, row or object" }),
    detail: z.string(),
  })
  .openapi("IntegrityFault") satisfies z.ZodType<IntegrityFault>;

export const VerificationSchema = z
  .object({
    files: z.int(),
    blocks: z.int(),
    records: z.int(),
    bytes: z.int(),
    faults: z.array(IntegrityFaultSchema).readonly().openapi({ description: "The first 100" }),
    faultCount: z.int(),
    nextCursor: NextCursor,
  })
  .openapi("Verification") satisfies z.ZodType<Done<VerifyResult>>;

const STEPS = ["scan", "apply"] as const;

export const ReindexRequestSchema = z
  .discriminatedUnion(
    "step",
    [
      z.strictObject({ step: z.literal("scan"), cursor: Cursor.optional() }),
      z.strictObject({ step: z.literal("apply"), dryRun: z.boolean("must be true or false") }),
    ],
    {
      error: (issue) =>
        issue.code === "invalid_union" ? `must be one of ${STEPS.join(", ")}` : "must be an object",
    },
  )
  .openapi("ReindexRequest") satisfies z.ZodType<ReindexRequest>;

const ReindexScanSchema = z
  .object({
    step: z.literal("scan"),
    objects: z.int().openapi({ description: "Objects of this call" }),
    faults: z
      .array(IntegrityFaultSchema)
      .readonly()
      .openapi({ description: "Objects that are no archive file, or are damaged" }),
    nextCursor: NextCursor,
  })
  .openapi("ReindexScan") satisfies z.ZodType<Done<ReindexResult, "scan">>;

const ReindexApplySchema = z
  .object({
    step: z.literal("apply"),
    applied: z.boolean(),
    files: z.int(),
    blocks: z.int(),
    records: z.int(),
    now: z
      .object({ files: z.int(), blocks: z.int(), records: z.int() })
      .openapi({ description: "What the index had before: its live files" }),
    lost: z.object({ files: z.int(), records: z.int() }).openapi({
      description:
        "What stands as lost in the new index: files whose object is gone or damaged, and `conflicts`",
    }),
    superseded: z
      .array(z.string())
      .readonly()
      .openapi({ description: "Objects whose records are in other objects, or still hot: left out" }),
    conflicts: z
      .array(IntegrityFaultSchema)
      .readonly()
      .openapi({ description: "Objects that hold some of another's records: left out, look at them" }),
  })
  .openapi("ReindexApply") satisfies z.ZodType<Done<ReindexResult, "apply">>;

export const ReindexSchema = z.union([ReindexScanSchema, ReindexApplySchema]).openapi("Reindex");

export const FileQuerySchema = z.strictObject({
  key: z
    .string("must be given once")
    .min(1, "must not be empty")
    .max(MAX_KEY, `must have at most ${MAX_KEY} characters`)
    .openapi({
      description: "The object's key in the bucket",
      example: "flights/2026_11_22/1-2-0123456789ab.avro",
    }),
});

export const FileReportSchema = z
  .object({
    key: z.string(),
    size: z.int(),
    headerSize: z.int(),
    codec: z.string(),
    fingerprint: z.string().openapi({ description: "SHA-256 of the writer schema's canonical form" }),
    schema: z.string().openapi({ description: "The writer schema as JSON" }),
    metadata: z.record(z.string(), z.string()).readonly(),
    records: z.int(),
    blocks: z
      .array(
        z.object({
          start: z.int(),
          length: z.int(),
          records: z.int(),
          datasetId: z.string().nullable().openapi({ description: "`null` where the file does not say" }),
        }),
      )
      .readonly(),
  })
  .openapi("FileReport") satisfies z.ZodType<FileReport>;
