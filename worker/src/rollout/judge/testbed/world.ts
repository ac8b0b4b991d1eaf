/** What the simulated traffic, its noise and its defects are described by. */
import type { Lane, Shares, TrafficClass } from "../../contract.ts";

export interface RouteLoad {
  readonly traffic: TrafficClass;
  readonly route: string;
  /** Requests per second on both lanes together; cron runs once at the start and then so often. */
  readonly rate: number;
  /** Latency is log-normal: its median in milliseconds, and the σ of its logarithm. */
  readonly medianMs: number;
  readonly sigma: number;
  readonly mediaType: string;
}

/** Things that are no fault of the release. */
export interface Noise {
  /** Share of requests that fail on either lane. */
  readonly errorShare?: number;
  /** A failed request comes again so often, to the same lane, and fails again. */
  readonly retries?: number;
  /** Clients that keep their lane, the k-th with a part ∝ 1/k of the requests; else each request is on its own. */
  readonly clients?: number;
  /** That client (0 is the busiest) gets a 401 for everything. */
  readonly strangerClient?: number;
  /** That client's requests fail on every version. */
  readonly poisonClient?: number;
  /** Requests to paths that do not exist, per second, from one client. */
  readonly scanRate?: number;
  /** Each lane stands still by itself, so often in the mean, for so long. */
  readonly stalls?: { readonly everyMs: number; readonly forMs: readonly [number, number] };
  /** A database is slow and fails for both lanes. */
  readonly outage?: {
    readonly fromMs: number;
    readonly forMs: number;
    readonly errorShare: number;
    readonly factor: number;
  };
  /** Both lanes grow slower by this factor each minute. */
  readonly driftPerMinute?: number;
  /** The canary's isolates start: in that time, that share of its requests takes longer. */
  readonly coldStart?: { readonly forMs: number; readonly share: number; readonly extraMs: number };
  /** σ of latency, for all routes. */
  readonly sigma?: number;
  /** The canary is slower by so much, which the gate allows. */
  readonly allowedMs?: number;
}

/** What a request meets on the canary. */
export interface Request {
  readonly load: RouteLoad;
  readonly client: number;
  /** Since the phase began. */
  readonly atMs: number;
}

export interface Fate {
  readonly error?: "answer" | "throw";
  readonly hangs?: boolean;
  readonly extraMs?: number;
  readonly kind?: string;
  readonly numberFactor?: number;
}

/** A release that is bad in one way. */
export interface Defect {
  readonly name: string;
  /** Of `Random.uniform`. @returns `null` for a request that it does no harm to */
  readonly strike: (request: Request, uniform: () => number) => Fate | null;
}

export interface World {
  readonly loads: readonly RouteLoad[];
  readonly shares: Shares;
  /** The canary gets copies of the reads that the stable lane answers, and nothing else. */
  readonly copies: boolean;
  readonly noise: Noise;
  readonly defect: Defect | null;
  readonly seed: number;
}

export const OVERDUE_MS = 3_000;
/** What each request reports; a defect can make it greater. */
export const NUMBER = "rowsRead";

/** Traffic like a hub's, `rate` requests per second in all, beside messages and crons. */
export function hubLoad(rate: number): readonly RouteLoad[] {
  const http = (traffic: TrafficClass, route: string, part: number, medianMs: number): RouteLoad => ({
    traffic,
    route,
    rate: rate * part,
    medianMs,
    sigma: 0.5,
    mediaType: route === "/status" ? "text/html" : "application/json",
  });
  const work = { traffic: "background", mediaType: "", sigma: 0.5 } as const;
  return [
    http("read", "/read", 0.45, 25),
    http("read", "/monitors", 0.2, 8),
    http("read", "/spots", 0.1, 15),
    http("read", "/status", 0.05, 5),
    http("write", "/buffer", 0.15, 30),
    http("write", "/sessions", 0.05, 20),
    { ...work, route: "queue", rate: rate * 0.15, medianMs: 60 },
    { ...work, route: "cron", rate: 1 / 60, medianMs: 400 },
  ];
}

/** Traffic over many routes, most of them seldom asked for. */
export function manyRoutes(rate: number, routes: number): readonly RouteLoad[] {
  const weights = Array.from({ length: routes }, (_, index) => 1 / (index + 1));
  const sum = weights.reduce((all, weight) => all + weight, 0);
  return weights.map((weight, index) => ({
    traffic: "read",
    route: `/route-${index + 1}`,
    rate: (rate * weight) / sum,
    medianMs: 5 + 3 * index,
    sigma: 0.5,
    mediaType: "application/json",
  }));
}

export const LANES: readonly Lane[] = ["stable", "canary"];
