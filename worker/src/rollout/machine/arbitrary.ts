/** Stories for the property tests: any plan, and whatever two operators, the judge and crashes make of it. */
import * as fc from "fast-check";
import { ROLLOUT_WORKERS, type RolloutPlan, type RolloutState, type Verdict } from "../contract.ts";
import type { Command, CommandOf, Outcome, StartCommand } from "./command.ts";
import {
  FIRST,
  judgement,
  LOAD,
  MAX_WAIT_MS,
  planWith,
  PRE,
  release,
  SECOND,
  SOAK_MS,
  THIRD,
  time,
} from "./example.ts";
import { apply } from "./machine.ts";
import { IDLE_STATE } from "./transition.ts";

/** One thing that is said, before it is known in which state. */
interface Intent {
  readonly kind: Command["kind"];
  readonly by: string;
  /** Meant for a rollout that is over, or that never was. */
  readonly foreign: boolean;
  /** How far beside the present phase its phase is. */
  readonly beside: number;
  readonly verdict: Verdict;
  readonly outcome: CommandOf<"webhook">["outcome"];
  readonly webhook: string;
  readonly worker: (typeof ROLLOUT_WORKERS)[number];
  readonly upTo: number | null;
  readonly force: boolean;
  /** Of a confirmation: how many revisions it is late. */
  readonly late: number;
  /** Milliseconds that pass before it. */
  readonly waitMs: number;
}

type Opening = Pick<StartCommand, "plan" | "release" | "upTo" | "rollback">;

export interface Script {
  /** What a start starts: one after the other, over again. */
  readonly openings: readonly Opening[];
  readonly intents: readonly Intent[];
}

export interface Told {
  readonly before: RolloutState;
  readonly command: Command;
  readonly at: string;
  readonly outcome: Outcome;
}

const rarely = <T>(rare: T, usual: T, weight = 8): fc.Arbitrary<T> =>
  fc.oneof({ weight: 1, arbitrary: fc.constant(rare) }, { weight, arbitrary: fc.constant(usual) });

const upTo = fc.oneof(
  { weight: 2, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 3 }) },
);

const plan: fc.Arbitrary<RolloutPlan> = fc
  .record({
    pre: fc.subarray([PRE, LOAD]),
    guards: fc.tuple(fc.subarray([PRE, LOAD]), fc.subarray([LOAD]), fc.subarray([PRE])),
    approvals: fc.tuple(rarely(true, false, 3), rarely(true, false, 3), rarely(true, false, 3)),
    onFail: rarely<RolloutPlan["onFail"]>("freeze", "roll-back", 4),
    dryRun: rarely(true, false),
    passLimit: fc.integer({ min: 1, max: 3 }),
    failLimit: fc.integer({ min: 1, max: 3 }),
    errorLimit: fc.integer({ min: 1, max: 3 }),
    soakMs: fc.constantFrom(0, SOAK_MS),
    mirrors: rarely(true, false, 2),
  })
  .map(({ mirrors, pre, guards, approvals, onFail, dryRun, passLimit, failLimit, errorLimit, soakMs }) =>
    planWith({
      pre,
      onFail,
      gate: { dryRun, passLimit, failLimit, errorLimit },
      mirror: mirrors ? { soakMs, maxWaitMs: MAX_WAIT_MS } : null,
      phases: [FIRST, SECOND, THIRD].map((phase, index) => ({
        ...phase,
        soakMs,
        approval: approvals[index] ?? false,
        webhooks: guards[index] ?? [],
      })),
    }),
  );

const opening: fc.Arbitrary<Opening> = fc.record({
  plan,
  upTo,
  release: fc.subarray([...ROLLOUT_WORKERS], { minLength: 1 }).map(release),
  rollback: fc.constantFrom<StartCommand["rollback"]>(
    { safe: true, newerSchema: false },
    { safe: true, newerSchema: true },
    { safe: false, why: "the old hub cannot read the new rows" },
  ),
});

const OFTEN: readonly Command["kind"][] = [
  "start",
  "begin",
  "judged",
  "tick",
  "webhook",
  "promoting",
  "approve",
];
const SELDOM: readonly Command["kind"][] = [
  ...OFTEN,
  ...(["go-on", "promote", "hold", "resume", "complete", "returned", "background-confirmed"] as const),
  ...(["go-on", "promote", "resume", "complete", "returned", "background-confirmed"] as const),
  ...(["rollback", "alarm", "error-seen"] as const),
];

