/** A release, a plan and what is said about them, for the tests of the machine. */
import type {
  Judgement,
  LaneFigures,
  ReleaseIdentity,
  RolloutPlan,
  RolloutState,
  RolloutWorker,
  Verdict,
  WorkerRelease,
} from "../contract.ts";
import { completePlan, type PhaseInput, type PlanInput } from "../plan.ts";
import type { CommandOf, Command, Outcome } from "./command.ts";
import { apply } from "./machine.ts";
import { IDLE_STATE } from "./transition.ts";

export const ID = "rollout-1";
const BEGINNING = Date.parse("2026-11-22T08:00:00.000Z");

/** The time so many milliseconds after the beginning. */
export function time(ms: number): string {
  return new Date(BEGINNING + ms).toISOString();
}

const worker = (name: RolloutWorker, changed: boolean): WorkerRelease => ({
  tag: `${name}-3f2a9c01d4e5`,
  stableVersion: `${name}-1`,
  canaryVersion: `${name}-canary-2`,
  changed,
});

/** A release of both Workers, or of those that are named. */
export function release(changed: readonly RolloutWorker[] = ["archiver", "hub"]): ReleaseIdentity {
  return {
    tag: "r-3f2a9c01d4e5",
    workers: {
      archiver: worker("archiver", changed.includes("archiver")),
      hub: worker("hub", changed.includes("hub")),
    },
  };
}

export const SOAK_MS = 60_000;
export const MAX_WAIT_MS = 600_000;

const WAITS = { soakMs: SOAK_MS, maxWaitMs: MAX_WAIT_MS };
export const FIRST: PhaseInput = { ...WAITS, shares: { read: 10 } };
export const SECOND: PhaseInput = { ...WAITS, shares: { read: 100, write: 10, background: 10 } };
export const THIRD: PhaseInput = { ...WAITS, shares: { read: 100, write: 100, background: 100 } };

/** The three phases of a minute each; two verdicts pass or fail one, three errors hold it. */
const PLAN_INPUT: PlanInput = {
  gate: { passLimit: 2, failLimit: 2, errorLimit: 3 },
  phases: [FIRST, SECOND, THIRD],
};

export const PLAN: RolloutPlan = completePlan(PLAN_INPUT);

/** The plan with something else in it. */
export function planWith(input: Partial<PlanInput>): RolloutPlan {
  return completePlan({ ...PLAN_INPUT, ...input });
}

export const PRE = { name: "change-window", url: "https://gates.example/window" };
export const LOAD = { name: "load-test", url: "https://gates.example/load" };

const NOTHING: LaneFigures = { requests: 0, errors: 0, fallbacks: 0, p50: null, p95: null, p99: null };
const NO_FIGURES = { read: NOTHING, write: NOTHING, background: NOTHING };

export const REASONS: Readonly<Record<Verdict, string>> = {
  pass: "as good as the stable lane",
  fail: "12 of 200 reads failed on the canary, 1 of 1800 on the stable lane",
  inconclusive: "too few reads",
  error: "no lane has reported",
};

/** A judgement of that verdict; what it misses is said by an inconclusive one only. */
export function judgement(verdict: Verdict, at = time(0)): Judgement {
  const missing = verdict === "inconclusive" ? ["180 more reads on the canary"] : [];
  const figures = { stable: NO_FIGURES, canary: NO_FIGURES };
  return { at, verdict, reason: REASONS[verdict], missing, checks: [], figures };
}

type Told<K extends Command["kind"]> = Partial<Omit<CommandOf<K>, "kind" | "id">>;

export const start = (told: Told<"start"> = {}, id = ID): CommandOf<"start"> => ({
  kind: "start",
  id,
  by: "ada",
  release: release(),
  plan: PLAN,
  upTo: null,
  rollback: { safe: true, newerSchema: false },
  ...told,
});
export const begin: CommandOf<"begin"> = { kind: "begin", id: ID, by: "ada" };
export const goOn = (upTo: number | null): CommandOf<"go-on"> => ({ kind: "go-on", id: ID, by: "ada", upTo });
export const promote = (phase: number): CommandOf<"promote"> => ({
  kind: "promote",
  id: ID,
  by: "ada",
  phase,
});
export const hold = (phase: number): CommandOf<"hold"> => ({ kind: "hold", id: ID, by: "ada", phase });
export const resume = (phase: number, force = false): CommandOf<"resume"> => ({
  kind: "resume",
  id: ID,
  by: "ada",
  phase,
  force,
});
export const approve = (phase: number): CommandOf<"approve"> => ({
  kind: "approve",
  id: ID,
  by: "ada",
  phase,
});
export const rollback = (told: Told<"rollback"> = {}): CommandOf<"rollback"> => ({
  kind: "rollback",
  id: ID,
  by: "ada",
  reason: "customers complain",
  ...told,
});
export const promoting = (name: RolloutWorker): CommandOf<"promoting"> => ({
  kind: "promoting",
  id: ID,
  by: "ada",
  worker: name,
});
export const complete: CommandOf<"complete"> = {
  kind: "complete",
  id: ID,
  by: "ada",
  versions: { archiver: "archiver-2", hub: "hub-2" },
};
export const returned = (name: RolloutWorker): CommandOf<"returned"> => ({
  kind: "returned",
  id: ID,
  by: "ada",
  worker: name,
});
export const judged = (phase: number, verdict: Verdict): CommandOf<"judged"> => ({
  kind: "judged",
  id: ID,
  by: "judge",
  phase,
  judgement: judgement(verdict),
});
export const alarm = (phase: number): CommandOf<"alarm"> => ({
  kind: "alarm",
  id: ID,
  by: "judge",
  phase,
  reason: "9 of 10 reads threw",
});
export const errorSeen = (phase: number): CommandOf<"error-seen"> => ({ kind: "error-seen", id: ID, phase });
export const tick: CommandOf<"tick"> = { kind: "tick", id: ID };
export const webhook = (
  phase: number,
  name: string,
  outcome: CommandOf<"webhook">["outcome"],
): CommandOf<"webhook"> => ({
  kind: "webhook",
  id: ID,
  by: "judge",
  phase,
  name,
  outcome,
  detail: "409 Conflict",
});
export const confirmed = (revision: number): CommandOf<"background-confirmed"> => ({
  kind: "background-confirmed",
  id: ID,
  revision,
});

/** A command, or milliseconds that pass. */
export type Step = Command | number;

/** The outcomes of the commands, one after another. */
export function outcomes(steps: readonly Step[]): readonly Outcome[] {
  let state: RolloutState = IDLE_STATE;
  let ms = 0;
  return steps.flatMap((step) => {
    if (typeof step === "number") {
      ms += step;
      return [];
    }
    const outcome = apply(state, step, time(ms));
    state = outcome.state;
    return [outcome];
  });
}

/** Where the steps lead from the idle state. */
export function after(...steps: readonly Step[]): RolloutState {
  return outcomes(steps).at(-1)?.state ?? IDLE_STATE;
}

/** What comes of the last step. */
export function outcomeOf(...steps: readonly Step[]): Outcome | undefined {
  return outcomes(steps).at(-1);
}

/** Soaks the phase and passes its gate. */
export const passed = (phase: number): readonly Step[] => [
  judged(phase, "pass"),
  SOAK_MS,
  judged(phase, "pass"),
];
