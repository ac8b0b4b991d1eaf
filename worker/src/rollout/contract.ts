/**
 * What the rollout object says over HTTP (`/admin/rollout…`) and over RPC.
 * The release scripts read these types; nothing here runs but a few constants.
 */

/** `read`: GET, HEAD and OPTIONS. `write`: every other request. `background`: queue messages and crons. */
export const TRAFFIC_CLASSES = ["read", "write", "background"] as const;
export type TrafficClass = (typeof TRAFFIC_CLASSES)[number];
/** The classes that come as requests. */
export type HttpClass = Exclude<TrafficClass, "background">;

export type Lane = "stable" | "canary";

/** Workers that a rollout moves, in the order of their dependency: the hub calls the archiver. */
export const ROLLOUT_WORKERS = ["archiver", "hub"] as const;
export type RolloutWorker = (typeof ROLLOUT_WORKERS)[number];

/** Percent of each class that goes to the canary, 0–100. */
export type Shares = Readonly<Record<TrafficClass, number>>;

export const NO_SHARES: Shares = { read: 0, write: 0, background: 0 };

/** What a gate asks for. Shares are 0–1, times milliseconds. */
export interface GateSettings {
  /**
   * Canary observations of a class that has a share, below which the phase is not passed:
   * requests, and for background work deliveries (a lane's part of a batch) and runs.
   */
  readonly minSample: Readonly<Record<TrafficClass, number>>;
  /** How often a canary as good as the stable lane may fail one phase, for all checks together, 0–1. */
  readonly falseAlarm: number;
  /** By how much the canary's error share may exceed the stable lane's, 0–1. */
  readonly errorTolerance: number;
  /**
   * Error share that the canary may have where no stable lane answers beside it, 0–1. Reads that the
   * stable lane then answered in its place are proven failures: for those `errorTolerance` holds.
   */
  readonly maxErrorShare: number;
  /** By how much p50, p95 and p99 may exceed the stable lane's: both the factor and the milliseconds must be exceeded. */
  readonly latency: { readonly tolerance: number; readonly slackMs: number };
  /** The canary's p95 where no stable lane answers beside it, in milliseconds; `null`: not judged. */
  readonly maxP95Ms: number | null;
  /** Numbers that features report, by name: which way is worse, and by which factor it may be so. */
  readonly numbers: Readonly<
    Record<string, { readonly worse: "higher" | "lower"; readonly tolerance: number }>
  >;
  /** Verdicts `fail` in a row after which it is taken back. Errors beyond doubt do not wait for them. */
  readonly failLimit: number;
  /** Verdicts `pass` in a row that a phase needs. */
  readonly passLimit: number;
  /** Verdicts `error` in a row (nothing could be measured) after which it is held. */
  readonly errorLimit: number;
  /** Judges and tells, but neither takes back nor holds: a phase is left when its soak is over. */
  readonly dryRun: boolean;
}

/** A URL that is asked and must answer 2xx; signed with HMAC-SHA256, see `docs/rollouts.md`. */
export interface GateWebhook {
  readonly name: string;
  readonly url: string;
  /** Longest wait for one answer, in milliseconds. */
  readonly timeoutMs: number;
  /** Further tries after one that got no answer, or 429 or 5xx. */
  readonly retries: number;
}

/** What is judged by a gate, and how long it lasts: a phase, or the copies before the first. */
export interface StagePlan {
  /** How long it lasts at least, in milliseconds; `initialDelayMs` is a part of it. */
  readonly soakMs: number;
  /** What is measured in its first milliseconds is not judged by its latency: isolates start. */
  readonly initialDelayMs: number;
  /** After this, without its sample, the rollout is held, in milliseconds. */
  readonly maxWaitMs: number;
  readonly gate: GateSettings;
}

export interface PhasePlan extends StagePlan {
  readonly name: string;
  readonly shares: Shares;
  /** Entered only after `approve`. */
  readonly approval: boolean;
  /** Asked when the gate has passed; the phase is left when all have agreed. */
  readonly webhooks: readonly GateWebhook[];
}

