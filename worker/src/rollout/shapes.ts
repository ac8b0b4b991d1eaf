/** The shapes of `contract.ts` at run time: for input, stored state and the OpenAPI document. */
import { z } from "@hono/zod-openapi";
import {
  PHASE_SHARES,
  type PromoteRequest,
  type RollbackRequest,
  type RolloutState,
  type SetPhaseRequest,
} from "./contract.ts";

const MAX_TEXT = 500;
const MAX_NAME = 128;

const Name = z.string("must be a string").min(1, "must not be empty").max(MAX_NAME);
const Instant = z.iso.datetime();
const Percent = z.number().min(0).max(100);

const PhaseSchema = z.union([z.literal(0), z.literal(1), z.literal(2), z.literal(3)]);
const StatusSchema = z.enum(["idle", "active", "promoted", "rolled-back"]);

const SharesSchema = z
  .object({ read: Percent, write: Percent })
  .openapi("Shares", { description: "Percent of each class that goes to the canary" });

const ReleaseSchema = z
  .object({
    tag: Name.openapi({ description: "Content tag of the bundle", example: "r-3f2a9c01d4e5" }),
    canaryVersion: Name.openapi({ description: "Version id of the canary script" }),
    stableVersion: Name.openapi({ description: "Version id of the hub that was stable at the start" }),
  })
  .openapi("Release");

const GateSchema = z
  .object({
    maxErrorShare: z.number("must be a number").min(0, "must be 0–1").max(1, "must be 0–1"),
    minSample: z.int("must be an integer").min(0, "must not be negative"),
  })
  .openapi("GateSettings");

const LaneCountsSchema = z.object({ requests: z.int(), errors: z.int() }).openapi("LaneCounts");
const ClassCountsSchema = z.object({ read: LaneCountsSchema, write: LaneCountsSchema });

export const TransitionSchema = z
  .object({ at: Instant, status: StatusSchema, phase: PhaseSchema, shares: SharesSchema, reason: z.string() })
  .openapi("RolloutTransition");

export const RolloutStateSchema = z
  .object({
    id: z.string().nullable(),
    status: StatusSchema,
    phase: PhaseSchema,
    shares: SharesSchema,
    release: ReleaseSchema.nullable(),
    gate: GateSchema,
    counts: z
      .object({ stable: ClassCountsSchema, canary: ClassCountsSchema })
      .openapi("CountsByLane", { description: "Counts of the current phase" }),
    startedAt: Instant.nullable(),
    phaseStartedAt: Instant.nullable(),
    updatedAt: Instant.nullable(),
    firstErrorAt: Instant.nullable(),
    endedAt: Instant.nullable(),
    reason: z.string().nullable(),
    transitions: z.array(TransitionSchema).readonly().openapi({ description: "Newest last; the last 50" }),
  })
  .openapi("RolloutState") satisfies z.ZodType<RolloutState>;

export const StartRequestSchema = z
  .strictObject({ release: ReleaseSchema.strict(), gate: GateSchema.partial().strict().optional() })
  .openapi("StartRolloutRequest");

export const PhaseRequestSchema = z
  .strictObject({ phase: z.union([z.literal(1), z.literal(2), z.literal(3)], "must be 1, 2 or 3") })
  .openapi("SetPhaseRequest", {
    description: Object.entries(PHASE_SHARES)
      .slice(1)
      .map(([phase, { read, write }]) => `${phase}: ${read} % of reads, ${write} % of writes`)
      .join("; "),
  }) satisfies z.ZodType<SetPhaseRequest>;

export const PromoteRequestSchema = z
  .strictObject({ hubVersion: Name })
  .openapi("PromoteRequest") satisfies z.ZodType<PromoteRequest>;

export const RollbackRequestSchema = z
  .strictObject({ reason: z.string("must be a string").min(1, "must not be empty").max(MAX_TEXT) })
  .openapi("RollbackRequest") satisfies z.ZodType<RollbackRequest>;

const MAX_HISTORY = 500;
export const DEFAULT_HISTORY = 50;
const historyLimit = `must be an integer from 1 to ${MAX_HISTORY}`;

export const HistoryQuerySchema = z.strictObject({
  limit: z
    .string("must be given once")
    .regex(/^\d{1,4}$/, historyLimit)
    .transform(Number)
    .pipe(z.number().min(1, historyLimit).max(MAX_HISTORY, historyLimit))
    .optional()
    .openapi({ type: "integer", description: `${DEFAULT_HISTORY} unless told` }),
});

export const HistorySchema = z
  .object({
    transitions: z
      .array(TransitionSchema.extend({ rolloutId: z.string(), tag: z.string() }).openapi("HistoryEntry"))
      .openapi({ description: "Newest first" }),
  })
  .openapi("RolloutHistory");
