import { describe, expect, it } from "vitest";
import type { ReleaseIdentity, RolloutState, RolloutWorker } from "../../../worker/src/rollout/contract.ts";
import { IDLE_STATE } from "../../../worker/src/rollout/machine/machine.ts";
import { CliError, EXIT } from "../exit.ts";
import { PLAN } from "../test/released.ts";
import {
  changedBy,
  planCanaries,
  planRelease,
  type ReleaseFacts,
  type ScriptFacts,
  type Step,
  type WorkerFacts,
} from "./plan.ts";

const OLD = "r-000000000001";
const NEW = "r-000000000002";

const script = (change: Partial<ScriptFacts> = {}): ScriptFacts => ({
  current: false,
  needsFullDeploy: false,
  deployed: true,
  tag: OLD,
  versionId: "v1",
  ...change,
});
const EMPTY = script({ needsFullDeploy: true, deployed: false, tag: null, versionId: null });
const SERVES = script({ current: true, tag: NEW, versionId: "v2" });

const worker = (change: Partial<WorkerFacts> = {}): WorkerFacts => ({
  stable: script(),
  canary: script(),
  canaryTwin: "v1",
  bundle: null,
  triggersDiffer: false,
  ...change,
});
/** A Worker with new code. */
const target = (change: Partial<WorkerFacts> = {}): WorkerFacts => worker({ bundle: NEW, ...change });

interface Told extends Partial<Omit<ReleaseFacts, "workers">> {
  readonly hub?: WorkerFacts;
  readonly archiver?: WorkerFacts;
}

const facts = ({ hub = worker(), archiver = worker(), ...rest }: Told = {}): ReleaseFacts => ({
  workers: { hub, archiver },
  pending: [],
  rollout: IDLE_STATE,
  plan: PLAN,
  upTo: null,
  direct: false,
  detach: false,
  ...rest,
});

/** A step in a word or two. */
function word(step: Step): string {
  if (step.kind === "migrate") return `migrate ${step.database}`;
  if (step.kind === "phase") return `phase ${step.phase}`;
  return "worker" in step ? `${step.kind} ${step.worker}` : step.kind;
}

const words = (told: Told): string => planRelease(facts(told)).map(word).join(", ");