/**
 * Copies of reads before phase 1: the canary answers what the stable lane has just answered, and
 * only the judge sees how.
 */
export interface MirrorPlan extends StagePlan {
  /** Percent of the reads that are copied, above 0 to 100. */
  readonly read: number;
}

/** Complete and valid; `definePlan` (`plan.ts`) makes one from what is written by hand. */
export interface RolloutPlan {
  /** Time between two judgements, in milliseconds. */
  readonly intervalMs: number;
  /** Judged before phase 1, while no user meets the canary; `null`: nothing is copied. */
  readonly mirror: MirrorPlan | null;
  /** In order; shares never fall, and the last phase is complete. */
  readonly phases: readonly PhasePlan[];
  /** Asked before phase 1. */
  readonly pre: readonly GateWebhook[];
  /** Told after the promotion; their answers change nothing. */
  readonly post: readonly GateWebhook[];
  /** `freeze`: a bad canary keeps its share and waits for a human. */
  readonly onFail: "roll-back" | "freeze";
  /** A read that the canary fails, or has not begun to answer after `overdueMs`, is answered by the stable lane. */
  readonly fallbackReads: boolean;
  /** A request without an answer for so long counts as overdue, in milliseconds. */
  readonly overdueMs: number;
}

/** What one Worker runs on its two lanes in a rollout; the same code on both when it is not part of the release. */
export interface WorkerRelease {
  /** Content tag of the canary's bundle, for example `r-3f2a9c01d4e5`. */
  readonly tag: string;
  /** Version id on the Worker's own script when the rollout began. */
  readonly stableVersion: string;
  /** Version id on its canary script. */
  readonly canaryVersion: string;
  /** Whether the release brings new code for it. */
  readonly changed: boolean;
}

export interface ReleaseIdentity {
  /** Names the release as a whole. */
  readonly tag: string;
  readonly workers: Readonly<Record<RolloutWorker, WorkerRelease>>;
}

/** Whether the stable versions work on the schema that the release has migrated to. */
export type RollbackSafety =
  | { readonly safe: true; readonly newerSchema: boolean }
  | { readonly safe: false; readonly why: string };

/**
 * `preparing`: open at 0 %, the release is being checked, at last by copies of reads.
 * `running`: in a phase, judged. `paused`: in a phase, judged, and does not go on by
 * itself. `promoting`: every phase has passed; the scripts get the release. `rolling-back`: at 0 %, something is left to
 * return. `frozen`: taking it back is not safe, or was forbidden by the plan: it keeps
 * its shares. `done` and `rolled-back` are ends.
 */
export const ROLLOUT_STATUSES = [
  "idle",
  "preparing",
  "running",
  "paused",
  "promoting",
  "done",
  "rolling-back",
  "rolled-back",
  "frozen",
] as const;
export type RolloutStatus = (typeof ROLLOUT_STATUSES)[number];

/** Why a rollout does not go on by itself. */
export interface Pause {
  /**
   * `operator`: held by hand. `approval`: the next phase asks for one. `reached`: the
   * phase to stop at has passed. `inconclusive`: it has not passed in `maxWaitMs`.
   * `error`: nothing could be measured. `webhook`: one did not agree or did not answer.
   */
  readonly why: "operator" | "approval" | "reached" | "inconclusive" | "error" | "webhook";
  /** What is missing, in a sentence. */
  readonly missing: string;
}

export type Verdict = "pass" | "fail" | "inconclusive" | "error";

/** One metric of one class, or of one route of it. */
export interface Check {
  /** `errors`, `exceptions`, `overdue`, `answers`, `p50`, `p95`, `p99`, or the name of a custom number. */
  readonly metric: string;
  readonly traffic: TrafficClass;
  /** Route pattern; `null` for the class as a whole. */
  readonly route: string | null;
  readonly verdict: Verdict;
  /** The figures compared, in `unit`; `null` where a lane has none. */
  readonly canary: number | null;
  readonly stable: number | null;
  readonly unit: "share" | "ms" | "number";
  readonly samples: Readonly<Record<Lane, number>>;
  /** In a sentence, with the figures. */
  readonly reason: string;
}

