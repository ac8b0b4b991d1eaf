/**
 * What a release will do, decided before the first change from what is deployed
 * now. Pure: the same facts give the same plan, and every refusal is made here.
 */
import type { D1Key, WorkerKey } from "../../infra/topology.ts";
import { PHASE_SHARES, type RolloutState } from "../../worker/src/rollout/contract.ts";
import { CliError, EXIT } from "./exit.ts";
import { describeRollout } from "./hub.ts";
import type { PlannedStep, TrafficPhase } from "./release-events.ts";

export type Step =
  | { readonly kind: "migrate"; readonly database: D1Key; readonly files: readonly string[] }
  /** `wrangler deploy`: code, triggers and Durable Object migrations, at 100 %. */
  | { readonly kind: "full-deploy"; readonly worker: WorkerKey }
  | { readonly kind: "upload"; readonly worker: WorkerKey }
  | { readonly kind: "deploy"; readonly worker: WorkerKey }
  | { readonly kind: "triggers"; readonly worker: WorkerKey }
  /** Takes the rollout's lock in the hub; no traffic yet. */
  | { readonly kind: "open" }
  | { readonly kind: "check"; readonly worker: WorkerKey }
  | { readonly kind: "phase"; readonly phase: TrafficPhase }
  /** Ends the rollout: the hub carries the bundle now. */
  | { readonly kind: "close" };

/** What the plan needs to know of a script. */
export interface ScriptFacts {
  /** Serves this very release already. */
  readonly current: boolean;
  readonly needsFullDeploy: boolean;
  /** Has a version that serves traffic. */
  readonly deployed: boolean;
}

export interface PendingFacts {
  readonly database: D1Key;
  readonly files: readonly string[];
}

const PHASES: readonly TrafficPhase[] = [1, 2, 3];

function migrateSteps({ database, files }: PendingFacts): readonly Step[] {
  return files.length === 0 ? [] : [{ kind: "migrate", database, files }];
}

function put(worker: WorkerKey, { needsFullDeploy }: ScriptFacts): readonly Step[] {
  return needsFullDeploy
    ? [{ kind: "full-deploy", worker }]
    : [
        { kind: "upload", worker },
        { kind: "deploy", worker },
      ];
}

export interface ArchiverFacts {
  readonly archiver: ScriptFacts;
  readonly pending: PendingFacts;
  /** The queue consumers of the account are not those of the topology. */
  readonly triggersDiffer: boolean;
}

export function planArchiver({ archiver, pending, triggersDiffer }: ArchiverFacts): readonly Step[] {
  const code = archiver.current ? [] : put("archiver", archiver);
  const triggers: readonly Step[] =
    triggersDiffer && !archiver.needsFullDeploy ? [{ kind: "triggers", worker: "archiver" }] : [];
  const check: readonly Step[] = code.length === 0 ? [] : [{ kind: "check", worker: "archiver" }];
  return [...migrateSteps(pending), ...code, ...triggers, ...check];
}

export interface CanaryFacts {
  readonly canary: ScriptFacts;
  readonly rollout: RolloutState | null;
}

/** @throws {CliError} while a rollout sends traffic to the canary */
export function planCanary({ canary, rollout }: CanaryFacts): readonly Step[] {
  if (canary.current) return [];
  if (rollout?.status === "active") throw otherRollout(rollout);
  return [...put("hub-canary", canary), { kind: "check", worker: "hub-canary" }];
}

export interface HubFacts {
  readonly tag: string;
  readonly hub: ScriptFacts;
  readonly canary: ScriptFacts;
  readonly archiverDeployed: boolean;
  /** Version that serves on the canary script. */
  readonly canaryVersion: string | null;
  /** `null` before the first release of the hub. */
  readonly rollout: RolloutState | null;
  readonly pending: PendingFacts;
  /** Last phase of this run; `null`: all phases, then promotion. */
  readonly upTo: TrafficPhase | null;
  /** The hub gets it at once, without lane and phases. */
  readonly direct: boolean;
}

function otherRollout(rollout: RolloutState): CliError {
  return new CliError(EXIT.failed, `Another release is under way: ${describeRollout(rollout)}`, {
    hints: [
      "See it: npm run status",
      "Go on with it: release the same code again, with --phase or without.",
      "Take it back: npm run rollback",
    ],
    data: { rollout },
  });
}

const phaseSteps = (from: TrafficPhase, upTo: TrafficPhase | null): readonly Step[] =>
  PHASES.filter((phase) => phase >= from && phase <= (upTo ?? 3)).map((phase) => ({ kind: "phase", phase }));

function promotion({ hub, upTo }: HubFacts): readonly Step[] {
  if (upTo !== null) return [];
  const code = hub.current ? [] : put("hub", hub);
  return [...code, { kind: "check", worker: "hub" }, { kind: "close" }];
}

