/** Answers of the archive's maintenance, field by field as the archiver's contract names them. */
import { z } from "@hono/zod-openapi";
import type {
  ArchiveRunResult,
  ArchiveStats,
  CompactionResult,
  RetentionResult,
  Spend,
} from "../../../archiver/src/contract.ts";

export const SpendSchema = z
  .object({
    d1Queries: z.int(),
    d1RowsRead: z.int(),
    d1RowsWritten: z.int(),
    r2ClassA: z.int().openapi({ description: "R2 operations that change or list" }),
    r2ClassB: z.int().openapi({ description: "R2 operations that read" }),
    r2BytesRead: z.int(),
    r2BytesWritten: z.int(),
    compressedBytes: z.int().openapi({ description: "Bytes of records that were compressed" }),
    decompressedBytes: z.int().openapi({ description: "Bytes of records that were decompressed" }),
  })
  .openapi("Spend", {
    description: "What an operation took, by what it is billed",
  }) satisfies z.ZodType<Spend>;

const Ran = z
  .boolean()
  .openapi({ description: "`false` when another run holds the lease; nothing was done" });

export const ArchiveRunSchema = z
  .object({
    ran: Ran,
    files: z.int(),
    blocks: z.int(),
    records: z.int(),
    hotRows: z.int().openapi({ description: "Rows of the hot buffer that moved" }),
    coldBytes: z.int().openapi({ description: "Bytes written to R2" }),
    remaining: z.int().openapi({
      description: "Rows older than the hot window that were left because a bound of the run was reached",
    }),
    spent: SpendSchema,
  })
  .openapi("ArchiveRun") satisfies z.ZodType<ArchiveRunResult>;

export const CompactionRequestSchema = z
  .strictObject({
    force: z
      .boolean("must be true or false")
      .optional()
      .openapi({ description: "Merge periods that are still open, too" }),
  })
  .openapi("CompactionRequest");

export const CompactionSchema = z
  .object({
    ran: Ran,
    merges: z.int(),
    remaining: z.int().openapi({ description: "Merges that were left because a bound was reached" }),
    records: z.int(),
    filesBefore: z.int(),
    filesAfter: z.int(),
    blocksBefore: z.int(),
    blocksAfter: z.int(),
    bytesBefore: z.int(),
    bytesAfter: z.int(),
    spent: SpendSchema,
  })
  .openapi("Compaction") satisfies z.ZodType<CompactionResult>;

export const RetentionSchema = z
  .object({
    ran: Ran,
    expiredFiles: z.int().openapi({ description: "Files past their expiry" }),
    expiredRecords: z.int(),
    replacedFiles: z
      .int()
      .openapi({ description: "Files that a compaction or an erasure has replaced and whose grace is over" }),
    deletedBytes: z.int(),
    orphans: z.int().openapi({ description: "Objects that no file of the index names" }),
    lostFiles: z.int().openapi({ description: "Files whose object was found missing" }),
    forgotten: z.int().openapi({ description: "Ids of messages and idempotency keys that were forgotten" }),
    spent: SpendSchema,
  })
  .openapi("Retention") satisfies z.ZodType<RetentionResult>;

export const ArchiveStatsSchema = z
  .object({
    hot: z.object({ rows: z.int(), records: z.int(), bytes: z.int() }),
    cold: z.object({ files: z.int(), blocks: z.int(), records: z.int(), bytes: z.int() }),
    replaced: z
      .object({ files: z.int(), bytes: z.int() })
      .openapi({ description: "Files that are still stored but no longer read" }),
    lost: z
      .object({ files: z.int(), records: z.int() })
      .openapi({ description: "Files whose object is gone although it should be there" }),
    deadLetters: z.int(),
  })
  .openapi("ArchiveStats") satisfies z.ZodType<ArchiveStats>;
