/** The shapes of `contract.ts` at run time: for input, stored state and the OpenAPI document. */
import { z } from "@hono/zod-openapi";
import {
  ROLLOUT_STATUSES,
  ROLLOUT_WORKERS,
  TRAFFIC_CLASSES,
  type RolloutCommandName,
  type RolloutCommands,
  type RolloutState,
  type StartRolloutRequest,
} from "./contract.ts";

const MAX_TEXT = 500;
const MAX_NAME = 128;

const Text = z.string("must be a string").min(1, "must not be empty").max(MAX_TEXT);
const Name = z.string("must be a string").min(1, "must not be empty").max(MAX_NAME);
const Instant = z.iso.datetime();
const PhaseNumber = z.int("must be an integer").min(1, "must be 1 or more");
const Flag = z.boolean("must be true or false");
const Num = z.number("must be a number");
const Ms = Num.openapi({ description: "ms" });

const StatusSchema = z.enum(ROLLOUT_STATUSES);
const WorkerSchema = z.enum(ROLLOUT_WORKERS, `must be one of ${ROLLOUT_WORKERS.join(", ")}`);
const TrafficSchema = z.enum(TRAFFIC_CLASSES);

/** The bounds of a plan's numbers are `planFaults`'s. */
const SharesSchema = z
  .strictObject({ read: Num, write: Num, background: Num })
  .readonly()
  .openapi("Shares", { description: "Percent of each class that goes to the canary, 0–100" });

const WorkerReleaseSchema = z
  .strictObject({
    tag: Name.openapi({ description: "Content tag of the canary's bundle", example: "r-3f2a9c01d4e5" }),
    stableVersion: Name.openapi({ description: "Version id on the own script at the start" }),
    canaryVersion: Name.openapi({ description: "Version id on the canary script" }),
    changed: Flag.openapi({ description: "Whether the release brings new code for it" }),
  })
  .readonly()
  .openapi("WorkerRelease");

const ReleaseSchema = z
  .strictObject({
    tag: Name,
    workers: z.strictObject({ archiver: WorkerReleaseSchema, hub: WorkerReleaseSchema }).readonly(),
  })
  .readonly()
  .openapi("Release");

const NumberGateSchema = z.strictObject({ worse: z.enum(["higher", "lower"]), tolerance: Num }).readonly();

const GateSchema = z
  .strictObject({
    minSample: z.strictObject({ read: Num, write: Num, background: Num }).readonly(),
    falseAlarm: Num,
    errorTolerance: Num,
    maxErrorShare: Num,
    latency: z.strictObject({ tolerance: Num, slackMs: Ms }).readonly(),
    maxP95Ms: Ms.nullable(),
    numbers: z.record(z.string(), NumberGateSchema).readonly(),
    failLimit: Num,
    passLimit: Num,
    errorLimit: Num,
    dryRun: Flag,
  })
  .readonly()
  .openapi("GateSettings");

const WebhookSchema = z
  .strictObject({ name: Name, url: z.string("must be a string"), timeoutMs: Ms, retries: Num })
  .readonly()
  .openapi("GateWebhook");

const WebhooksSchema = z.array(WebhookSchema, "must be a list").readonly();

const STAGE = { soakMs: Ms, initialDelayMs: Ms, maxWaitMs: Ms, gate: GateSchema };

const PhaseSchema = z
  .strictObject({
    name: z.string("must be a string"),
    shares: SharesSchema,
    ...STAGE,
    approval: Flag,
    webhooks: WebhooksSchema,
  })
  .readonly()
  .openapi("PhasePlan");

const MirrorSchema = z
  .strictObject({
    read: Num.openapi({ description: "Percent of the reads that the canary gets copies of" }),
    ...STAGE,
  })
  .readonly()
  .openapi("MirrorPlan");

const PlanSchema = z
  .strictObject({
    intervalMs: Ms,
    mirror: MirrorSchema.nullable().default(null),
    phases: z.array(PhaseSchema, "must be a list").readonly(),
    pre: WebhooksSchema,
    post: WebhooksSchema,
    onFail: z.enum(["roll-back", "freeze"], "must be roll-back or freeze"),
    fallbackReads: Flag,
    overdueMs: Ms,
  })
  .readonly()
  .openapi("RolloutPlan");

const SafetySchema = z
  .discriminatedUnion("safe", [
    z.strictObject({ safe: z.literal(true), newerSchema: Flag }).readonly(),
    z.strictObject({ safe: z.literal(false), why: Text }).readonly(),
  ])
  .openapi("RollbackSafety");

export const StartRequestSchema = z
  .strictObject({
    release: ReleaseSchema,
    plan: PlanSchema,
    upTo: PhaseNumber.nullable().openapi({ description: "Phase to stop at; `null`: go through" }),
    rollback: SafetySchema,
  })
  .openapi("StartRolloutRequest") satisfies z.ZodType<StartRolloutRequest>;

const OptionalReason = Text.optional();
const InPhase = { phase: PhaseNumber.or(z.literal(0)) };

/** The same, where an optional field may also be `undefined`: JSON knows no such thing. */
type Parsed<T> = { [P in keyof T]: object extends Pick<T, P> ? T[P] | undefined : T[P] };

