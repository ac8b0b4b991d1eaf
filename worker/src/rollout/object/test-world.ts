/** Surroundings that a test writes: a clock it moves, servers that answer as told, calls that break where it says. */
import type {
  BackgroundOrder,
  BackgroundSeries,
  BackgroundTally,
} from "../../../../archiver/src/contract.ts";
import type { RolloutPlan, RolloutWorker, Series, StartRolloutRequest, WorkerRelease } from "../contract.ts";
import { bucketOf } from "../judge/index.ts";
import type { OperatorCommand } from "../machine/machine.ts";
import { completePlan, type PlanInput } from "../plan.ts";
import type { HistoryEntry } from "./history.ts";
import { redactFields } from "./redact.ts";
import type { Report } from "./report.ts";
import { Rollout } from "./rollout.ts";
import type { LogFields, LogLevel, RolloutSettings, Surroundings } from "./surroundings.ts";

export const INTERVAL_MS = 5_000;

/** Two regular phases and a complete one, of two intervals each. */
export const PLAN_INPUT: PlanInput = {
  intervalMs: INTERVAL_MS,
  gate: { minSample: 20, passLimit: 2, failLimit: 2, errorLimit: 3 },
  phases: [
    { shares: { read: 10 }, soakMs: 2 * INTERVAL_MS },
    { shares: { read: 100, write: 10, background: 10 }, soakMs: 2 * INTERVAL_MS },
    { shares: { read: 100, write: 100, background: 100 }, soakMs: 2 * INTERVAL_MS },
  ],
};

const worker = (name: RolloutWorker): WorkerRelease => ({
  tag: `${name}-3f2a9c01d4e5`,
  stableVersion: `${name}-1`,
  canaryVersion: `${name}-canary-2`,
  changed: true,
});

/** A valid start. */
export function startRequest(
  plan: Partial<PlanInput> = {},
  told: Partial<StartRolloutRequest> = {},
): StartRolloutRequest {
  return {
    release: { tag: "r-3f2a9c01d4e5", workers: { archiver: worker("archiver"), hub: worker("hub") } },
    plan: completePlan({ ...PLAN_INPUT, ...plan }),
    upTo: null,
    rollback: { safe: true, newerSchema: false },
    ...told,
  };
}

/** What one lane did of one route; good and quick unless told. */
export function series(told: Partial<Series>): Series {
  const { requests = 100, errors = 0 } = told;
  return {
    lane: "canary",
    traffic: "read",
    route: "/read",
    requests,
    errors,
    exceptions: 0,
    overdue: 0,
    fallbacks: 0,
    latency: [[bucketOf(20), requests]],
    answers: {},
    numbers: {},
    clients: null,
    ...told,
  };
}

/** Both lanes, reads and writes. */
export function goodSeries(requests = 100): readonly Series[] {
  return (["stable", "canary"] as const).flatMap((lane) => [
    series({ lane, requests }),
    series({ lane, requests, traffic: "write", route: "/buffer" }),
  ]);
}

function backgroundSeries(orders: number): readonly BackgroundSeries[] {
  return (["stable", "canary"] as const).flatMap((lane) =>
    (["queue", "cron"] as const).map((route) => ({
      lane,
      route,
      requests: 40 * orders,
      errors: 0,
      exceptions: 0,
      overdue: 0,
      deliveries: 4 * orders,
      failedDeliveries: 0,
      latency: [[120, 4 * orders]] as const,
    })),
  );
}

/** A request that someone else's server got. */
export interface Received {
  readonly url: string;
  readonly headers: Headers;
  readonly body: string;
}

/** What outlives the object. */
export class TestWorld {
  settings: RolloutSettings = { ENVIRONMENT: "staging", ROLLOUT_WEBHOOK_KEY: "webhook-key-0123456789" };
  time = Date.parse("2026-11-22T08:00:00.000Z");
  alarmAt: number | null = null;
  readonly received: Received[] = [];
  readonly orders: BackgroundOrder[] = [];
  readonly recorded: HistoryEntry[] = [];
  readonly logs: string[] = [];
  readonly slept: number[] = [];
  answer: (request: Received) => Response | Promise<Response> = () => new Response("ok");
  archiver: (order: BackgroundOrder) => Partial<BackgroundTally> | Promise<Partial<BackgroundTally>> =
    () => ({});
  database: () => void = () => {};
  /** Calls that left the object so far. */
  operations = 0;
  #diesAt: { readonly operation: number; readonly when: "before" | "after" } | null = null;
  #life = 0;

  /** The object's process ends at that call: nothing that it does from then on has an effect. */
  dieAt(operation: number, when: "before" | "after"): void {
    this.#diesAt = { operation, when };
  }

  get dead(): boolean {
    return this.#diesAt !== null && this.operations >= this.#diesAt.operation;
  }

