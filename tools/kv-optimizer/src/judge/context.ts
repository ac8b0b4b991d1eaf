import type { WorkerConfig } from "../model.ts";

/** What a judgement rests on beside the call. */
export interface JudgeContext {
  readonly configs: readonly WorkerConfig[];
  /** Requests and RPC calls a day that reach each handler, assumed. */
  readonly requestsPerDay: number;
  /** Queue messages, alarms and emails a day that reach each handler, assumed. */
  readonly messagesPerDay: number;
  /** How often a loop runs whose count is not known, assumed. */
  readonly loopCount: number;
  /** A cron with less than so many minutes between two runs counts as high frequency. */
  readonly fastCronMinutes: number;
}

/** Assumptions for want of better knowledge: a small Worker that is in use. */
export const DEFAULT_ASSUMPTIONS = {
  requestsPerDay: 10_000,
  messagesPerDay: 1_000,
  loopCount: 10,
  fastCronMinutes: 15,
} as const satisfies Omit<JudgeContext, "configs">;
