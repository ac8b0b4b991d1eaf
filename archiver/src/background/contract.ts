/**
 * How a rollout moves the archiver's background work: the hub orders a share, the
 * stable archiver hands it to the canary archiver, and counts what both do.
 */

/**
 * What share of the background work (queue messages and crons) the canary
 * archiver gets, for one phase of one rollout. It is good for `validMs`: a share
 * that nobody renews is 0 again. Share 0 or no rollout closes the lane at once.
 */
export interface BackgroundOrder {
  readonly rolloutId: string | null;
  /** From 1. */
  readonly phase: number;
  /**
   * Grows with every order that says something else, never falls within a
   * rollout, and is not begun anew by the next one. A lower one than that of the
   * order in force is refused; the same one renews it.
   */
  readonly revision: number;
  /** Percent, 0–100, in steps of 0.01. */
  readonly share: number;
  /** ms. */
  readonly validMs: number;
  /** Messages that the canary has not answered for after so many ms are done by the stable archiver. */
  readonly overdueMs: number;
  /**
   * One small run of the cron's steps on the canary at once, instead of with the
   * next cron; done once a phase, and again while it fails, three times at most.
   */
  readonly probe: boolean;
}

/**
 * What one lane did of one route since the phase began. `requests` are messages
 * at their first delivery, or runs. A message or run that the canary failed and
 * the stable archiver could not do either counts for neither lane.
 */
export interface BackgroundSeries {
  readonly lane: "stable" | "canary";
  readonly route: "queue" | "cron";
  readonly requests: number;
  /** Failed messages or runs: retried, acknowledged without being stored, thrown, or a run that was overdue on the canary alone. */
  readonly errors: number;
  /** Deliveries or runs, not messages: the call to the canary threw, and the stable archiver could do it. */
  readonly exceptions: number;
  /**
   * Deliveries or runs, not messages, that had no answer in time, alike on both lanes: a late
   * delivery is no error on either. A run of the canary's that is overdue is an error as well, and
   * counts only where the stable archiver then did the same in no more than half of that time.
   */
  readonly overdue: number;
  /** Deliveries (a lane's part of one batch) or runs, and how many of them had an error: messages of one delivery often fail together. */
  readonly deliveries: number;
  readonly failedDeliveries: number;
  /**
   * Milliseconds that a delivery or a run took, one value each; none for one that
   * threw. Pairs of [bucket, count], buckets ascending. Bucket b holds the values in
   * (0.01 g^(b-1), 0.01 g^b] with g = 1.05 / 0.95, so within 5 % (DDSketch, Masson, Rim
   * and Lee 2019); bucket 0 what is at most 0.01, bucket 200 what is greater than its end.
   */
  readonly latency: readonly (readonly [bucket: number, count: number])[];
}

/** The answer to an order. */
export interface BackgroundTally {
  readonly rolloutId: string | null;
  readonly phase: number;
  /** Of the order in force after the call. */
  readonly revision: number;
  /** Whether the order is in force; `false` where a newer one is, or on an archiver that hands nothing over. */
  readonly accepted: boolean;
  /** Cumulative for the order's rollout and phase. */
  readonly series: readonly BackgroundSeries[];
}

/** A queue message as plain data. */
export interface BackgroundMessage {
  readonly id: string;
  readonly timestamp: Date;
  readonly attempts: number;
  readonly body: unknown;
}

/** What became of the messages of a call. */
export interface BackgroundDelivery {
  /** Ids of the messages that are done; the caller does the others. */
  readonly acked: readonly string[];
}

export interface BackgroundRunRequest {
  /** `cron`: what a cron does. `probe`: the same steps with bounds of seconds. */
  readonly kind: "cron" | "probe";
  /** Under this name the run takes the archive's lease, so that the caller can revoke it. */
  readonly holder: string;
}

/** What became of a run. */
export interface BackgroundRunResult {
  /** Steps that failed, and why; a run without any has succeeded. */
  readonly failed: readonly { readonly step: string; readonly reason: string }[];
}

/** The `BackgroundWork` entrypoint of the canary archiver; the stable archiver calls it. */
export interface BackgroundApi {
  consume(messages: readonly BackgroundMessage[]): Promise<BackgroundDelivery>;
  run(request: BackgroundRunRequest): Promise<BackgroundRunResult>;
}