/** The body of each command. */
export const COMMAND_SCHEMAS = {
  begin: z.strictObject({}).openapi("BeginCommand"),
  "go-on": z.strictObject({ upTo: PhaseNumber.nullable() }).openapi("GoOnCommand"),
  promote: z.strictObject({ ...InPhase, reason: OptionalReason }).openapi("PromoteCommand"),
  hold: z.strictObject({ ...InPhase, reason: OptionalReason }).openapi("HoldCommand"),
  resume: z.strictObject({ ...InPhase, force: Flag.optional() }).openapi("ResumeCommand"),
  approve: z.strictObject({ phase: PhaseNumber }).openapi("ApproveCommand"),
  rollback: z
    .strictObject({ reason: Text, phase: InPhase.phase.optional(), force: Flag.optional() })
    .openapi("RollbackCommand"),
  promoting: z.strictObject({ worker: WorkerSchema }).openapi("PromotingCommand"),
  complete: z
    .strictObject({ versions: z.strictObject({ archiver: Name, hub: Name }).readonly() })
    .openapi("CompleteCommand"),
  returned: z.strictObject({ worker: WorkerSchema }).openapi("ReturnedCommand"),
} as const satisfies { [K in RolloutCommandName]: z.ZodType<Parsed<RolloutCommands[K]>> };

const PauseSchema = z
  .object({
    why: z.enum(["operator", "approval", "reached", "inconclusive", "error", "webhook"]),
    missing: z.string(),
  })
  .readonly();

const VerdictSchema = z.enum(["pass", "fail", "inconclusive", "error"]);

const CheckSchema = z
  .object({
    metric: z.string(),
    traffic: TrafficSchema,
    route: z.string().nullable(),
    verdict: VerdictSchema,
    canary: z.number().nullable(),
    stable: z.number().nullable(),
    unit: z.enum(["share", "ms", "number"]),
    samples: z.object({ stable: z.number(), canary: z.number() }).readonly(),
    reason: z.string(),
  })
  .readonly()
  .openapi("RolloutCheck");

const FiguresSchema = z
  .object({
    requests: z.int(),
    errors: z.int(),
    fallbacks: z.int(),
    p50: z.number().nullable(),
    p95: z.number().nullable(),
    p99: z.number().nullable(),
  })
  .readonly()
  .openapi("LaneFigures");

const ClassFiguresSchema = z
  .object({ read: FiguresSchema, write: FiguresSchema, background: FiguresSchema })
  .readonly();

const JudgementSchema = z
  .object({
    at: Instant,
    verdict: VerdictSchema,
    reason: z.string(),
    missing: z.array(z.string()).readonly(),
    checks: z.array(CheckSchema).readonly(),
    figures: z.object({ stable: ClassFiguresSchema, canary: ClassFiguresSchema }).readonly(),
  })
  .readonly()
  .openapi("Judgement");

const StreakSchema = z.object({ verdict: VerdictSchema, length: z.int() }).readonly();

export const TransitionSchema = z
  .object({
    at: Instant,
    status: StatusSchema,
    phase: z.int(),
    shares: SharesSchema,
    reason: z.string(),
    by: z.string(),
  })
  .openapi("RolloutTransition");

const stateFields = {
  id: z.string().nullable(),
  status: StatusSchema,
  phase: z.int().min(0),
  shares: SharesSchema,
  release: ReleaseSchema.nullable(),
  plan: PlanSchema.nullable(),
  upTo: z.int().nullable(),
  pause: PauseSchema.nullable(),
  rollback: SafetySchema,
  approved: z.array(z.int()).readonly(),
  agreed: z.array(z.string()).readonly(),
  judgement: JudgementSchema.nullable(),
  streak: StreakSchema.nullable(),
  promoted: z.array(WorkerSchema).readonly(),
  toReturn: z.array(WorkerSchema).readonly(),
  backgroundConfirmed: z.boolean(),
  startedAt: Instant.nullable(),
  phaseStartedAt: Instant.nullable(),
  updatedAt: Instant.nullable(),
  firstErrorAt: Instant.nullable(),
  closedAt: Instant.nullable(),
  endedAt: Instant.nullable(),
  reason: z.string().nullable(),
  revision: z.int().min(0),
  transitions: z.array(TransitionSchema).readonly().openapi({ description: "Newest last; the last 50" }),
};

export const RolloutStateSchema = z
  .object(stateFields)
  .openapi("RolloutState") satisfies z.ZodType<RolloutState>;

/**
 * A state as it lies in storage, perhaps by another version of the hub: what only tells of
 * the past is left out where it does not fit, and unknown fields are kept.
 */
export const StoredStateSchema = z.looseObject({
  ...stateFields,
  judgement: JudgementSchema.nullable().catch(null),
  streak: StreakSchema.nullable().catch(null),
  transitions: z.array(TransitionSchema).readonly().catch([]),
}) satisfies z.ZodType<RolloutState>;

export const HistoryEntrySchema = TransitionSchema.extend({
  rolloutId: z.string(),
  revision: z.int(),
  tag: z.string(),
}).openapi("HistoryEntry");

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
  rollout: z
    .string("must be given once")
    .min(1, "must not be empty")
    .max(64)
    .optional()
    .openapi({ description: "Of that rollout only" }),
});

export const HistorySchema = z
  .object({ transitions: z.array(HistoryEntrySchema).openapi({ description: "Newest first" }) })
  .openapi("RolloutHistory");