/** Nothing serves yet, so there is nothing to compare the release with: both lanes get it at once. */
function firstRelease({ hub, canary, archiverDeployed, pending, upTo }: HubFacts): readonly Step[] {
  if (!archiverDeployed) {
    throw new CliError(EXIT.failed, "The hub calls the archiver, which has no release yet", {
      hints: ["Release it first: npm run release:archiver"],
    });
  }
  if (upTo !== null) {
    throw new CliError(
      EXIT.usage,
      "The first release of the hub has no phases: there is no stable version beside it",
      {
        hints: ["Run it without --phase."],
      },
    );
  }
  const lane = canary.current ? [] : put("hub-canary", canary);
  return [...migrateSteps(pending), ...lane, ...put("hub", hub), { kind: "check", worker: "hub" }];
}

/** An earlier run of this very release stopped on its way. */
function resume(facts: HubFacts, rollout: RolloutState): readonly Step[] {
  const { canaryVersion, upTo } = facts;
  const { phase, release } = rollout;
  if (upTo !== null && upTo < phase) {
    throw new CliError(EXIT.failed, `The rollout is in phase ${phase} already: a phase is not gone back to`, {
      hints: ["Go on: --phase with a later phase, or none.", "Take it back whole: npm run rollback"],
      data: { rollout },
    });
  }
  const lane: readonly Step[] =
    canaryVersion === release?.canaryVersion ? [] : [{ kind: "deploy", worker: "hub-canary" }];
  const check: readonly Step[] = phase === 0 ? [{ kind: "check", worker: "hub-canary" }] : [];
  return [...lane, ...check, ...phaseSteps(phase === 0 ? 1 : phase, upTo), ...promotion(facts)];
}

/**
 * @throws {CliError} failed, while another release is under way or the archiver
 *   has none; usage, for a phase that cannot be
 */
export function planHub(facts: HubFacts): readonly Step[] {
  const { tag, hub, canary, rollout, pending, upTo, direct } = facts;
  if (!hub.deployed) return firstRelease(facts);
  if (rollout?.status === "active") {
    if (rollout.release?.tag !== tag) throw otherRollout(rollout);
    return [...migrateSteps(pending), ...resume(facts, rollout)];
  }
  if (hub.current) return migrateSteps(pending);
  if (direct) return [...migrateSteps(pending), ...put("hub", hub), { kind: "check", worker: "hub" }];
  // The lock comes before the canary's new code, so that two releases cannot mix on the lane.
  const lane: readonly Step[] = canary.current
    ? [{ kind: "open" }]
    : canary.needsFullDeploy
      ? [{ kind: "full-deploy", worker: "hub-canary" }, { kind: "open" }]
      : [
          { kind: "upload", worker: "hub-canary" },
          { kind: "open" },
          { kind: "deploy", worker: "hub-canary" },
        ];
  return [
    ...migrateSteps(pending),
    ...lane,
    { kind: "check", worker: "hub-canary" },
    ...phaseSteps(1, upTo),
    ...promotion(facts),
  ];
}

const WORKER_TITLES: Readonly<Record<WorkerKey, string>> = {
  hub: "the hub",
  "hub-canary": "the canary",
  archiver: "the archiver",
};

/** How a step is called in plans, events and on the screen. */
export function describeStep(step: Step): PlannedStep {
  switch (step.kind) {
    case "migrate":
      return {
        id: `migrate-${step.database}`,
        title: `Migrate the ${step.database} database: ${step.files.join(", ")}`,
      };
    case "full-deploy":
      return {
        id: `deploy-${step.worker}`,
        title: `Deploy ${WORKER_TITLES[step.worker]} at 100 %, with its triggers`,
      };
    case "upload":
      return { id: `upload-${step.worker}`, title: `Upload the version of ${WORKER_TITLES[step.worker]}` };
    case "deploy":
      return { id: `deploy-${step.worker}`, title: `Deploy that version to ${WORKER_TITLES[step.worker]}` };
    case "triggers":
      return {
        id: `triggers-${step.worker}`,
        title: `Apply the queue consumers of ${WORKER_TITLES[step.worker]}`,
      };
    case "open":
      return { id: "open-rollout", title: "Open the rollout at 0 %" };
    case "check":
      return {
        id: `check-${step.worker}`,
        title: `Check that ${WORKER_TITLES[step.worker]} answers with it`,
      };
    case "phase": {
      const { read, write } = PHASE_SHARES[step.phase];
      return {
        id: `phase-${step.phase}`,
        title: `Phase ${step.phase}: ${read} % of reads, ${write} % of writes, until its gate passes`,
      };
    }
    case "close":
      return { id: "close-rollout", title: "Close the lane: the release is promoted" };
  }
}
