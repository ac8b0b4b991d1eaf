import { describe, expect, it } from "vitest";
import { ROLLOUT_STATUSES, type Pause, type RolloutState, type RolloutStatus } from "../contract.ts";
import {
  after,
  alarm,
  approve,
  begin,
  complete,
  confirmed,
  errorSeen,
  FIRST,
  goOn,
  hold,
  judged,
  LOAD,
  MAX_WAIT_MS,
  passed,
  planWith,
  promote,
  promoting,
  resume,
  returned,
  rollback,
  SECOND,
  start,
  THIRD,
  tick,
  time,
  webhook,
} from "./example.ts";
import { apply, type Command, type Outcome } from "./machine.ts";

const guarded = planWith({
  phases: [
    { ...FIRST, webhooks: [LOAD] },
    { ...SECOND, approval: true },
    { ...THIRD, maxWaitMs: 2 * MAX_WAIT_MS },
  ],
});
const agreed = webhook(1, LOAD.name, "agreed");
const opened = start({ plan: guarded });
const promoted = [
  opened,
  begin,
  agreed,
  approve(2),
  promote(1),
  promote(2),
  promote(3),
  promoting("archiver"),
];
const unsafe = start({
  plan: guarded,
  rollback: { safe: false, why: "the old hub cannot read the new rows" },
});

/** One state of each status; the paused one is held by an operator in phase 1. */
const STATES: Readonly<Record<RolloutStatus, RolloutState>> = {
  idle: after(),
  preparing: after(opened),
  running: after(opened, begin, judged(1, "fail")),
  paused: after(opened, begin, hold(1), judged(1, "fail")),
  promoting: after(...promoted, judged(3, "fail")),
  done: after(...promoted, promoting("hub"), complete),
  "rolling-back": after(...promoted, rollback()),
  "rolled-back": after(opened, begin, rollback()),
  frozen: after(unsafe, begin, rollback()),
};

/** What is said to a state of that phase; each is one that could have a consequence somewhere. */
function commands({ phase, revision, upTo }: RolloutState): Readonly<Record<Command["kind"], Command>> {
  return {
    start: start({}, "rollout-2"),
    begin,
    "go-on": goOn(upTo === 2 ? 3 : 2),
    promote: promote(phase),
    hold: hold(phase),
    resume: resume(phase),
    approve: approve(2),
    rollback: rollback(),
    promoting: promoting("hub"),
    complete,
    returned: returned("archiver"),
    judged: judged(phase, "fail"),
    alarm: alarm(phase),
    "error-seen": errorSeen(phase),
    tick,
    webhook: webhook(phase, LOAD.name, "refused"),
    "background-confirmed": confirmed(revision),
  };
}

/** `-` unchanged, `+` changed in the same status, `→` and the status it moves to, `!` and the refusal. */
function inShort({ status }: RolloutState, outcome: Outcome): string {
  if (outcome.kind === "unchanged") return "-";
  if (outcome.kind === "refused") return `!${outcome.refusal.kind}`;
  return outcome.state.status === status ? "+" : `→ ${outcome.state.status}`;
}

function row(state: RolloutState): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(commands(state)).map(([kind, command]) => [
      kind,
      inShort(state, apply(state, command, time(MAX_WAIT_MS))),
    ]),
  );
}

type Row = Readonly<Record<Command["kind"], string>>;