/** Totals of one class on one lane in the present phase. */
export interface LaneFigures {
  readonly requests: number;
  readonly errors: number;
  /** Reads that the stable lane answered for the canary, or before it where they are copies. */
  readonly fallbacks: number;
  /** Milliseconds; `null` without a sample. */
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}

export type FiguresByLane = Readonly<Record<Lane, Readonly<Record<TrafficClass, LaneFigures>>>>;

/** The newest judgement of the present phase. */
export interface Judgement {
  /** ISO 8601. */
  readonly at: string;
  readonly verdict: Verdict;
  /** In a sentence. */
  readonly reason: string;
  /** What a pass still needs. */
  readonly missing: readonly string[];
  /** Failing ones first; those without a class or route that has a share are left out. */
  readonly checks: readonly Check[];
  readonly figures: FiguresByLane;
}

/** Verdicts in a row, ending with the newest. */
export interface Streak {
  readonly verdict: Verdict;
  readonly length: number;
}

export interface RolloutTransition {
  /** ISO 8601. */
  readonly at: string;
  readonly status: RolloutStatus;
  /** 0 before the first phase, then from 1. */
  readonly phase: number;
  readonly shares: Shares;
  readonly reason: string;
  /** `judge`, or who gave the command. */
  readonly by: string;
}

export interface RolloutState {
  /** `null` while no rollout has ever begun. */
  readonly id: string | null;
  readonly status: RolloutStatus;
  readonly phase: number;
  readonly shares: Shares;
  readonly release: ReleaseIdentity | null;
  readonly plan: RolloutPlan | null;
  /** Last phase before it pauses; `null`: goes through to the promotion. */
  readonly upTo: number | null;
  readonly pause: Pause | null;
  readonly rollback: RollbackSafety;
  /** Phases whose entry was approved. */
  readonly approved: readonly number[];
  /** Names of the webhooks that have agreed in the present phase. */
  readonly agreed: readonly string[];
  readonly judgement: Judgement | null;
  readonly streak: Streak | null;
  /** Scripts that a promotion has begun to give the release, in that order. */
  readonly promoted: readonly RolloutWorker[];
  /** Scripts that must get their former version back before `rolled-back`. */
  readonly toReturn: readonly RolloutWorker[];
  /** Whether the archiver has confirmed that it does as `shares.background` says. */
  readonly backgroundConfirmed: boolean;
  /** ISO 8601, all of them. */
  readonly startedAt: string | null;
  /** `null` until `begin`. */
  readonly phaseStartedAt: string | null;
  readonly updatedAt: string | null;
  /** When the canary's first error of this rollout was counted. */
  readonly firstErrorAt: string | null;
  /** When the shares went to 0 for good. */
  readonly closedAt: string | null;
  readonly endedAt: string | null;
  /** Why it stands where it stands, in a sentence. */
  readonly reason: string | null;
  /** Grows with every transition. */
  readonly revision: number;
  /** Newest last; the last 50 are kept. */
  readonly transitions: readonly RolloutTransition[];
}

/** `POST /admin/rollout/start` → 201 with the state; 409 while one is open. */
export interface StartRolloutRequest {
  readonly release: ReleaseIdentity;
  readonly plan: RolloutPlan;
  readonly upTo: number | null;
  readonly rollback: RollbackSafety;
}

/**
 * `POST /admin/rollout/{id}/{command}` → 200 with the state. Each names the phase
 * it acts on; one that was obeyed already, or whose phase is behind, changes nothing.
 */