  /** A new process on the same storage. */
  boot(storage: DurableObjectStorage): Rollout {
    if (this.dead) this.#diesAt = null;
    this.#life += 1;
    const life = this.#life;
    let died = false;
    const alive = (): void => {
      if (died || life !== this.#life) throw new Error("the process is gone");
    };
    const call = async <T>(work: () => T | Promise<T>): Promise<T> => {
      alive();
      this.operations += 1;
      const dies = this.#diesAt?.operation === this.operations ? this.#diesAt.when : null;
      if (dies !== null) died = true;
      if (dies === "before") alive();
      const result = await work();
      alive();
      return result;
    };
    const surroundings: Surroundings = {
      settings: this.settings,
      now: () => this.time,
      sleep: (ms) =>
        call(() => {
          this.slept.push(ms);
          this.time += ms;
        }),
      fetch: (url, { body, headers }) =>
        call(() => {
          const request = { url, body: String(body), headers: new Headers(headers) };
          this.received.push(request);
          return this.answer(request);
        }),
      background: (order) => call(() => this.#tally(order)),
      record: (entries) =>
        call(() => {
          this.database();
          for (const entry of entries) {
            const known = this.recorded.some(
              ({ rolloutId, revision }) => rolloutId === entry.rolloutId && revision === entry.revision,
            );
            if (!known) this.recorded.push(entry);
          }
        }),
      setAlarm: (at) =>
        call(() => {
          this.alarmAt = at;
        }),
      log: (level: LogLevel, event: string, fields: LogFields) => {
        this.logs.push(JSON.stringify({ level, event, ...redactFields(fields, this.settings) }));
      },
    };
    return new Rollout(
      {
        get sql() {
          alive();
          return storage.sql;
        },
        transactionSync: (work) => {
          alive();
          return storage.transactionSync(work);
        },
      },
      surroundings,
    );
  }

  async #tally(order: BackgroundOrder): Promise<BackgroundTally> {
    this.orders.push(order);
    const { rolloutId, phase, revision } = order;
    const told = this.orders.filter((one) => one.rolloutId === rolloutId && one.phase === phase).length;
    const counted = order.share > 0 ? backgroundSeries(told) : [];
    return { rolloutId, phase, revision, accepted: true, series: counted, ...(await this.archiver(order)) };
  }

  /** Bodies that a URL got, in order. */
  bodies(url: string): readonly string[] {
    return this.received.filter((request) => request.url === url).map(({ body }) => body);
  }
}

/** A rollout in its world, and what a test does with both. */
export class Stage {
  readonly world: TestWorld;
  readonly #storage: DurableObjectStorage;
  rollout: Rollout;
  lives = 1;
  #sequence = 0;

  constructor(storage: DurableObjectStorage, world: TestWorld = new TestWorld()) {
    this.#storage = storage;
    this.world = world;
    this.rollout = world.boot(storage);
  }

  get state() {
    return this.rollout.state;
  }

  get plan(): RolloutPlan {
    if (this.state.plan === null) throw new Error("no rollout has begun");
    return this.state.plan;
  }

  restart(): void {
    this.lives += 1;
    this.rollout = this.world.boot(this.#storage);
  }

  /** Starts and begins. */
  open(plan: Partial<PlanInput> = {}, told: Partial<StartRolloutRequest> = {}): void {
    this.rollout.start(startRequest(plan, told), "ada");
    this.say({ kind: "begin" });
  }

  /** A command to the present rollout, by Ada. */
  readonly say = (command: Omitting<OperatorCommand>) =>
    this.rollout.obey({ ...command, id: this.state.id ?? "", by: "ada" } as OperatorCommand);

  /** A report of the present phase. */
  report(list: readonly Series[], told: Partial<Report> = {}) {
    this.#sequence += 1;
    const { id, phase } = this.state;
    const reporter = "isolate-1";
    return this.rollout.report({
      reporter,
      sequence: this.#sequence,
      rolloutId: id ?? "",
      phase,
      series: list,
      ...told,
    });
  }

  /** Lets time pass to the alarm, and the alarm and all it sent out come to their ends. */
  async alarm(): Promise<void> {
    const { world } = this;
    if (world.alarmAt === null) throw new Error("no alarm is set");
    world.time = Math.max(world.time, world.alarmAt);
    await this.rollout.alarm();
    await this.rollout.settled();
  }

  /** Alarms, with good traffic between them, until the state is as wanted. */
  async until(wanted: (stage: Stage) => boolean, traffic: readonly Series[] = goodSeries()): Promise<void> {
    for (let alarms = 0; alarms < 200; alarms += 1) {
      if (wanted(this)) return;
      if (traffic.length > 0) this.report(traffic);
      await this.alarm();
    }
    throw new Error(`still ${this.state.status} in phase ${this.state.phase}: ${this.state.reason}`);
  }
}

type Omitting<C> = C extends unknown ? Omit<C, "id" | "by"> : never;