const intent: fc.Arbitrary<Intent> = fc.record({
  kind: fc.oneof(
    { weight: 3, arbitrary: fc.constant<Command["kind"]>("judged") },
    { weight: 3, arbitrary: fc.constantFrom(...OFTEN) },
    { weight: 2, arbitrary: fc.constantFrom(...SELDOM) },
  ),
  by: fc.constantFrom("ada", "bo"),
  foreign: rarely(true, false, 20),
  beside: fc.oneof(
    { weight: 1, arbitrary: fc.constantFrom(-1, 1) },
    { weight: 6, arbitrary: fc.constant(0) },
  ),
  verdict: fc.oneof(
    { weight: 8, arbitrary: fc.constant<Verdict>("pass") },
    { weight: 3, arbitrary: fc.constantFrom<Verdict>("fail", "inconclusive", "error") },
  ),
  outcome: fc.oneof(
    { weight: 5, arbitrary: fc.constant("agreed" as const) },
    { weight: 1, arbitrary: fc.constantFrom("refused" as const, "unreachable" as const) },
  ),
  webhook: fc.constantFrom(PRE.name, LOAD.name),
  worker: fc.constantFrom(...ROLLOUT_WORKERS),
  upTo,
  force: rarely(true, false, 2),
  late: rarely(1, 0, 3),
  waitMs: fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(0, 5_000, SOAK_MS) },
    { weight: 1, arbitrary: fc.constant(MAX_WAIT_MS) },
  ),
});

export const script: fc.Arbitrary<Script> = fc.record({
  openings: fc.array(opening, { minLength: 1, maxLength: 3 }),
  intents: fc.array(intent, { maxLength: 80, size: "max" }),
});

function commandOf(state: RolloutState, intent: Intent, opening: Opening, fresh: string): Command {
  const { kind, by, beside, worker, upTo, force } = intent;
  const id = intent.foreign ? "rollout-0" : (state.id ?? fresh);
  const phase = state.phase + beside;
  switch (kind) {
    case "start":
      return { kind, by, id: intent.foreign ? id : fresh, ...opening };
    case "begin":
      return { kind, id, by };
    case "go-on":
      return { kind, id, by, upTo };
    case "promote":
    case "hold":
      return { kind, id, by, phase };
    case "approve":
      return { kind, id, by, phase: phase + 1 };
    case "resume":
      return { kind, id, by, phase, force };
    case "rollback":
      return { kind, id, by, reason: "customers complain", force, ...(beside === 0 ? {} : { phase }) };
    case "promoting":
    case "returned":
      return { kind, id, by, worker };
    case "complete":
      return { kind, id, by, versions: { archiver: "archiver-2", hub: "hub-2" } };
    case "judged":
      return { kind, id, by: "judge", phase, judgement: judgement(intent.verdict) };
    case "alarm":
      return { kind, id, by: "judge", phase, reason: "9 of 10 reads threw" };
    case "error-seen":
      return { kind, id, phase };
    case "tick":
      return { kind, id };
    case "webhook":
      return {
        kind,
        id,
        by: "judge",
        phase,
        name: intent.webhook,
        outcome: intent.outcome,
        detail: "409 Conflict",
      };
    case "background-confirmed":
      return { kind, id, revision: state.revision - intent.late };
  }
}

function frozenDeep<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.values(Object.freeze(value)).forEach(frozenDeep);
  }
  return value;
}

/** A process that ends and another that reads what it has written. */
export function reread(state: RolloutState): RolloutState {
  return JSON.parse(JSON.stringify(state)) as RolloutState;
}

/** Tells a script, from the idle state; nothing that is told may be changed in place. */
export function tell({ openings, intents }: Script): readonly Told[] {
  let state: RolloutState = IDLE_STATE;
  let ms = 0;
  let started = 0;
  return intents.map((intent) => {
    ms += intent.waitMs;
    const before = frozenDeep(state);
    const [first] = openings;
    const opening = openings[started % openings.length] ?? first;
    if (opening === undefined) throw new Error("a script has an opening");
    const command = frozenDeep(commandOf(before, intent, opening, `rollout-${started + 1}`));
    const outcome = apply(before, command, time(ms));
    if (command.kind === "start" && outcome.kind === "changed") started += 1;
    state = outcome.state;
    return { before, command, at: time(ms), outcome };
  });
}
