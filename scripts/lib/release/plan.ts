/**
 * What a release will do, decided before the first change from what is deployed
 * now. Pure: the same facts give the same plan, and every refusal is made here.
 */
import type { D1Key, WorkerKey } from "../../../infra/topology.ts";
import {
  ROLLOUT_WORKERS,
  type RolloutPlan,
  type RolloutState,
  type RolloutWorker,
} from "../../../worker/src/rollout/contract.ts";
import { CliError, EXIT } from "../exit.ts";
import { describeRollout, isOpen } from "../rollout/text.ts";

/** The canary script of each Worker. */
export const CANARY_OF = { archiver: "archiver-canary", hub: "hub-canary" } as const satisfies Record<
  RolloutWorker,
  WorkerKey
>;

export type Step =
  | { readonly kind: "migrate"; readonly database: D1Key; readonly files: readonly string[] }
  /** The former code on the new schema, before anything else is changed. */
  | { readonly kind: "prove-stable" }
  /** A canary that is no part of the release gets what its stable script runs. */
  | { readonly kind: "align"; readonly worker: RolloutWorker; readonly versionId: string }
  /** `wrangler deploy`: code, triggers and Durable Object migrations, at 100 %. */
  | { readonly kind: "full-deploy"; readonly worker: WorkerKey }
  | { readonly kind: "upload"; readonly worker: WorkerKey }
  | { readonly kind: "deploy"; readonly worker: WorkerKey }
  | { readonly kind: "triggers"; readonly worker: WorkerKey }
  /** Takes the rollout's lock in the hub; no traffic yet. */
  | { readonly kind: "open" }
  /** The script answers with the version that it was given. */
  | { readonly kind: "check"; readonly worker: WorkerKey }
  /** The canaries answer what the stable lane answers; through the lane header, so no user traffic. */
  | { readonly kind: "smoke" }
  /** Lets the hub send traffic. */
  | { readonly kind: "begin" }
  | { readonly kind: "go-on" }
  | { readonly kind: "phase"; readonly phase: number; readonly title: string }
  /** Tells the hub that a stable script is about to get the release. */
  | { readonly kind: "promote"; readonly worker: RolloutWorker }
  /** Ends the rollout: the stable scripts carry the release now. */
  | { readonly kind: "complete" };

/** What the plan needs to know of a script. */
export interface ScriptFacts {
  /** Serves this very release already. */
  readonly current: boolean;
  readonly needsFullDeploy: boolean;
  /** Has a version that serves traffic. */
  readonly deployed: boolean;
  /** Content tag and id of the version that serves. */
  readonly tag: string | null;
  readonly versionId: string | null;
}

/** A Worker's two scripts. */
export interface WorkerFacts {
  readonly stable: ScriptFacts;
  readonly canary: ScriptFacts;
  /** Newest version on the canary script that has the content tag of the stable one. */
  readonly canaryTwin: string | null;
  /** Content tag of the bundle to release; `null` when the Worker is not a target. */
  readonly bundle: string | null;
  /** The queue consumers of the account are not those of the topology. */
  readonly triggersDiffer: boolean;
}

export interface PendingFacts {
  readonly database: D1Key;
  readonly files: readonly string[];
}

export interface ReleaseFacts {
  readonly workers: Readonly<Record<RolloutWorker, WorkerFacts>>;
  readonly pending: readonly PendingFacts[];
  /** `null` before the first release of the hub. */
  readonly rollout: RolloutState | null;
  readonly plan: RolloutPlan;
  /** Last phase of this run; `null`: all phases, then promotion. */
  readonly upTo: number | null;
  /** The stable scripts get it at once, without lane and phases. */
  readonly direct: boolean;
  readonly detach: boolean;
}

function migrateSteps({ pending }: ReleaseFacts): readonly Step[] {
  return pending
    .filter(({ files }) => files.length > 0)
    .map(({ database, files }) => ({ kind: "migrate", database, files }));
}

function put(worker: WorkerKey, { needsFullDeploy }: ScriptFacts): readonly Step[] {
  return needsFullDeploy
    ? [{ kind: "full-deploy", worker }]
    : [
        { kind: "upload", worker },
        { kind: "deploy", worker },
      ];
}

/** Targets whose stable script does not serve the bundle yet, in the order of their dependency. */
function changedWorkers({ workers }: ReleaseFacts): readonly RolloutWorker[] {
  return ROLLOUT_WORKERS.filter((key) => workers[key].bundle !== null && !workers[key].stable.current);
}

/** Workers that the release brings new code for: those of the open rollout, else the targets that change. */
export function changedBy(facts: ReleaseFacts): readonly RolloutWorker[] {
  const { rollout } = facts;
  if (rollout === null || !isOpen(rollout)) return changedWorkers(facts);
  return ROLLOUT_WORKERS.filter((key) => rollout.release?.workers[key].changed === true);
}

