/** What a stored text is taken for: by another version of the hub, or damaged, it may not fit. */
import { z } from "zod";
import type { RolloutState } from "../contract.ts";
import { IDLE_STATE } from "../machine/machine.ts";
import { completePlan, type PlanInput } from "../plan.ts";
import { StoredStateSchema } from "../shapes.ts";
import { EvidenceBook } from "./evidence.ts";
import { SeriesSchema } from "./report.ts";

export interface RestoredState {
  readonly state: RolloutState;
  /** The stored text, when it is no state that this version of the hub understands. */
  readonly unreadable: string | null;
}

const RevisedSchema = z.looseObject({ revision: z.int().min(0) });

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Idle: nothing goes to a canary that nobody can judge. The revision still grows. */
function idleBecause(raw: unknown, why: string): RolloutState {
  const revised = RevisedSchema.safeParse(raw);
  const revision = revised.success ? revised.data.revision : 0;
  const reason =
    `The stored rollout cannot be read by this version of the hub (${why}). Everything goes to the stable lane. ` +
    "Deploy the version that wrote it, or check which versions the scripts run and start another rollout.";
  return { ...IDLE_STATE, revision, reason };
}

const PlanInputSchema = z.looseObject({
  phases: z.array(z.looseObject({ shares: z.looseObject({}), gate: z.looseObject({}).optional() })),
});

/** With what an older version did not write as it is before any rollout, or by default. */
function completed(raw: unknown): unknown {
  if (typeof raw !== "object" || raw === null) return raw;
  const state = { ...IDLE_STATE, ...raw };
  const plan = PlanInputSchema.safeParse(state.plan);
  // Only its outline was checked; what it holds is, next.
  return plan.success ? { ...state, plan: completePlan(plan.data as PlanInput) } : state;
}

/** Without the keys that a schema did not know. */
function withoutUnknown(value: unknown, issues: readonly z.core.$ZodIssue[]): unknown {
  const clean: unknown = structuredClone(value);
  for (const issue of issues) {
    if (issue.code !== "unrecognized_keys") continue;
    const holder = issue.path.reduce<unknown>(
      (at, key) => (typeof at === "object" && at !== null ? Reflect.get(at, key) : undefined),
      clean,
    );
    if (typeof holder !== "object" || holder === null) continue;
    for (const key of issue.keys) Reflect.deleteProperty(holder, key);
  }
  return clean;
}

/**
 * The state of a stored text. Fields that an older version did not write get their
 * defaults; those that a newer one wrote besides are kept where they stand in the state
 * itself, and left out where they stand deeper.
 */
export function restoreState(text: string | null): RestoredState {
  if (text === null) return { state: IDLE_STATE, unreadable: null };
  const raw = completed(parsed(text));
  const first = StoredStateSchema.safeParse(raw);
  const result = first.success ? first : StoredStateSchema.safeParse(withoutUnknown(raw, first.error.issues));
  if (result.success) return { state: result.data, unreadable: null };
  const [issue] = result.error.issues;
  const why = `${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`;
  return { state: idleBecause(raw, why), unreadable: text };
}

const Part = <S extends z.ZodType>(schema: S) =>
  z
    .string()
    .transform((text) => parsed(text))
    .pipe(schema);

const IntervalSchema = Part(z.object({ number: z.int(), series: z.array(SeriesSchema) }));

const PartsSchema = z.object({
  head: Part(z.object({ rolloutId: z.string(), phase: z.int() })),
  total: Part(z.array(SeriesSchema)),
  heard: Part(z.array(z.tuple([z.string(), z.int()]))),
  background: Part(
    z.array(
      z.object({
        lane: z.enum(["stable", "canary"]),
        route: z.enum(["queue", "cron"]),
        requests: z.int(),
        errors: z.int(),
        exceptions: z.int(),
        overdue: z.int(),
        deliveries: z.int(),
        failedDeliveries: z.int(),
        latency: z.array(z.tuple([z.int(), z.int()]).readonly()).readonly(),
      }),
    ),
  ),
});

/** The evidence that was written down; an empty book when it is of another phase, or cannot be read. */
export function restoreEvidence(
  parts: ReadonlyMap<string, string>,
  rolloutId: string,
  phase: number,
): EvidenceBook {
  const result = PartsSchema.safeParse(Object.fromEntries(parts));
  if (!result.success) return new EvidenceBook({ rolloutId, phase });
  const { head, ...rest } = result.data;
  if (head.rolloutId !== rolloutId || head.phase !== phase) return new EvidenceBook({ rolloutId, phase });
  const recent = [...parts]
    .filter(([part]) => part.startsWith("interval-"))
    .flatMap(([, text]) => {
      const interval = IntervalSchema.safeParse(text);
      return interval.success ? [interval.data] : [];
    })
    .sort((left, right) => left.number - right.number);
  return new EvidenceBook({ ...head, ...rest, recent });
}
