/** What the hub answers about the archive, as archiver/src/contract.ts names it, checked before it is believed. */
import { z } from "zod";
import type {
  ArchiveRunResult,
  ArchiveStats,
  CompactionResult,
  DeadLetterOutcome,
  DeadLetterPage,
  ErasureReceipt,
  FileReport,
  IntegrityFault,
  RetentionResult,
  Spend,
} from "../../../archiver/src/contract.ts";

const spend = z.object({
  d1Queries: z.int(),
  d1RowsRead: z.int(),
  d1RowsWritten: z.int(),
  r2ClassA: z.int(),
  r2ClassB: z.int(),
  r2BytesRead: z.int(),
  r2BytesWritten: z.int(),
  compressedBytes: z.int(),
  decompressedBytes: z.int(),
}) satisfies z.ZodType<Spend>;

const fault = z.object({
  check: z.string(),
  subject: z.string(),
  detail: z.string(),
}) satisfies z.ZodType<IntegrityFault>;

export const statsSchema = z.object({
  hot: z.object({ rows: z.int(), records: z.int(), bytes: z.int() }),
  cold: z.object({ files: z.int(), blocks: z.int(), records: z.int(), bytes: z.int() }),
  replaced: z.object({ files: z.int(), bytes: z.int() }),
  lost: z.object({ files: z.int(), records: z.int() }),
  deadLetters: z.int(),
}) satisfies z.ZodType<ArchiveStats>;

export const archiveRunSchema = z.object({
  ran: z.boolean(),
  files: z.int(),
  blocks: z.int(),
  records: z.int(),
  hotRows: z.int(),
  coldBytes: z.int(),
  remaining: z.int(),
  spent: spend,
}) satisfies z.ZodType<ArchiveRunResult>;

export const compactionSchema = z.object({
  ran: z.boolean(),
  merges: z.int(),
  remaining: z.int(),
  records: z.int(),
  filesBefore: z.int(),
  filesAfter: z.int(),
  blocksBefore: z.int(),
  blocksAfter: z.int(),
  bytesBefore: z.int(),
  bytesAfter: z.int(),
  spent: spend,
}) satisfies z.ZodType<CompactionResult>;

export const retentionSchema = z.object({
  ran: z.boolean(),
  expiredFiles: z.int(),
  expiredRecords: z.int(),
  replacedFiles: z.int(),
  deletedBytes: z.int(),
  orphans: z.int(),
  lostFiles: z.int(),
  restoredFiles: z.int().optional(),
  forgotten: z.int(),
  spent: spend,
}) satisfies z.ZodType<RetentionResult>;
export type Retention = z.infer<typeof retentionSchema>;

export const verifyPageSchema = z.object({
  files: z.int(),
  blocks: z.int(),
  records: z.int(),
  bytes: z.int(),
  faults: z.array(fault),
  faultCount: z.int(),
  nextCursor: z.string().nullable(),
});
export type VerifyPage = z.infer<typeof verifyPageSchema>;

export const scanSchema = z.object({
  step: z.literal("scan"),
  objects: z.int(),
  faults: z.array(fault),
  nextCursor: z.string().nullable(),
});
export type Scan = z.infer<typeof scanSchema>;

/** `now` is the index that there is, `lost` what it says of objects that are gone and goes on saying. */
export const appliedSchema = z.object({
  step: z.literal("apply"),
  applied: z.boolean(),
  files: z.int(),
  blocks: z.int(),
  records: z.int(),
  now: z.object({ files: z.int(), blocks: z.int(), records: z.int() }),
  lost: z.object({ files: z.int(), records: z.int() }),
  superseded: z.array(z.string()),
  conflicts: z.array(fault),
});
export type Applied = z.infer<typeof appliedSchema>;

export const receiptSchema = z.object({
  id: z.string(),
  datasetId: z.string(),
  state: z.enum(["running", "done"]),
  requestedAt: z.int(),
  completedAt: z.int().nullable(),
  hotRows: z.int(),
  hotRecords: z.int(),
  coldBlocks: z.int(),
  coldRecords: z.int(),
  deadLetters: z.int(),
  filesRewritten: z.int(),
  filesDeleted: z.int(),
  filesLeft: z.int(),
  bytesBefore: z.int(),
  bytesAfter: z.int(),
}) satisfies z.ZodType<ErasureReceipt>;

export const fileReportSchema = z.object({
  key: z.string(),
  size: z.int(),
  headerSize: z.int(),
  codec: z.string(),
  fingerprint: z.string(),
  schema: z.string(),
  metadata: z.record(z.string(), z.string()),
  records: z.int(),
  blocks: z.array(
    z.object({
      start: z.int(),
      length: z.int(),
      records: z.int(),
      datasetId: z.string().nullable(),
    }),
  ),
}) satisfies z.ZodType<FileReport>;

export const deadLettersSchema = z.object({
  letters: z.array(
    z.object({
      id: z.int(),
      receivedAt: z.int(),
      reason: z.string(),
      datasetId: z.string().nullable(),
      table: z.string().nullable(),
      records: z.int().nullable(),
      bytes: z.int(),
    }),
  ),
  total: z.int(),
  next: z.int().nullable(),
}) satisfies z.ZodType<DeadLetterPage>;

export const outcomeSchema = z.object({
  done: z.int(),
  remaining: z.int(),
}) satisfies z.ZodType<DeadLetterOutcome>;