function triggerSteps(facts: ReleaseFacts, changed: readonly RolloutWorker[]): readonly Step[] {
  return ROLLOUT_WORKERS.filter((key) => {
    const { triggersDiffer, stable, bundle } = facts.workers[key];
    // A full deploy brings its triggers along.
    return bundle !== null && triggersDiffer && !(changed.includes(key) && stable.needsFullDeploy);
  }).map((worker) => ({ kind: "triggers", worker }));
}

export function otherRollout(rollout: RolloutState): CliError {
  return new CliError(EXIT.failed, `Another release is under way: ${describeRollout(rollout)}`, {
    hints: [
      "See it: npm run status",
      "Go on with it: release the same code again, with --phase or without.",
      "Take it back: npm run rollback",
    ],
    data: { rollout },
  });
}

/** @param from 0: with the copies of reads before phase 1, where the plan has them */
function phaseSteps({ plan, upTo, detach }: ReleaseFacts, from: number): readonly Step[] {
  if (detach) return [];
  const copies = plan.mirror === null ? [] : [{ kind: "phase", phase: 0, title: "copies of reads" } as const];
  return [
    ...copies,
    ...plan.phases.map(({ name }, index) => ({ kind: "phase", phase: index + 1, title: name }) as const),
  ].filter(({ phase }) => phase >= from && phase <= (upTo ?? plan.phases.length));
}

function promotion(facts: ReleaseFacts, changed: readonly RolloutWorker[]): readonly Step[] {
  if (facts.upTo !== null || facts.detach) return [];
  return [
    ...changed.flatMap((worker): readonly Step[] => [
      { kind: "promote", worker },
      ...put(worker, facts.workers[worker].stable),
      { kind: "check", worker },
    ]),
    ...triggerSteps(facts, changed),
    { kind: "complete" },
  ];
}

/** Nothing serves yet, or nothing may wait: canaries first, since the stable scripts bind them. */
function atOnce(facts: ReleaseFacts, changed: readonly RolloutWorker[]): readonly Step[] {
  const { workers } = facts;
  return [
    ...migrateSteps(facts),
    ...changed.flatMap((key): readonly Step[] => [
      ...(workers[key].canary.current ? [] : put(CANARY_OF[key], workers[key].canary)),
      ...put(key, workers[key].stable),
      { kind: "check", worker: key },
    ]),
    ...triggerSteps(facts, changed),
  ];
}

function refuseHubAlone({ workers }: ReleaseFacts): void {
  if (workers.archiver.stable.deployed || workers.archiver.bundle !== null) return;
  throw new CliError(EXIT.failed, "The hub calls the archiver, which has no release yet", {
    hints: ["Release both: npm run release:all", "Or the archiver first: npm run release:archiver"],
  });
}

/** A canary that is no part of the release must run what its stable script runs: the lanes are compared. */
function alignment({ workers }: ReleaseFacts, changed: readonly RolloutWorker[]): readonly Step[] {
  return ROLLOUT_WORKERS.filter((key) => !changed.includes(key)).flatMap((worker): readonly Step[] => {
    const { stable, canary, canaryTwin } = workers[worker];
    if (canary.tag === stable.tag) return [];
    if (canaryTwin !== null) return [{ kind: "align", worker, versionId: canaryTwin }];
    throw new CliError(
      EXIT.failed,
      `The canary of the ${worker} does not run what the ${worker} runs (${canary.tag ?? "nothing"}, not ${stable.tag ?? "nothing"}), and has no such version`,
      {
        hints: ["Release both together, so that the lanes differ by the release alone: npm run release:all"],
      },
    );
  });
}

/** Whether an open rollout is this very release. */
function sameRelease({ workers }: ReleaseFacts, { release }: RolloutState): boolean {
  return (
    release !== null &&
    ROLLOUT_WORKERS.every((key) => {
      const { changed, tag } = release.workers[key];
      const { bundle } = workers[key];
      return changed ? bundle === tag : bundle === null || bundle === tag;
    })
  );
}

function refuseStopped(rollout: RolloutState): void {
  if (rollout.status === "frozen") {
    throw new CliError(EXIT.frozen, `The rollout is frozen: ${rollout.reason ?? ""}`, {
      hints: [
        "It keeps its share of the traffic until someone decides.",
        "Go on all the same: npm run release:resume -- --force",
        "Take it back all the same: npm run rollback -- --force",
      ],
      data: { rollout },
    });
  }
  if (rollout.status === "rolling-back") {
    throw new CliError(EXIT.failed, "The rollout is being taken back, and something is left to return", {
      hints: ["Finish it: npm run rollback"],
      data: { rollout },
    });
  }
}

