/** The rehearsal's two rollouts under traffic: a good release that is promoted, and a bad one that is taken back. */
import { definePlan } from "../../worker/src/rollout/plan.ts";
import type { RolloutPlan, RolloutState } from "../../worker/src/rollout/contract.ts";
import type { ReleaseContext } from "../lib/environment.ts";
import { CliError, EXIT } from "../lib/exit.ts";
import type { ReleaseEvent } from "../lib/release/events.ts";
import { release } from "../lib/release/release.ts";
import { measurePhase, type PhaseMeasure, type RehearsalReport } from "./report.ts";
import type { Traffic } from "./traffic.ts";
import type { Variants } from "./variants.ts";

/** Clients at once while a phase is measured, and while scripts upload and deploy beside them. */
const BUSY_CLIENTS = 12;
const QUIET_CLIENTS = 1;
/** Every isolate knows a new phase within this time, in milliseconds. */
const PROPAGATION_MS = 3_000;
const POLL_MS = 200;

/** Share of requests that are writes: most of them where writes are measured. */
const WRITE_SHARE: readonly number[] = [0.03, 0.03, 0.85, 0.3];

/** Copies of reads, then the seed's three phases, as long as a laptop needs to see enough of each. */
const PLAN = definePlan({
  intervalMs: 1_000,
  overdueMs: 2_000,
  gate: { minSample: { read: 40, write: 40, background: 5 }, latency: { tolerance: 0.5, slackMs: 150 } },
  mirror: { soakMs: 4_000, initialDelayMs: 1_000, gate: { minSample: { read: 150 } } },
  phases: [
    { shares: { read: 10 }, soakMs: 8_000, initialDelayMs: 1_500, gate: { minSample: 300 } },
    { shares: { read: 100, write: 10, background: 10 }, soakMs: 8_000, initialDelayMs: 1_500 },
    { shares: { read: 100, write: 100, background: 100 }, soakMs: 6_000, initialDelayMs: 1_500 },
  ],
});

/** The same phases for a release that no copies show: what reaches users is taken back, too. */
const PLAN_WITHOUT_COPIES: RolloutPlan = { ...PLAN, mirror: null };

export interface RolloutOptions {
  readonly context: ReleaseContext;
  readonly traffic: Traffic;
  readonly variants: Variants;
  readonly onEvent: (event: ReleaseEvent) => void;
}

/** Measures a phase from when every isolate knows it; the last look before the next phase counts. */
class PhaseMeter {
  readonly #traffic: Traffic;
  readonly #measures = new Map<number, PhaseMeasure>();

  constructor(traffic: Traffic) {
    this.#traffic = traffic;
  }

  get phases(): readonly PhaseMeasure[] {
    return [...this.#measures.values()];
  }

  onEvent(event: ReleaseEvent): void {
    if (event.type !== "rollout") {
      if (event.type === "step" && event.status === "started" && !event.id.startsWith("phase-")) {
        this.#traffic.clients = QUIET_CLIENTS;
      }
      return;
    }
    const { state, elapsedMs } = event;
    const { phase, status } = state;
    if (status === "preparing" && state.phaseStartedAt !== null) this.#traffic.clients = BUSY_CLIENTS;
    if (status !== "running") return;
    this.#traffic.writeShare = WRITE_SHARE[phase] ?? 0;
    this.#traffic.clients = BUSY_CLIENTS;
    if (elapsedMs < PROPAGATION_MS) this.#traffic.openWindow();
    else if (phase === 1 || phase === 2 || phase === 3) {
      this.#measures.set(phase, measurePhase(phase, this.#traffic.window));
    }
  }
}

/** Releases good versions of both Workers by phases, under traffic. */
export async function releaseGood({ context, traffic, variants, onEvent }: RolloutOptions): Promise<{
  readonly phases: readonly PhaseMeasure[];
  readonly goodRollout: RehearsalReport["goodRollout"];
}> {
  const meter = new PhaseMeter(traffic);
  const watching: ReleaseContext = {
    ...context,
    onEvent: (event) => {
      onEvent(event);
      meter.onEvent(event);
    },
  };
  traffic.start();
  try {
    await release(watching, "all", {
      main: { hub: variants.good, archiver: variants.goodArchiver },
      plan: PLAN,
      pollMs: POLL_MS,
    });
  } finally {
    await traffic.stop();
  }
  const { read, write } = traffic.total;
  const failed = read.failed + write.failed;
  if (failed > 0) {
    const [first] = traffic.failures;
    throw new CliError(
      EXIT.failed,
      `${failed} requests failed, first: ${first?.status} ${first?.body.slice(0, 200)}`,
    );
  }
  return { phases: meter.phases, goodRollout: { requests: read.requests + write.requests, failed } };
}

function rolloutOf(error: CliError): RolloutState | null {
  const { rollout } = error.data;
  // The release functions put the state there that they have read from the hub.
  return typeof rollout === "object" && rollout !== null ? (rollout as RolloutState) : null;
}

/** Requests while a bad version was released, and how that ended. */
interface TakenBack {
  readonly requests: number;
  readonly failed: number;
  /** Answered by the canary, or by the stable lane in its place. */
  readonly canary: number;
  readonly state: RolloutState;
  readonly reason: string;
}

/** Releases a version that answers 500 on a part of its requests, and watches it being taken back. */
async function takenBack(
  { context, traffic, variants, onEvent }: RolloutOptions,
  plan: RolloutPlan,
): Promise<TakenBack> {
  const watching: ReleaseContext = {
    ...context,
    onEvent: (event) => {
      onEvent(event);
      if (event.type === "rollout") traffic.clients = BUSY_CLIENTS;
    },
  };
  let taken: CliError | null = null;
  traffic.start();
  try {
    await release(watching, "hub", { main: { hub: variants.broken }, plan, pollMs: POLL_MS });
  } catch (error) {
    if (!(error instanceof CliError) || error.exitCode !== EXIT.rolledBack) throw error;
    taken = error;
    // Whatever is still to come from the canary comes within the propagation time.
    await context.clock.sleep(PROPAGATION_MS, context.signal);
  } finally {
    await traffic.stop();
  }
  const state = taken === null ? null : rolloutOf(taken);
  if (taken === null || state === null) throw new CliError(EXIT.failed, "the bad version was not taken back");
  const { read, write } = traffic.total;
  return {
    requests: read.requests + write.requests,
    failed: read.failed + write.failed,
    canary: read.canary + write.canary,
    state,
    reason: taken.message,
  };
}

/** A bad version that copies of reads show, so that nobody meets it. */
export async function releaseBadByCopies(options: RolloutOptions): Promise<RehearsalReport["badCopies"]> {
  // The lane of the rollout before this one is closed in every isolate by then: its answers are no sign.
  await options.context.clock.sleep(PROPAGATION_MS, options.context.signal);
  const { requests, failed, canary, state, reason } = await takenBack(options, PLAN);
  return { requests, failed, phase: state.phase, canaryAnswers: canary, reason };
}

/** The same bad version with a share of the traffic. */
export async function releaseBad(options: RolloutOptions): Promise<RehearsalReport["badRollout"]> {
  const { requests, failed, state, reason } = await takenBack(options, PLAN_WITHOUT_COPIES);
  const { lastCanaryAnswerAt: last, spared } = options.traffic;
  if (state.firstErrorAt === null || last === null) {
    throw new CliError(EXIT.failed, "the bad version was taken back before anybody had met it");
  }
  const secondsToZero = Math.max(0, last - Date.parse(state.firstErrorAt)) / 1000;
  return { requests, failed, spared, secondsToZero, reason };
}
