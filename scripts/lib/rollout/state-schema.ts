/** The shape in which the hub answers about its rollout; checked where the answer enters. */
import { z } from "zod";
import {
  ROLLOUT_STATUSES,
  ROLLOUT_WORKERS,
  TRAFFIC_CLASSES,
  type RolloutState,
} from "../../../worker/src/rollout/contract.ts";

const traffic = z.enum(TRAFFIC_CLASSES);
const verdict = z.enum(["pass", "fail", "inconclusive", "error"]);
const status = z.enum(ROLLOUT_STATUSES);
const worker = z.enum(ROLLOUT_WORKERS);
const shares = z.record(traffic, z.number());
const nullableNumber = z.number().nullable();
const instant = z.string().nullable();

const webhook = z.object({ name: z.string(), url: z.string(), timeoutMs: z.number(), retries: z.number() });

const gate = z.object({
  minSample: shares,
  falseAlarm: z.number(),
  errorTolerance: z.number(),
  maxErrorShare: z.number(),
  latency: z.object({ tolerance: z.number(), slackMs: z.number() }),
  maxP95Ms: nullableNumber,
  numbers: z.record(z.string(), z.object({ worse: z.enum(["higher", "lower"]), tolerance: z.number() })),
  failLimit: z.number(),
  passLimit: z.number(),
  errorLimit: z.number(),
  dryRun: z.boolean(),
});

const stage = { soakMs: z.number(), initialDelayMs: z.number(), maxWaitMs: z.number(), gate };

const phase = z.object({
  name: z.string(),
  shares,
  ...stage,
  approval: z.boolean(),
  webhooks: z.array(webhook),
});

const mirror = z.object({ read: z.number(), ...stage });

const plan = z.object({
  intervalMs: z.number(),
  // A hub from before it copied reads does not tell of it.
  mirror: mirror.nullable().default(null),
  phases: z.array(phase),
  pre: z.array(webhook),
  post: z.array(webhook),
  onFail: z.enum(["roll-back", "freeze"]),
  fallbackReads: z.boolean(),
  overdueMs: z.number(),
});

const workerRelease = z.object({
  tag: z.string(),
  stableVersion: z.string(),
  canaryVersion: z.string(),
  changed: z.boolean(),
});

const check = z.object({
  metric: z.string(),
  traffic,
  route: z.string().nullable(),
  verdict,
  canary: nullableNumber,
  stable: nullableNumber,
  unit: z.enum(["share", "ms", "number"]),
  samples: z.object({ stable: z.number(), canary: z.number() }),
  reason: z.string(),
});

const laneFigures = z.object({
  requests: z.number(),
  errors: z.number(),
  fallbacks: z.number(),
  p50: nullableNumber,
  p95: nullableNumber,
  p99: nullableNumber,
});
const byClass = z.record(traffic, laneFigures);

const judgement = z.object({
  at: z.string(),
  verdict,
  reason: z.string(),
  missing: z.array(z.string()),
  checks: z.array(check),
  figures: z.object({ stable: byClass, canary: byClass }),
});

export const rolloutStateSchema: z.ZodType<RolloutState> = z.object({
  id: z.string().nullable(),
  status,
  phase: z.number(),
  shares,
  release: z
    .object({ tag: z.string(), workers: z.object({ archiver: workerRelease, hub: workerRelease }) })
    .nullable(),
  plan: plan.nullable(),
  upTo: nullableNumber,
  pause: z
    .object({
      why: z.enum(["operator", "approval", "reached", "inconclusive", "error", "webhook"]),
      missing: z.string(),
    })
    .nullable(),
  rollback: z.discriminatedUnion("safe", [
    z.object({ safe: z.literal(true), newerSchema: z.boolean() }),
    z.object({ safe: z.literal(false), why: z.string() }),
  ]),
  approved: z.array(z.number()),
  agreed: z.array(z.string()),
  judgement: judgement.nullable(),
  streak: z.object({ verdict, length: z.number() }).nullable(),
  promoted: z.array(worker),
  toReturn: z.array(worker),
  backgroundConfirmed: z.boolean(),
  startedAt: instant,
  phaseStartedAt: instant,
  updatedAt: instant,
  firstErrorAt: instant,
  closedAt: instant,
  endedAt: instant,
  reason: z.string().nullable(),
  revision: z.number(),
  transitions: z.array(
    z.object({
      at: z.string(),
      status,
      phase: z.number(),
      shares,
      reason: z.string(),
      by: z.string(),
    }),
  ),
});