/** An earlier run of this very release stopped on its way. */
function resume(facts: ReleaseFacts, rollout: RolloutState): readonly Step[] {
  refuseStopped(rollout);
  const { workers, upTo } = facts;
  const { phase, release, status } = rollout;
  const changed = changedBy(facts);
  const left = changed.filter((key) => !workers[key].stable.current);
  if (upTo !== null && upTo < phase) {
    throw new CliError(EXIT.failed, `The rollout is in phase ${phase} already: a phase is not gone back to`, {
      hints: ["Go on: --phase with a later phase, or none.", "Take it back whole: npm run rollback"],
      data: { rollout },
    });
  }
  const goOn: readonly Step[] = rollout.upTo === upTo ? [] : [{ kind: "go-on" }];
  const isUnchecked = phase === 0 && rollout.phaseStartedAt === null;
  switch (isUnchecked ? "preparing" : status) {
    case "preparing":
      return [
        ...migrateSteps(facts),
        ...lanes(facts, changed, release),
        ...goOn,
        ...checks(changed),
        ...phaseSteps(facts, 0),
        ...promotion(facts, left),
      ];
    case "promoting":
      return promotion(facts, left);
    default:
      return [...goOn, ...phaseSteps(facts, phase), ...promotion(facts, left)];
  }
}

/** Canary scripts that do not serve the version that the rollout was opened for. */
function lanes(
  { workers }: ReleaseFacts,
  changed: readonly RolloutWorker[],
  release: RolloutState["release"],
): readonly Step[] {
  return changed
    .filter((key) => workers[key].canary.versionId !== release?.workers[key].canaryVersion)
    .map((key) => ({ kind: "deploy", worker: CANARY_OF[key] }));
}

const checks = (changed: readonly RolloutWorker[]): readonly Step[] => [
  ...changed.map((key): Step => ({ kind: "check", worker: CANARY_OF[key] })),
  { kind: "smoke" },
  { kind: "begin" },
];

function rollOut(facts: ReleaseFacts, changed: readonly RolloutWorker[]): readonly Step[] {
  const { workers } = facts;
  const migrations = migrateSteps(facts);
  const uploads: Step[] = [];
  const deploys: Step[] = [];
  for (const key of changed) {
    const { canary } = workers[key];
    if (canary.current) continue;
    const worker = CANARY_OF[key];
    if (canary.needsFullDeploy) uploads.push({ kind: "full-deploy", worker });
    else {
      uploads.push({ kind: "upload", worker });
      deploys.push({ kind: "deploy", worker });
    }
  }
  return [
    ...migrations,
    ...(migrations.length === 0 ? [] : [{ kind: "prove-stable" } as const]),
    ...alignment(facts, changed),
    ...uploads,
    // The lock comes before the canaries' new code, so that two releases cannot mix on the lane.
    { kind: "open" },
    ...deploys,
    ...checks(changed),
    ...phaseSteps(facts, 0),
    ...promotion(facts, changed),
  ];
}

/**
 * @throws {CliError} failed, while another release is under way or the archiver
 *   has none; frozen; usage, for a phase that cannot be
 */
export function planRelease(facts: ReleaseFacts): readonly Step[] {
  const { rollout, workers, upTo, plan, direct } = facts;
  if (upTo !== null && (upTo < 1 || upTo > plan.phases.length)) {
    throw new CliError(EXIT.usage, `There is no phase ${upTo}: the plan has ${plan.phases.length}`);
  }
  refuseHubAlone(facts);
  if (rollout !== null && isOpen(rollout)) {
    if (!sameRelease(facts, rollout)) throw otherRollout(rollout);
    return resume(facts, rollout);
  }
  const changed = changedWorkers(facts);
  if (changed.length === 0) return [...migrateSteps(facts), ...triggerSteps(facts, changed)];
  const first = changed.some((key) => !workers[key].stable.deployed) || rollout === null;
  if (first && upTo !== null) {
    throw new CliError(EXIT.usage, "A first release has no phases: there is no stable version beside it", {
      hints: ["Run it without --phase."],
    });
  }
  return first || direct ? atOnce(facts, changed) : rollOut(facts, changed);
}

/**
 * The canary scripts alone, without a rollout.
 * @throws {CliError} while a rollout sends traffic to them
 */
export function planCanaries({ workers, rollout }: ReleaseFacts): readonly Step[] {
  const stale = ROLLOUT_WORKERS.filter((key) => workers[key].bundle !== null && !workers[key].canary.current);
  if (stale.length === 0) return [];
  if (rollout !== null && isOpen(rollout)) throw otherRollout(rollout);
  return stale.flatMap((key): readonly Step[] => [
    ...put(CANARY_OF[key], workers[key].canary),
    { kind: "check", worker: CANARY_OF[key] },
  ]);
}
