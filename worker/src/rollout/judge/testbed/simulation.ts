/** Simulated lanes: what their reporters would count, tick by tick. The truth is known, and seeded. */
import type { Lane, NumberTally, Series } from "../../contract.ts";
import { bucketOf } from "../histogram.ts";
import { Random } from "./random.ts";
import { LANES, NUMBER, OVERDUE_MS, type Fate, type RouteLoad, type World } from "./world.ts";

export const TICK_MS = 200;

interface Ending {
  readonly lane: Lane;
  readonly load: RouteLoad;
  readonly latencyMs: number | null;
  readonly error: Fate["error"] | null;
  readonly kind: string;
  readonly number: number;
  /** The client's, one of `GROUPS`; `null` for background work. */
  readonly group: number | null;
  /** Whether the stable lane has answered in its place. */
  readonly fellBack: boolean;
}

/** Groups of clients that the lanes tell apart. */
const GROUPS = 32;
const SCANNER_GROUP = 7;

const SCANNED: RouteLoad = {
  traffic: "read",
  route: "*",
  rate: 0,
  medianMs: 1,
  sigma: 0.5,
  mediaType: "application/problem+json",
};
/** How often the archiver is told to. */
const PROBE_MS = 2_000;
const PROBLEM = "application/problem+json";

export class Simulation {
  readonly #world: World;
  readonly #random: Random;
  readonly #clients: readonly { readonly lane: Lane; readonly upTo: number }[];
  readonly #scannerLane: Lane;
  /** When each lane goes on, and when it stands still next. */
  readonly #stalls: Record<Lane, { from: number; until: number }>;
  readonly #endings = new Map<number, Ending[]>();
  #atMs = 0;
  #harmed = 0;
  #canaryRequests = 0;
  #probed = false;
  /** Whoever is no client that comes again is another one each time. */
  #strangers = 0;

