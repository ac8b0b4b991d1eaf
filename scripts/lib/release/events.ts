/** What the release functions are told, report while they run, and return. */
import type { D1Key, Environment, WorkerKey } from "../../../infra/topology.ts";
import type { RolloutPlan, RolloutState, RolloutWorker } from "../../../worker/src/rollout/contract.ts";
import type { MigrationReport } from "../migrations/index.ts";
import type { SmokeRequest } from "./smoke.ts";

/** `canary`: the working tree on the canary scripts, without a rollout. */
export const RELEASE_TARGETS = ["all", "hub", "archiver", "canary"] as const;
export type ReleaseTarget = (typeof RELEASE_TARGETS)[number];

export interface ReleaseOptions {
  /** Other entry modules than the topology's, relative to the repository or absolute. */
  readonly main?: Readonly<Partial<Record<RolloutWorker, string>>>;
  /** Writes all secrets again, not only the missing ones. */
  readonly rotateSecrets?: boolean;
  /** Applies migrations that the linter calls destructive or locking. */
  readonly allowContract?: boolean;
  /** Refuses to migrate where no Time Travel bookmark is to be had. */
  readonly requireBookmark?: boolean;
  /** Called with the plan before the first change; throws to stop. */
  readonly confirm?: (plan: PlanEvent) => Promise<void>;
  /** Plans and stops; nothing remote is changed. */
  readonly dryRun?: boolean;
  /** At once, without lane and phases, as a first release goes; for `local` only. */
  readonly direct?: boolean;
  /** How it rolls out. Default: `scripts/rollout.plan.ts`. */
  readonly plan?: RolloutPlan;
  /** What the canary is asked before phase 1. Default: of `scripts/rollout.plan.ts`. */
  readonly smoke?: readonly SmokeRequest[];
  /** Goes up to this phase and stops there; absent: all phases, then promotion. */
  readonly phase?: number;
  /** Returns once the hub has begun: it goes on by itself up to the promotion. */
  readonly detach?: boolean;
  /** Waits through holds and approvals; else the run ends there, and the rollout stays open. */
  readonly wait?: boolean;
  /** How often the rollout's state is read, in milliseconds. */
  readonly pollMs?: number;
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

/** Where the rollout stands, about once a second while one is watched. */
export interface RolloutEvent {
  readonly type: "rollout";
  readonly state: RolloutState;
  /** Milliseconds since the phase began, on the hub's clock at the time of the answer. */
  readonly elapsedMs: number;
}

export interface NoteEvent {
  readonly type: "note";
  readonly message: string;
}

export type ReleaseEvent = PlanEvent | StepEvent | RolloutEvent | NoteEvent;

/** What was applied to each database in this run. */
export type AppliedMigrations = Readonly<Partial<Record<D1Key, MigrationReport>>>;

export interface ReleaseReport {
  readonly environment: Environment;
  readonly target: ReleaseTarget;
  /** Names the release: `r-` and 12 hex digits. */
  readonly tag: string;
  /** `phase`: the rollout stands where `--phase` says and stays open. `begun`: detached. `planned`: a dry run. */
  readonly outcome: "released" | "unchanged" | "phase" | "begun" | "planned";
  /** Version ids that this run made current, by Worker. */
  readonly versions: Readonly<Partial<Record<WorkerKey, string>>>;
  readonly migrations: AppliedMigrations;
  readonly rolloutId: string | null;
  readonly phase: number | null;
}

export interface RollbackOptions {
  /** What a promoted release is taken back of; an open rollout goes back whole. Default: `all`, unless a rollout was taken back just now. */
  readonly target?: ReleaseTarget;
  /** Takes an open rollout back only when it is in this phase. */
  readonly phase?: number;
  /** Takes an open rollout back, and nothing else. */
  readonly openOnly?: boolean;
  /** Also where the former version may not work on the present schema. */
  readonly force?: boolean;
  /** Goes into the rollout's history. */
  readonly reason?: string;
  /** Called with what will be done, before it is done; throws to stop. */
  readonly confirm?: (what: string) => Promise<void>;
}

/** One script that went back to its former version. */
export interface ReturnedScript {
  readonly worker: WorkerKey;
  /** Version ids. */
  readonly from: string;
  readonly to: string;
}

export interface RollbackReport {
  readonly environment: Environment;
  readonly target: ReleaseTarget;
  /** `lane`: an open rollout went to 0 %. `version`: the predecessors are deployed again. */
  readonly kind: "lane" | "version";
  readonly returned: readonly ReturnedScript[];
  readonly rolloutId: string | null;
}
