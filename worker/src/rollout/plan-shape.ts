/** What a plan looks like at run time: the file may be plain JavaScript, which no compiler has read. */
import { z } from "zod";
import type { PlanFault, PlanInput } from "./plan.ts";

/** Also NaN and infinite ones: the bounds tell of them. */
const Num = z.custom<number>((value) => typeof value === "number", "must be a number");
const Text = z.string("must be a string");
const Flag = z.boolean("must be true or false");

const fields = <S extends z.ZodRawShape>(shape: S) => z.strictObject(shape, "must be an object");
const list = <S extends z.ZodType>(item: S) => z.array(item, "must be a list");

const ByClass = fields({ read: Num.optional(), write: Num.optional(), background: Num.optional() });

const Gate = fields({
  minSample: z.union([Num, ByClass]).optional(),
  falseAlarm: Num.optional(),
  errorTolerance: Num.optional(),
  maxErrorShare: Num.optional(),
  latency: fields({ tolerance: Num.optional(), slackMs: Num.optional() }).optional(),
  maxP95Ms: Num.nullable().optional(),
  numbers: z
    .record(
      z.string(),
      fields({ worse: z.enum(["higher", "lower"], "must be higher or lower"), tolerance: Num }),
      "must be an object",
    )
    .optional(),
  failLimit: Num.optional(),
  passLimit: Num.optional(),
  errorLimit: Num.optional(),
  dryRun: Flag.optional(),
});

const Webhooks = list(fields({ name: Text, url: Text, timeoutMs: Num.optional(), retries: Num.optional() }));

const STAGE = {
  soakMs: Num.optional(),
  initialDelayMs: Num.optional(),
  maxWaitMs: Num.optional(),
  gate: Gate.optional(),
};

const Phase = fields({
  name: Text.optional(),
  shares: ByClass,
  ...STAGE,
  approval: Flag.optional(),
  webhooks: Webhooks.optional(),
});

const Mirror = fields({ read: Num.optional(), ...STAGE });

const Plan = fields({
  intervalMs: Num.optional(),
  mirror: Mirror.nullable().optional(),
  phases: list(Phase),
  gate: Gate.optional(),
  pre: Webhooks.optional(),
  post: Webhooks.optional(),
  onFail: z.enum(["roll-back", "freeze"], "must be roll-back or freeze").optional(),
  fallbackReads: Flag.optional(),
  overdueMs: Num.optional(),
});

function pointer(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

function faultsOf(issue: z.core.$ZodIssue, above: readonly PropertyKey[]): readonly PlanFault[] {
  const path = [...above, ...issue.path];
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({ path: pointer([...path, key]), message: "there is no such field" }));
  }
  // The last of the alternatives has fields of its own, to be named.
  const inner = issue.code === "invalid_union" ? (issue.errors.at(-1) ?? []) : [];
  const deeper = inner.filter((one) => one.path.length > 0 || one.code === "unrecognized_keys");
  if (deeper.length > 0) return deeper.flatMap((one) => faultsOf(one, path));
  const message = issue.code === "invalid_union" ? "must be a number, or one for each class" : issue.message;
  return [{ path: pointer(path), message }];
}

/** Fields of a wrong type, and those that there are not; none of what is a plan as it is written. */
export function shapeFaults(input: PlanInput): readonly PlanFault[] {
  return Plan.safeParse(input).error?.issues.flatMap((issue) => faultsOf(issue, [])) ?? [];
}
