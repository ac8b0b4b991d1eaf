/**
 * How a release reaches production: the phases, what each sends to the canary, and what
 * it must show before the next. Fields that are left out have the defaults of
 * `worker/src/rollout/plan.ts`; what is wrong is told before anything is touched.
 */
import { definePlan } from "../worker/src/rollout/plan.ts";
import type { SmokeRequest } from "./lib/release/smoke.ts";

const MINUTE_MS = 60_000;

export default definePlan({
  // Time between two judgements. Errors beyond doubt do not wait for it. Each writes some eight rows:
  // a rollout that stays open for a day would fill the free plan's allowance at two seconds.
  intervalMs: 2_000,
  // `freeze` where a bad canary should keep its share until somebody has looked at it.
  onFail: "roll-back",
  // A read that the canary fails is answered by the stable lane instead: users do not see
  // the error, the judge does. Turn it off where a read costs too much to be done twice.
  fallbackReads: true,
  // A request without an answer for so long counts against its lane. Above your slowest good answer.
  overdueMs: 3_000,

  // For every phase; a phase may say otherwise in its own `gate`.
  gate: {
    // Canary requests of a class that has a share. Fewer are not enough to pass: lower it
    // where there is little traffic, and know that smaller faults are then overlooked.
    minSample: { read: 200, write: 50, background: 30 },
    // How often a release as good as the stable one may be taken back in a phase: once in a thousand.
    falseAlarm: 0.001,
    // By how much the canary's share of errors may exceed the stable lane's.
    errorTolerance: 0.005,
    // Share of errors where no stable lane answers beside it, as in the last phase.
    maxErrorShare: 0.01,
    // p50, p95 and p99 are too slow when they exceed the stable lane's by both.
    latency: { tolerance: 0.25, slackMs: 50 },
    // p95 where no stable lane answers beside it. Your service level; `null` does not judge it.
    maxP95Ms: null,
    // Numbers that features report with `reportNumber`: here, a canary that finds fewer records.
    numbers: { records_read: { worse: "lower", tolerance: 0.25 } },
    // Verdicts in a row: to take it back, to pass, and to hold because nothing could be measured.
    failLimit: 2,
    passLimit: 3,
    errorLimit: 6,
    // Judges and tells, but never takes back nor holds: for the first weeks of a new gate.
    dryRun: false,
  },

  // Before phase 1 the canary gets copies of reads that the stable lane has answered: what they show
  // harms nobody. They double the work of those reads while they last; `null` leaves them out.
  mirror: {
    // Percent of the reads. Less where reads are dear; it then takes longer.
    read: 100,
    soakMs: MINUTE_MS,
    initialDelayMs: 15_000,
    // Without traffic it is held, and says so.
    maxWaitMs: 30 * MINUTE_MS,
    // Both lanes got the very same requests, so less has to be put down to their differences.
    gate: { errorTolerance: 0.002 },
  },

  // Asked before phase 1, each with a name and a URL that must answer 2xx:
  // { name: "change-window", url: "https://…" }. A refusal takes the release back.
  pre: [],

  phases: [
    {
      name: "10 % of reads",
      shares: { read: 10, write: 0, background: 0 },
      // How long it lasts at least.
      soakMs: 2 * MINUTE_MS,
      // Isolates start: latency of the first seconds is not judged.
      initialDelayMs: 15_000,
      // After this without its sample it is held, and says what is missing.
      maxWaitMs: 30 * MINUTE_MS,
      // `true`: entered only after `release approve`.
      approval: false,
      // Asked when the gate has passed; the phase is left when all have agreed.
      webhooks: [],
    },
    {
      // A canary that writes may leave rows that outlive it: this is the phase to soak.
      name: "all reads, 10 % of writes and background work",
      shares: { read: 100, write: 10, background: 10 },
      soakMs: 5 * MINUTE_MS,
      initialDelayMs: 15_000,
      // Writes, queue messages and crons are rarer than reads.
      maxWaitMs: 60 * MINUTE_MS,
    },
    {
      name: "everything",
      shares: { read: 100, write: 100, background: 100 },
      soakMs: 5 * MINUTE_MS,
      initialDelayMs: 15_000,
      maxWaitMs: 60 * MINUTE_MS,
    },
  ],

  // Told after the promotion; their answers change nothing.
  post: [],
});

const SECOND_MS = 1_000;

/** The same phases on a local cloud, in seconds: for `--env local`. */
export const local = definePlan({
  intervalMs: SECOND_MS,
  gate: { minSample: { read: 30, write: 30, background: 5 }, latency: { tolerance: 0.5, slackMs: 150 } },
  mirror: { soakMs: 5 * SECOND_MS, initialDelayMs: SECOND_MS },
  phases: [
    { shares: { read: 10 }, soakMs: 10 * SECOND_MS, initialDelayMs: SECOND_MS },
    { shares: { read: 100, write: 10, background: 10 }, soakMs: 10 * SECOND_MS, initialDelayMs: SECOND_MS },
    { shares: { read: 100, write: 100, background: 100 }, soakMs: 10 * SECOND_MS, initialDelayMs: SECOND_MS },
  ],
});

/**
 * What is asked of the canary before phase 1, through the lane header, and of the present
 * version after a migration. An answer must have the status, the media type and every field
 * of the stable lane's. The API key goes along where it is known.
 */
export const smoke: readonly SmokeRequest[] = [
  { path: "/" },
  { path: "/health", compare: "status" },
  { path: "/tables" },
  { path: "/openapi.json" },
  // A dataset that there is not: the whole way to the archive and back, without anyone's data.
  { path: "/read?table=flights&dataset_id=strata-smoke&limit=1" },
];