const OUTCOMES: Readonly<Record<RolloutStatus, Row>> = {
  idle: {
    start: "→ preparing",
    begin: "!unknown",
    "go-on": "!unknown",
    promote: "!unknown",
    hold: "!unknown",
    resume: "!unknown",
    approve: "!unknown",
    rollback: "!unknown",
    promoting: "!unknown",
    complete: "!unknown",
    returned: "!unknown",
    judged: "-",
    alarm: "-",
    "error-seen": "-",
    tick: "-",
    webhook: "-",
    "background-confirmed": "-",
  },
  preparing: {
    start: "!active",
    begin: "→ running",
    "go-on": "+",
    promote: "!out-of-order",
    hold: "→ paused",
    resume: "-",
    approve: "+",
    rollback: "→ rolled-back",
    promoting: "!not-promoting",
    complete: "!not-promoting",
    returned: "!out-of-order",
    judged: "-",
    alarm: "-",
    "error-seen": "+",
    tick: "-",
    webhook: "-",
    "background-confirmed": "-",
  },
  running: {
    start: "!active",
    begin: "-",
    "go-on": "+",
    promote: "!failing",
    hold: "→ paused",
    resume: "-",
    approve: "+",
    rollback: "→ rolled-back",
    promoting: "!not-promoting",
    complete: "!not-promoting",
    returned: "!out-of-order",
    judged: "→ rolled-back",
    alarm: "→ rolled-back",
    "error-seen": "+",
    tick: "→ paused",
    webhook: "→ paused",
    "background-confirmed": "-",
  },
  paused: {
    start: "!active",
    begin: "-",
    "go-on": "+",
    promote: "!failing",
    hold: "-",
    resume: "→ running",
    approve: "+",
    rollback: "→ rolled-back",
    promoting: "!not-promoting",
    complete: "!not-promoting",
    returned: "!out-of-order",
    judged: "→ rolled-back",
    alarm: "→ rolled-back",
    "error-seen": "+",
    tick: "-",
    webhook: "-",
    "background-confirmed": "-",
  },
  promoting: {
    start: "!active",
    begin: "-",
    "go-on": "-",
    promote: "-",
    hold: "!out-of-order",
    resume: "-",
    approve: "-",
    rollback: "→ rolling-back",
    promoting: "+",
    complete: "!out-of-order",
    returned: "!out-of-order",
    judged: "→ rolling-back",
    alarm: "→ rolling-back",
    "error-seen": "+",
    tick: "-",
    webhook: "-",
    "background-confirmed": "+",
  },
  "rolling-back": {
    start: "!active",
    begin: "!not-open",
    "go-on": "!not-open",
    promote: "!not-open",
    hold: "!not-open",
    resume: "!not-open",
    approve: "!not-open",
    rollback: "-",
    promoting: "!not-promoting",
    complete: "!not-promoting",
    returned: "+",
    judged: "-",
    alarm: "-",
    "error-seen": "+",
    tick: "-",
    webhook: "-",
    "background-confirmed": "+",
  },
  frozen: {
    start: "!active",
    begin: "-",
    "go-on": "!not-safe",
    promote: "!not-safe",
    hold: "!not-safe",
    resume: "!not-safe",
    approve: "!not-safe",
    rollback: "-",
    promoting: "!not-promoting",
    complete: "!not-promoting",
    returned: "!out-of-order",
    judged: "+",
    alarm: "-",
    "error-seen": "+",
    tick: "-",
    webhook: "-",
    "background-confirmed": "-",
  },
  done: {
    start: "→ preparing",
    begin: "!not-open",
    "go-on": "!not-open",
    promote: "!not-open",
    hold: "!not-open",
    resume: "!not-open",
    approve: "!not-open",
    rollback: "!not-open",
    promoting: "!not-open",
    complete: "-",
    returned: "!not-open",
    judged: "-",
    alarm: "-",
    "error-seen": "-",
    tick: "-",
    webhook: "-",
    "background-confirmed": "+",
  },
  "rolled-back": {
    start: "→ preparing",
    begin: "!not-open",
    "go-on": "!not-open",
    promote: "!not-open",
    hold: "!not-open",
    resume: "!not-open",
    approve: "!not-open",
    rollback: "-",
    promoting: "!not-open",
    complete: "!not-open",
    returned: "-",
    judged: "-",
    alarm: "-",
    "error-seen": "-",
    tick: "-",
    webhook: "-",
    "background-confirmed": "-",
  },
};

describe("every command in every status", () => {
  it.each(ROLLOUT_STATUSES)("has a stated outcome: %s", (status) => {
    expect(STATES[status].status).toBe(status);
    expect(row(STATES[status])).toEqual(OUTCOMES[status]);
  });
});

const byApproval = planWith({ phases: [FIRST, { ...SECOND, approval: true }, THIRD] });
const byWebhook = planWith({ phases: [{ ...FIRST, webhooks: [LOAD] }, SECOND, THIRD] });
const errors = [judged(1, "error"), judged(1, "error"), judged(1, "error")];

/** A state of each pause, in phase 1. */
const PAUSES: Readonly<Record<Pause["why"], RolloutState>> = {
  operator: after(start(), begin, hold(1)),
  approval: after(start({ plan: byApproval }), begin, ...passed(1)),
  reached: after(start({ upTo: 1 }), begin, ...passed(1)),
  inconclusive: after(start(), begin, judged(1, "inconclusive"), MAX_WAIT_MS, tick),
  error: after(start(), begin, ...errors),
  webhook: after(start({ plan: byWebhook }), begin, webhook(1, LOAD.name, "unreachable")),
};

const STEERING = ["go-on", "promote", "hold", "resume", "approve", "rollback"] as const;

/** And what a pass, a fail that is the last allowed, and an alarm make of them. */
const STEERED: Readonly<Record<Pause["why"], Readonly<Record<string, string>>>> = {
  operator: { "go-on": "+", promote: "→ running", hold: "-", resume: "→ running", approve: "+" },
  approval: { "go-on": "+", promote: "-", hold: "+", resume: "!needs-approval", approve: "→ running" },
  reached: { "go-on": "→ running", promote: "→ running", hold: "+", resume: "→ running", approve: "+" },
  inconclusive: { "go-on": "+", promote: "→ running", hold: "+", resume: "→ running", approve: "+" },
  error: { "go-on": "+", promote: "→ running", hold: "+", resume: "→ running", approve: "+" },
  webhook: { "go-on": "+", promote: "→ running", hold: "+", resume: "→ running", approve: "+" },
};

describe("every command in every pause", () => {
  it.each(Object.entries(PAUSES))("has a stated outcome: %s", (why, state) => {
    expect(state.pause?.why).toBe(why);
    const told = row(state);
    const steered = Object.fromEntries(STEERING.map((kind) => [kind, told[kind]]));
    const expected = Object.entries(STEERED).find(([of]) => of === why)?.[1];
    expect(steered).toEqual({ ...expected, rollback: "→ rolled-back" });
  });

  it.each(Object.entries(PAUSES))("is judged on: %s", (why, state) => {
    const once = apply(state, judged(1, "pass"), time(0));
    expect(inShort(state, once)).toBe(why === "error" ? "→ running" : "+");
    const twice = apply(once.state, judged(1, "pass"), time(0));
    expect(twice.state.status).toBe(why === "inconclusive" || why === "error" ? "running" : "paused");
    expect(inShort(state, apply(state, alarm(1), time(0)))).toBe("→ rolled-back");
    const failing = apply(state, judged(1, "fail"), time(0)).state;
    expect(failing.status).toBe("paused");
    expect(apply(failing, judged(1, "fail"), time(0)).state.status).toBe("rolled-back");
  });
});