export interface RolloutCommands {
  /** The release was checked: from `preparing` to phase 1, or to what stands before it. */
  readonly begin: Record<never, never>;
  /** Sets the phase to stop at, and goes on where it had stopped for the former one. */
  readonly "go-on": { readonly upTo: number | null };
  /** Ends the phase's soak and accepts a sample that is too small; never a `fail`. */
  readonly promote: { readonly phase: number; readonly reason?: string };
  readonly hold: { readonly phase: number; readonly reason?: string };
  /** Goes on after any pause but one for an approval, from `reached` by one phase; out of `frozen` with `force` only. */
  readonly resume: { readonly phase: number; readonly force?: boolean };
  /** Lets the rollout enter the phase. */
  readonly approve: { readonly phase: number };
  /** To 0 % at once. With `phase`: only while it is in it. `force`: also when it is not safe. */
  readonly rollback: { readonly reason: string; readonly phase?: number; readonly force?: boolean };
  /** Said before a script gets the release, so that a rollback knows what to return. */
  readonly promoting: { readonly worker: RolloutWorker };
  /** Both scripts carry the release: the lane closes. */
  readonly complete: { readonly versions: Readonly<Record<RolloutWorker, string>> };
  /** The script has its former version again. */
  readonly returned: { readonly worker: RolloutWorker };
}
export type RolloutCommandName = keyof RolloutCommands;

/** Bucket of a log-scaled histogram and how many values fell into it; see `judge/histogram.ts`. */
export type HistogramBucket = readonly [bucket: number, count: number];
/** Ascending buckets, each once. */
export type Histogram = readonly HistogramBucket[];

/** A number that a feature reports with an answer. */
export interface NumberTally {
  readonly count: number;
  readonly sum: number;
  readonly histogram: Histogram;
}

/**
 * Clients in 32 groups, each a bit: requests of one client are no independent trials, so
 * that a failure which no other lane has refuted must be met by several before it counts.
 */
export interface ClientGroups {
  readonly seen: number;
  /** With an error or an overdue request that the stable lane has not answered better. */
  readonly failed: number;
  /** By kind of answer, as in `answers`. */
  readonly answers: Readonly<Record<string, number>>;
}

/** What one lane did for one route of one class. */
export interface Series {
  readonly lane: Lane;
  readonly traffic: TrafficClass;
  /** Route pattern, for example `/read`; `queue` or `cron` for background work. */
  readonly route: string;
  /** Requests answered, failed or overdue, each once; deliveries or runs for background work: messages of one delivery fail together. */
  readonly requests: number;
  /** Of those: a 5xx, a throw, or an answer that broke off; deliveries with a failed message, or failed runs. */
  readonly errors: number;
  /** Of the errors: throws and answers that broke off. */
  readonly exceptions: number;
  /** Had no answer when `overdueMs` had passed; counted when that is noticed. */
  readonly overdue: number;
  readonly fallbacks: number;
  /** Milliseconds to the head of the answer; one that was given up counts with the time it was waited for. */
  readonly latency: Histogram;
  /**
   * Answers by kind, `<asked> → <status class> <media type>`, for example
   * `ndjson if-none-match → 3xx none`. Only what asked the same is comparable, that is what
   * has the same text before ` → `: `json`, `ndjson`, `ocf` or `html`, `any` without a wish,
   * `other` for any other wish, each with ` if-none-match` if the request was conditional.
   * `mixed` stands for what was beyond the bound of kinds, and compares with nothing.
   * The media type is without parameters, `none` where there is none, `other` where it is no type.
   */
  readonly answers: Readonly<Record<string, number>>;
  readonly numbers: Readonly<Record<string, NumberTally>>;
  /** Who was concerned; `null` for background work, which has no clients. */
  readonly clients: ClientGroups | null;
}

/** Sends a client to the same lane for a whole rollout; else the API key or the address is used. */
export const CLIENT_HEADER = "strata-client";
/** Forces a lane for an operator's smoke check; needs the admin token in `authorization`. */
export const LANE_HEADER = "strata-lane";
/** Between the lanes only: the request is a copy of one that is answered already; its value is `1`. */
export const COPY_HEADER = "strata-copy";
/** Set on every answer: which version made it. */
export const VERSION_HEADER = "strata-version";
/** Set on a read that the stable lane answered for the canary: `error`, `exception` or `overdue`. */
export const FALLBACK_HEADER = "strata-fallback";
/** Between the lanes only: numbers that features report, as `name=value` separated by `;`. */
export const NUMBERS_HEADER = "strata-numbers";
/** Who gives a command, for the history; `operator` unless told. */
export const ACTOR_HEADER = "strata-actor";
/** Of a webhook: `t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`. */
export const SIGNATURE_HEADER = "strata-signature";
