/** Requests and answers about dead letters, as the archiver's contract names them. */
import { z } from "@hono/zod-openapi";
import type {
  DeadLetter,
  DeadLetterChoice,
  DeadLetterOutcome,
  DeadLetterPage,
} from "../../../archiver/src/contract.ts";

export const DEFAULT_DEAD_LETTERS = 50;
export const MAX_DEAD_LETTERS = 100;

/** Ids that one call may name. */
export const MAX_CHOSEN = 1_000;

/** An integer of a query; digits only, so that nothing else is taken for one. */
function integerParameter(min: number, max: number) {
  const message = `must be an integer from ${min} to ${max}`;
  return z
    .string("must be given once")
    .regex(/^\d{1,16}$/, message)
    .transform(Number)
    .pipe(z.number().min(min, message).max(max, message));
}

export const DeadLetterQuerySchema = z.strictObject({
  after: integerParameter(0, Number.MAX_SAFE_INTEGER)
    .optional()
    .openapi({ type: "integer", description: "`next` of the page before" }),
  limit: integerParameter(1, MAX_DEAD_LETTERS)
    .optional()
    .openapi({ type: "integer", description: `Letters a page; ${DEFAULT_DEAD_LETTERS} unless told` }),
});

const DeadLetterSchema = z
  .object({
    id: z.int(),
    receivedAt: z.int().openapi({ description: "Milliseconds UTC" }),
    reason: z.string().openapi({ description: "Why it could not be stored" }),
    datasetId: z.string().nullable().openapi({ description: "`null` where the message cannot be read" }),
    table: z.string().nullable(),
    records: z.int().nullable(),
    bytes: z.int(),
  })
  .openapi("DeadLetter") satisfies z.ZodType<DeadLetter>;

export const DeadLetterPageSchema = z
  .object({
    letters: z.array(DeadLetterSchema).readonly(),
    total: z.int().openapi({ description: "How many there are in all" }),
    next: z.int().nullable().openapi({ description: "For `after`; `null` on the last page" }),
  })
  .openapi("DeadLetterPage") satisfies z.ZodType<DeadLetterPage>;

const CHOICE = 'must be either {"ids": [...]} or {"all": true}';

/** One object, not a union: so each fault is named by its own member. */
export const DeadLetterChoiceSchema = z
  .strictObject(
    {
      ids: z
        .array(z.int("must be an integer").min(0, "must be an id"), "must be an array of ids")
        .min(1, "must name at least one")
        .max(MAX_CHOSEN, `must name at most ${MAX_CHOSEN}`)
        .optional()
        .openapi({ description: "Those named", example: [1, 2] }),
      all: z
        .literal(true, "must be true")
        .optional()
        .openapi({ description: "Every one that there is now; instead of `ids`" }),
    },
    { error: (issue) => (issue.code === "invalid_type" ? CHOICE : undefined) },
  )
  .refine(({ ids, all }) => (ids === undefined) !== (all === undefined), CHOICE)
  .transform(({ ids }): DeadLetterChoice => (ids === undefined ? { all: true } : { ids }))
  .openapi("DeadLetterChoice");

export const DeadLetterOutcomeSchema = z
  .object({
    done: z.int().openapi({ description: "How many were sent back, or deleted" }),
    remaining: z.int(),
  })
  .openapi("DeadLetterOutcome") satisfies z.ZodType<DeadLetterOutcome>;