  constructor(world: World) {
    this.#world = world;
    this.#random = new Random(world.seed);
    const { clients = 0, stalls } = world.noise;
    const weights = Array.from({ length: clients }, (_, index) => 1 / (index + 1));
    const all = weights.reduce((sum, weight) => sum + weight, 0);
    let upTo = 0;
    this.#clients = weights.map((weight) => {
      upTo += weight / all;
      return { lane: this.#laneBy(world.shares.read), upTo };
    });
    this.#scannerLane = this.#laneBy(world.shares.read);
    const first = (): { from: number; until: number } => {
      const from = stalls === undefined ? Infinity : this.#random.exponential(stalls.everyMs);
      return { from, until: from };
    };
    this.#stalls = { stable: first(), canary: first() };
  }

  get atMs(): number {
    return this.#atMs;
  }

  /** Canary requests that the defect has struck so far. */
  get harmed(): number {
    return this.#harmed;
  }

  get canaryRequests(): number {
    return this.#canaryRequests;
  }

  /** The next `TICK_MS`: what was counted in it. */
  tick(): readonly Series[] {
    const { loads, noise } = this.#world;
    for (const load of loads) this.#arrive(load, this.#arrivals(load));
    const { scanRate = 0 } = noise;
    if (scanRate > 0) this.#scan(this.#random.poisson((scanRate * TICK_MS) / 1_000));
    this.#atMs += TICK_MS;
    return this.#count();
  }

  #laneBy(share: number): Lane {
    return this.#random.chance(share / 100) ? "canary" : "stable";
  }

  /** The archiver hands the canary cron runs from the beginning of a phase on, until it has done one. */
  #probes(): boolean {
    return !this.#probed && this.#atMs % PROBE_MS === 0 && this.#world.shares.background > 0;
  }

  #arrivals({ route, rate }: RouteLoad): number {
    const probe = route === "cron" && this.#probes() ? 1 : 0;
    return probe + this.#random.poisson((rate * TICK_MS) / 1_000);
  }

  #arrive(load: RouteLoad, count: number): void {
    for (let left = count; left > 0; left -= 1) {
      const client = this.#pickClient();
      if (this.#world.copies) {
        if (load.traffic !== "read") continue;
        this.#serve(load, "stable", client);
        this.#serve(load, "canary", client);
        continue;
      }
      const kept = load.traffic === "background" ? undefined : this.#clients[client];
      const share = this.#world.shares[load.traffic];
      const probe = load.route === "cron" && this.#probes();
      // A class that is all on one lane is so for every client.
      const lane = probe
        ? "canary"
        : share === 0 || share === 100
          ? this.#laneBy(share)
          : (kept?.lane ?? this.#laneBy(share));
      this.#serve(load, lane, client);
    }
  }

  #pickClient(): number {
    if (this.#clients.length === 0) return -1;
    const point = this.#random.uniform();
    return this.#clients.findIndex(({ upTo }) => point < upTo);
  }

  #groupOf(traffic: RouteLoad["traffic"], client: number): number | null {
    if (traffic === "background") return null;
    if (client >= 0) return client % GROUPS;
    this.#strangers += 1;
    return this.#strangers % GROUPS;
  }

  #scan(count: number): void {
    for (const lane of this.#world.copies ? LANES : [this.#scannerLane]) {
      for (let left = count; left > 0; left -= 1) {
        this.#end(5, {
          lane,
          load: SCANNED,
          latencyMs: 1,
          error: null,
          kind: `4xx ${PROBLEM}`,
          number: 0,
          group: SCANNER_GROUP,
          fellBack: false,
        });
      }
    }
  }

  #serve(load: RouteLoad, lane: Lane, client: number): void {
    const { noise, defect } = this.#world;
    const fate =
      lane === "canary" && defect !== null
        ? defect.strike({ load, client, atMs: this.#atMs }, () => this.#random.uniform())
        : null;
    if (lane === "canary") this.#canaryRequests += 1;
    if (fate !== null) this.#harmed += 1;
    const group = this.#groupOf(load.traffic, client);
    const replaceable = lane === "canary" && load.traffic === "read";
    if (fate?.hangs === true) {
      const end = { lane, load, latencyMs: null, error: null, kind: "", number: 0, group };
      this.#end(OVERDUE_MS, { ...end, fellBack: replaceable });
      return;
    }
    const { outage, errorShare = 0, retries = 0 } = noise;
    const out =
      outage !== undefined && this.#atMs >= outage.fromMs && this.#atMs < outage.fromMs + outage.forMs;
    const poison = client === (noise.poisonClient ?? NaN);
    const failing = this.#random.chance(out ? outage.errorShare : errorShare) || poison;
    const failed = fate?.error ?? (failing ? "answer" : null);
    const fellBack = failed !== null && replaceable;
    // What the stable lane, too, fails is nobody's.
    const bothFail = fellBack && (poison || this.#random.chance(out ? outage.errorShare : errorShare));
    const error = bothFail ? null : failed;
    const stranger = client >= 0 && client === noise.strangerClient && load.traffic !== "background";
    const kind = stranger ? `4xx ${PROBLEM}` : (fate?.kind ?? `2xx ${load.mediaType}`);
    const latencyMs = this.#latency(load, lane, out ? outage.factor : 1) + (fate?.extraMs ?? 0);
    const number = this.#random.logNormal(40, 0.8) * (fate?.numberFactor ?? 1);
    if (load.route === "cron" && lane === "canary" && error === null) this.#probed = true;
    if (load.traffic === "background" && lane === "canary" && error !== null) {
      // The stable lane does it again at once: what fails there, too, counts for nobody.
      const failsAgain = this.#random.chance(out ? outage.errorShare : errorShare);
      if (failsAgain) return;
    }
    const again = failing ? retries : 0;
    for (let times = 0; times <= again; times += 1) {
      const answer = failed === null ? kind : `5xx ${PROBLEM}`;
      const end = { lane, load, latencyMs, error, kind: answer, number, group, fellBack };
      this.#end(latencyMs * (times + 1), end);
    }
  }

  #latency({ medianMs, sigma }: RouteLoad, lane: Lane, factor: number): number {
    const { noise } = this.#world;
    const drift = (noise.driftPerMinute ?? 1) ** (this.#atMs / 60_000);
    const own = this.#random.logNormal(medianMs * drift * factor, noise.sigma ?? sigma);
    const { coldStart, allowedMs = 0 } = noise;
    const cold = lane === "canary" && coldStart !== undefined && this.#atMs < coldStart.forMs;
    const extra =
      cold && this.#random.chance(coldStart.share) ? this.#random.between(0.5, 1.5) * coldStart.extraMs : 0;
    return own + extra + this.#stall(lane) + (lane === "canary" ? allowedMs : 0);
  }

  /** What is left of a pause that the request has come into. */
  #stall(lane: Lane): number {
    const { stalls } = this.#world.noise;
    if (stalls === undefined) return 0;
    const stall = this.#stalls[lane];
    const now = this.#atMs + this.#random.uniform() * TICK_MS;
    while (now >= stall.until) {
      if (now >= stall.from && stall.until <= stall.from) {
        stall.until = stall.from + this.#random.between(...stalls.forMs);
      } else if (stall.until > stall.from) {
        stall.from = stall.until + this.#random.exponential(stalls.everyMs);
        stall.until = stall.from;
      } else break;
    }
    return now >= stall.from && now < stall.until ? stall.until - now : 0;
  }

  #end(afterMs: number, ending: Ending): void {
    const tick = Math.floor((this.#atMs + this.#random.uniform() * TICK_MS + afterMs) / TICK_MS);
    const endings = this.#endings.get(tick);
    if (endings === undefined) this.#endings.set(tick, [ending]);
    else endings.push(ending);
  }

  #count(): readonly Series[] {
    const tick = Math.floor(this.#atMs / TICK_MS) - 1;
    const endings = this.#endings.get(tick) ?? [];
    this.#endings.delete(tick);
    const byLane = LANES.map((lane) =>
      Map.groupBy(
        endings.filter((ending) => ending.lane === lane),
        ({ load }) => load,
      ),
    );
    return byLane.flatMap((byLoad) => [...byLoad].map(([load, ended]) => seriesOf(load, ended)));
  }
}

function bitmapOf(endings: readonly Ending[]): number {
  return endings.reduce((bitmap, { group }) => (bitmap | (1 << (group ?? 0))) >>> 0, 0);
}

/** The values, counted. */
export function histogramOf(values: readonly number[]): Series["latency"] {
  const counts = new Map<number, number>();
  for (const value of values) {
    const bucket = bucketOf(value);
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
  }
  return [...counts].sort(([a], [b]) => a - b);
}

function seriesOf({ traffic, route }: RouteLoad, ended: readonly Ending[]): Series {
  const answered = ended.filter(({ latencyMs }) => latencyMs !== null);
  const kinds = Map.groupBy(
    answered.filter(({ error }) => error !== "throw"),
    ({ kind }) => kind,
  );
  const good = answered.filter(({ error }) => error === null).map(({ number }) => number);
  const tally: NumberTally = {
    count: good.length,
    sum: good.reduce((sum, number) => sum + number, 0),
    histogram: histogramOf(good),
  };
  return {
    lane: ended[0]?.lane ?? "stable",
    traffic,
    route,
    requests: ended.length,
    errors: answered.filter(({ error }) => error !== null).length,
    exceptions: answered.filter(({ error }) => error === "throw").length,
    overdue: ended.length - answered.length,
    fallbacks: ended.filter(({ fellBack }) => fellBack).length,
    latency: histogramOf(ended.map(({ latencyMs }) => latencyMs ?? OVERDUE_MS)),
    answers:
      traffic === "background"
        ? {}
        : Object.fromEntries([...kinds].map(([kind, list]) => [kind, list.length])),
    clients:
      traffic === "background"
        ? null
        : {
            seen: bitmapOf(ended),
            failed: bitmapOf(
              ended.filter((one) => !one.fellBack && (one.error !== null || one.latencyMs === null)),
            ),
            answers: Object.fromEntries([...kinds].map(([kind, list]) => [kind, bitmapOf(list)])),
          },
    numbers: traffic === "background" || good.length === 0 ? {} : { [NUMBER]: tally },
  };
}
