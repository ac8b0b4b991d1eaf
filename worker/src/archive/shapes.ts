/** Answers of the archiver's operations, field by field as its contract names them. */
import { z } from "@hono/zod-openapi";
import type { ArchiveRunResult, ArchiveStats } from "../../../archiver/src/contract.ts";

export const ArchiveRunSchema = z
  .object({
    ran: z.boolean().openapi({ description: "`false` when another run holds the lease" }),
    files: z.int(),
    blocks: z.int(),
    records: z.int(),
    hotRows: z.int().openapi({ description: "Rows of the hot buffer that moved" }),
    coldBytes: z.int().openapi({ description: "Bytes written to R2" }),
    remaining: z.int().openapi({ description: "Hot rows left because a bound of the run was reached" }),
  })
  .openapi("ArchiveRun") satisfies z.ZodType<ArchiveRunResult>;

export const ArchiveStatsSchema = z
  .object({
    hot: z.object({ rows: z.int(), records: z.int(), bytes: z.int() }),
    cold: z.object({ files: z.int(), blocks: z.int(), records: z.int(), bytes: z.int() }),
  })
  .openapi("ArchiveStats") satisfies z.ZodType<ArchiveStats>;
