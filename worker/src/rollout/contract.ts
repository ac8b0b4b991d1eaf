/**
 * What the rollout object says over HTTP (`/admin/rollout…`) and over RPC.
 * The release scripts read these types; nothing here runs.
 */

/** Reads are GET, HEAD and OPTIONS; everything else is a write. */
export type TrafficClass = "read" | "write";

export type Lane = "stable" | "canary";

export type RolloutPhase = 0 | 1 | 2 | 3;

/** `idle`: none yet. `active`: the lane is open. The other two are ends. */
export type RolloutStatus = "idle" | "active" | "promoted" | "rolled-back";

/** Percent of each class that goes to the canary, 0–100. */
export interface Shares {
  readonly read: number;
  readonly write: number;
}

/** Seed 004: 1 = 10 % of reads; 2 = all reads and 10 % of writes; 3 = everything. */
export const PHASE_SHARES: Readonly<Record<RolloutPhase, Shares>> = {
  0: { read: 0, write: 0 },
  1: { read: 10, write: 0 },
  2: { read: 100, write: 10 },
  3: { read: 100, write: 100 },
};

/** Requests answered, and of those the ones answered with a 5xx or an exception. */
export interface LaneCounts {
  readonly requests: number;
  readonly errors: number;
}

export type CountsByLane = Readonly<Record<Lane, Readonly<Record<TrafficClass, LaneCounts>>>>;

/** The gate: the canary is taken back when its error share is above `maxErrorShare`. */
export interface GateSettings {
  /** 0–1, over both classes of the canary lane in the current phase. */
  readonly maxErrorShare: number;
  /** Canary requests below which no verdict is given. */
  readonly minSample: number;
}

export interface ReleaseIdentity {
  /** Content tag of the bundle, for example `r-3f2a9c01d4e5`. */
  readonly tag: string;
  /** Version id of the canary script. */
  readonly canaryVersion: string;
  /** Version id of the hub that was stable when the rollout began. */
  readonly stableVersion: string;
}

export interface RolloutTransition {
  /** ISO 8601. */
  readonly at: string;
  readonly status: RolloutStatus;
  readonly phase: RolloutPhase;
  readonly shares: Shares;
  readonly reason: string;
}

export interface RolloutState {
  /** `null` while no rollout has ever begun. */
  readonly id: string | null;
  readonly status: RolloutStatus;
  readonly phase: RolloutPhase;
  readonly shares: Shares;
  readonly release: ReleaseIdentity | null;
  readonly gate: GateSettings;
  /** Counts of the current phase. */
  readonly counts: CountsByLane;
  /** ISO 8601, all of them. */
  readonly startedAt: string | null;
  readonly phaseStartedAt: string | null;
  readonly updatedAt: string | null;
  /** When the canary's first error of this rollout was counted. */
  readonly firstErrorAt: string | null;
  readonly endedAt: string | null;
  /** Why it ended, in a sentence; `null` while it runs. */
  readonly reason: string | null;
  /** Newest last; the last 50 are kept. */
  readonly transitions: readonly RolloutTransition[];
}

/** `POST /admin/rollout/start` → 201 with the state, 409 while one is active. */
export interface StartRolloutRequest {
  readonly release: ReleaseIdentity;
  readonly gate?: Partial<GateSettings>;
}

/** `POST /admin/rollout/{id}/phase`: forward only; the same phase again is a no-op; 409 when not active. */
export interface SetPhaseRequest {
  readonly phase: 1 | 2 | 3;
}

/** `POST /admin/rollout/{id}/promote`: ends a rollout whose phase is 3; the lane closes. */
export interface PromoteRequest {
  /** Version id of the hub that now carries the same bundle. */
  readonly hubVersion: string;
}

/** `POST /admin/rollout/{id}/rollback`: 0 % at once; a repeat is a no-op. */
export interface RollbackRequest {
  readonly reason: string;
}

/** Sends a client to the same lane for a whole rollout; else the API key or the address is used. */
export const CLIENT_HEADER = "strata-client";
/** Forces a lane for an operator's smoke check; needs the admin token in `authorization`. */
export const LANE_HEADER = "strata-lane";
/** Set on every answer: which lane and which version made it. */
export const VERSION_HEADER = "strata-version";