function refusal(plan: () => unknown): CliError {
  try {
    plan();
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

const PHASES = "phase 1, phase 2, phase 3";
const PROMOTE_HUB = "promote hub, upload hub, deploy hub, check hub";
const PROMOTE_ARCHIVER = "promote archiver, upload archiver, deploy archiver, check archiver";
const CHECK_HUB = "check hub-canary, smoke, begin";
const CHECK_BOTH = "check archiver-canary, check hub-canary, smoke, begin";
const BOTH = { hub: target(), archiver: target() };
const MIGRATIONS = [{ database: "hub", files: ["0001_a.sql"] }] as const;

describe("a release without a rollout", () => {
  it.each<readonly [string, Told, string]>([
    [
      "of everything for the first time goes to all scripts at once",
      {
        hub: target({ stable: EMPTY, canary: EMPTY }),
        archiver: target({ stable: EMPTY, canary: EMPTY }),
        rollout: null,
        pending: MIGRATIONS,
      },
      "migrate hub, full-deploy archiver-canary, full-deploy archiver, check archiver, full-deploy hub-canary, full-deploy hub, check hub",
    ],
    [
      "that was cut off after a script goes on with the next",
      {
        hub: target({ stable: EMPTY, canary: SERVES }),
        archiver: target({ stable: SERVES, canary: SERVES }),
        rollout: null,
      },
      "full-deploy hub, check hub",
    ],
    [
      "directly skips lane and phases",
      { hub: target(), direct: true },
      "upload hub-canary, deploy hub-canary, upload hub, deploy hub, check hub",
    ],
    ["of what serves already is nothing", { hub: target({ stable: SERVES, canary: SERVES }) }, ""],
    [
      "with nothing but migrations applies them",
      { hub: target({ stable: SERVES, canary: SERVES }), pending: MIGRATIONS },
      "migrate hub",
    ],
    [
      "with nothing but queue consumers applies them",
      { archiver: target({ stable: SERVES, canary: SERVES, triggersDiffer: true }) },
      "triggers archiver",
    ],
  ])("%s", (_, told, expected) => {
    expect(words(told)).toBe(expected);
  });
});

describe("a rollout", () => {
  it.each<readonly [string, Told, string]>([
    [
      "of the hub puts its canary under the lock, then goes through the phases, then promotes",
      { hub: target() },
      `upload hub-canary, open, deploy hub-canary, ${CHECK_HUB}, ${PHASES}, ${PROMOTE_HUB}, complete`,
    ],
    [
      "of the archiver does the same with its scripts",
      { archiver: target() },
      `upload archiver-canary, open, deploy archiver-canary, check archiver-canary, smoke, begin, ${PHASES}, ${PROMOTE_ARCHIVER}, complete`,
    ],
    [
      "of both promotes the archiver first, which the hub calls",
      BOTH,
      `upload archiver-canary, upload hub-canary, open, deploy archiver-canary, deploy hub-canary, ${CHECK_BOTH}, ${PHASES}, ${PROMOTE_ARCHIVER}, ${PROMOTE_HUB}, complete`,
    ],
    [
      "of both where one serves already is one of the other, whose partner's canary is left alone",
      { hub: target(), archiver: target({ stable: SERVES, canary: SERVES }) },
      `upload hub-canary, open, deploy hub-canary, ${CHECK_HUB}, ${PHASES}, ${PROMOTE_HUB}, complete`,
    ],
    [
      "with migrations proves first that the present versions work on them",
      { hub: target(), pending: MIGRATIONS },
      `migrate hub, prove-stable, upload hub-canary, open, deploy hub-canary, ${CHECK_HUB}, ${PHASES}, ${PROMOTE_HUB}, complete`,
    ],
    [
      "aligns a canary that is no part of the release",
      { hub: target(), archiver: worker({ canary: script({ tag: "r-other" }), canaryTwin: "v7" }) },
      `align archiver, upload hub-canary, open, deploy hub-canary, ${CHECK_HUB}, ${PHASES}, ${PROMOTE_HUB}, complete`,
    ],
    [
      "takes a canary that runs the release already",
      { hub: target({ canary: SERVES }) },
      `open, ${CHECK_HUB}, ${PHASES}, ${PROMOTE_HUB}, complete`,
    ],
    [
      "deploys in full where a Durable Object migration is pending, the canary before the lock",
      {
        hub: target({
          canary: script({ needsFullDeploy: true }),
          stable: script({ needsFullDeploy: true }),
        }),
      },
      `full-deploy hub-canary, open, ${CHECK_HUB}, ${PHASES}, promote hub, full-deploy hub, check hub, complete`,
    ],
    [
      "up to a phase ends there",
      { hub: target(), upTo: 2 },
      `upload hub-canary, open, deploy hub-canary, ${CHECK_HUB}, phase 1, phase 2`,
    ],
    [
      "that is detached ends when it has begun",
      { hub: target(), detach: true },
      `upload hub-canary, open, deploy hub-canary, ${CHECK_HUB}`,
    ],
    [
      "applies queue consumers when the script has the new code",
      { archiver: target({ triggersDiffer: true }) },
      `upload archiver-canary, open, deploy archiver-canary, check archiver-canary, smoke, begin, ${PHASES}, ${PROMOTE_ARCHIVER}, triggers archiver, complete`,
    ],
  ])("%s", (_, told, expected) => {
    expect(words(told)).toBe(expected);
  });

  it("brings new code for the targets that change, also when this run does not promote them", () => {
    expect(changedBy(facts({ ...BOTH, upTo: 1 }))).toEqual(["archiver", "hub"]);
    expect(changedBy(facts({ hub: target(), detach: true }))).toEqual(["hub"]);
    expect(changedBy(facts({ hub: target({ stable: SERVES }) }))).toEqual([]);
  });
});

/** A rollout of these Workers, as this very release opened it. */
function open(change: Partial<RolloutState>, changed: readonly RolloutWorker[] = ["hub"]): RolloutState {
  const one = (name: RolloutWorker): ReleaseIdentity["workers"][RolloutWorker] => ({
    tag: changed.includes(name) ? NEW : OLD,
    stableVersion: "v1",
    canaryVersion: changed.includes(name) ? "v2" : "v1",
    changed: changed.includes(name),
  });
  const release = { tag: NEW, workers: { archiver: one("archiver"), hub: one("hub") } };
  return { ...IDLE_STATE, id: "one", status: "running", phase: 1, release, plan: PLAN, ...change };
}

const ON_LANE = target({ canary: SERVES });

describe("a release that is gone on with", () => {
  it.each<readonly [string, Told, string]>([
    [
      "from preparing checks and begins",
      { hub: ON_LANE, rollout: open({ status: "preparing", phase: 0 }) },
      `${CHECK_HUB}, ${PHASES}, ${PROMOTE_HUB}, complete`,
    ],
    [
      "from preparing gives the canary the version that the rollout was opened for",
      { hub: target(), rollout: open({ status: "preparing", phase: 0 }) },
      `deploy hub-canary, ${CHECK_HUB}, ${PHASES}, ${PROMOTE_HUB}, complete`,
    ],
    [
      "from a phase goes through those that are left",
      { hub: ON_LANE, rollout: open({ phase: 2 }) },
      `phase 2, phase 3, ${PROMOTE_HUB}, complete`,
    ],
    [
      "from where it was told to stop goes on first",
      {
        hub: ON_LANE,
        rollout: open({ status: "paused", pause: { why: "reached", missing: "" }, upTo: 1 }),
      },
      `go-on, ${PHASES}, ${PROMOTE_HUB}, complete`,
    ],
    ["to a later phase", { hub: ON_LANE, rollout: open({ upTo: 1 }), upTo: 2 }, "go-on, phase 1, phase 2"],
    ["to the same phase", { hub: ON_LANE, rollout: open({ upTo: 1 }), upTo: 1 }, "phase 1"],
    ["detached leaves it to the hub", { hub: ON_LANE, rollout: open({}), detach: true }, ""],
    [
      "from the promotion promotes what is left",
      {
        hub: ON_LANE,
        archiver: target({ stable: SERVES, canary: SERVES }),
        rollout: open({ status: "promoting", phase: 3, promoted: ["archiver"] }, ["archiver", "hub"]),
      },
      `${PROMOTE_HUB}, complete`,
    ],
    [
      "from the promotion completes what is promoted whole",
      {
        hub: target({ stable: SERVES, canary: SERVES }),
        rollout: open({ status: "promoting", phase: 3, promoted: ["hub"] }),
      },
      "complete",
    ],
  ])("%s", (_, told, expected) => {
    expect(words(told)).toBe(expected);
  });

  it("brings what the rollout was opened for, also when a part serves already", () => {
    const rollout = open({ status: "promoting", promoted: ["archiver"] }, ["archiver", "hub"]);
    expect(changedBy(facts({ ...BOTH, archiver: target({ stable: SERVES }), rollout }))).toEqual([
      "archiver",
      "hub",
    ]);
  });
});

describe("a release is refused before anything is touched", () => {
  it.each<readonly [string, Told, number, string]>([
    ["for a phase that the plan has not", { hub: target(), upTo: 4 }, EXIT.usage, "no phase 4"],
    [
      "of the hub while the archiver has none",
      { hub: target(), archiver: worker({ stable: EMPTY, canary: EMPTY }) },
      EXIT.failed,
      "no release yet",
    ],
    [
      "by phases for the first time",
      { hub: target({ stable: EMPTY }), rollout: null, upTo: 1 },
      EXIT.usage,
      "first release has no phases",
    ],
    [
      "when the other's canary runs something that its stable script never ran there",
      { hub: target(), archiver: worker({ canary: script({ tag: "r-other" }), canaryTwin: null }) },
      EXIT.failed,
      "canary of the archiver",
    ],
    [
      "while a rollout of other code is open",
      { hub: target({ bundle: "r-000000000003" }), rollout: open({}) },
      EXIT.failed,
      "Another release",
    ],
    [
      "of one Worker while a rollout of the other is open",
      { archiver: target(), rollout: open({}) },
      EXIT.failed,
      "Another release",
    ],
    [
      "of both while a rollout of one is open that leaves the other's new code out",
      { ...BOTH, rollout: open({}) },
      EXIT.failed,
      "Another release",
    ],
    ["while it is frozen", { hub: ON_LANE, rollout: open({ status: "frozen" }) }, EXIT.frozen, "frozen"],
    [
      "while it is being taken back",
      { hub: ON_LANE, rollout: open({ status: "rolling-back", toReturn: ["hub"] }) },
      EXIT.failed,
      "taken back",
    ],
    [
      "back to a phase that it has left",
      { hub: ON_LANE, rollout: open({ phase: 2 }), upTo: 1 },
      EXIT.failed,
      "in phase 2 already",
    ],
  ])("%s", (_, told, exitCode, message) => {
    const error = refusal(() => planRelease(facts(told)));
    expect(error.exitCode).toBe(exitCode);
    expect(error.message).toContain(message);
  });
});

describe("the canary scripts alone", () => {
  it("get what they do not run yet", () => {
    const steps = planCanaries(facts({ hub: target(), archiver: target({ canary: SERVES }) }));
    expect(steps.map(word)).toEqual(["upload hub-canary", "deploy hub-canary", "check hub-canary"]);
  });

  it("are left alone while a rollout sends traffic to them", () => {
    const error = refusal(() => planCanaries(facts({ hub: target(), rollout: open({}) })));
    expect(error.message).toContain("Another release");
  });
});
