/**
 * What the release functions are told, report while they run, and return.
 * `releaseArchiver`, `releaseCanary`, `releaseHub` and `releaseAll` are in
 * `release.ts`, `migrate` in `migrations.ts`, `rollback` in `rollback.ts`,
 * `status` in `status.ts`; all take a `ReleaseContext` (`environment.ts`) first.
 */
import type { GateSettings, RolloutState } from "../../worker/src/rollout/contract.ts";
import type { D1Key, Environment, WorkerKey } from "../../infra/topology.ts";

export type ReleaseTarget = "hub" | "canary" | "archiver";

export type TrafficPhase = 1 | 2 | 3;

/** When a gate lets a rollout go on. */
export interface GatePolicy {
  /** How long a phase is watched at least, in milliseconds. */
  readonly intervalMs: number;
  /** Canary requests that a phase must have seen. 0 lets a phase without traffic pass. */
  readonly minSample: number;
  /** After this, a phase with too few requests is inconclusive, in milliseconds. */
  readonly maxWaitMs: number;
  /** How often the rollout's state is read, in milliseconds. */
  readonly pollMs: number;
}

export const DEFAULT_GATE: GatePolicy = {
  intervalMs: 10_000,
  minSample: 50,
  maxWaitMs: 300_000,
  pollMs: 500,
};

export interface ReleaseOptions {
  /** Another entry module than the topology's, relative to the repository or absolute. */
  readonly main?: string;
  /** Writes all secrets again, not only the missing ones. */
  readonly rotateSecrets?: boolean;
  /** Called with the plan before the first change; throws to stop. */
  readonly confirm?: (plan: PlanEvent) => Promise<void>;
  /** Plans and stops; nothing remote is changed. */
  readonly dryRun?: boolean;
}

export interface HubReleaseOptions extends ReleaseOptions {
  /** Without lane and phases, as a first release goes; for `local` only. */
  readonly direct?: boolean;
  /** Goes up to this phase and stops there; absent: all phases, then promotion. */
  readonly phase?: TrafficPhase;
  /** What of the default policy is otherwise: for all phases, or phase by phase. */
  readonly gate?: Partial<GatePolicy> | ((phase: TrafficPhase) => Partial<GatePolicy>);
  /** What the hub is told about its judgement; the rest is the hub's default. */
  readonly judge?: Partial<GateSettings>;
}

export interface PlannedStep {
  readonly id: string;
  readonly title: string;
}

export interface PlanEvent {
  readonly type: "plan";
  readonly environment: Environment;
  readonly target: ReleaseTarget;
  readonly tag: string;
  /** Nothing of it will be done. */
  readonly dryRun: boolean;
  /** In the order in which they will be done; empty when there is nothing to do. */
  readonly steps: readonly PlannedStep[];
}

export interface StepEvent {
  readonly type: "step";
  readonly id: string;
  readonly title: string;
  readonly status: "started" | "done" | "failed";
  /** What came of it, for example a version id. */
  readonly detail: string | null;
}

export type GateVerdict = "waiting" | "pass" | "fail" | "inconclusive";

export interface GateEvent {
  readonly type: "gate";
  readonly phase: TrafficPhase;
  readonly verdict: GateVerdict;
  /** Canary requests and errors of this phase, both classes. */
  readonly requests: number;
  readonly errors: number;
  /** Milliseconds since the phase began. */
  readonly elapsedMs: number;
  readonly reason: string;
  readonly state: RolloutState;
}

export interface NoteEvent {
  readonly type: "note";
  readonly message: string;
}

export type ReleaseEvent = PlanEvent | StepEvent | GateEvent | NoteEvent;

/** Files that were applied to each database in this run, oldest first. */
export type AppliedMigrations = Readonly<Partial<Record<D1Key, readonly string[]>>>;

export interface ReleaseReport {
  readonly environment: Environment;
  readonly target: ReleaseTarget;
  /** Content tag of the release, `r-` and 12 hex digits. */
  readonly tag: string;
  /** `phase`: the rollout stands in `phase` and stays open. `planned`: a dry run. */
  readonly outcome: "released" | "unchanged" | "phase" | "planned";
  /** Version ids that this run made current, by Worker. */
  readonly versions: Readonly<Partial<Record<WorkerKey, string>>>;
  readonly migrations: AppliedMigrations;
  readonly rolloutId: string | null;
  readonly phase: TrafficPhase | null;
}

export interface RollbackOptions {
  /** Default: the hub. */
  readonly target?: ReleaseTarget;
  /** Takes an open rollout back only when it is in this phase. */
  readonly phase?: TrafficPhase;
  /** Goes into the rollout's history. */
  readonly reason?: string;
  /** Called with what will be done, before it is done; throws to stop. */
  readonly confirm?: (what: string) => Promise<void>;
}

export interface RollbackReport {
  readonly environment: Environment;
  readonly target: ReleaseTarget;
  /** `lane`: an open rollout went to 0 %. `version`: the predecessor is deployed again. */
  readonly kind: "lane" | "version";
  /** Version ids. */
  readonly from: string;
  readonly to: string;
  readonly rolloutId: string | null;
}
