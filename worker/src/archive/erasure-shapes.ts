/** The receipt of an erasure, field by field as the archiver's contract names it. */
import { z } from "@hono/zod-openapi";
import type { ErasureReceipt } from "../../../archiver/src/contract.ts";
import { DatasetId } from "../records/index.ts";

export const DatasetParameters = z.object({
  id: DatasetId.openapi({ param: { name: "id", in: "path" }, description: "The dataset" }),
});

export const ErasureReceiptSchema = z
  .object({
    id: z.string(),
    datasetId: z.string(),
    state: z.enum(["running", "done"]).openapi({
      description:
        "No read finds anything from the first answer on; `done` when no object holds anything either",
    }),
    requestedAt: z.int().openapi({ description: "Milliseconds UTC" }),
    completedAt: z.int().nullable(),
    hotRows: z.int(),
    hotRecords: z.int(),
    coldBlocks: z.int(),
    coldRecords: z.int(),
    deadLetters: z.int(),
    filesRewritten: z.int().openapi({ description: "Files that were written again without the dataset" }),
    filesDeleted: z.int(),
    filesLeft: z.int().openapi({ description: "Files that are still to be done" }),
    bytesBefore: z.int(),
    bytesAfter: z.int(),
  })
  .openapi("ErasureReceipt") satisfies z.ZodType<ErasureReceipt>;

export const ErasuresSchema = z
  .object({
    erasures: z.array(ErasureReceiptSchema).readonly().openapi({ description: "Newest first, at most 100" }),
  })
  .openapi("Erasures");
