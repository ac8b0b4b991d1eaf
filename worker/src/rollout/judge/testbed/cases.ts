/** The good releases and the bad ones of the test bed. */
import type { Shares } from "../../contract.ts";
import { hubLoad, manyRoutes, type Defect, type Noise, type RouteLoad } from "./world.ts";

/** A good release under some noise. */
export interface GoodCase {
  readonly name: string;
  readonly noise: Noise;
  readonly loads: readonly RouteLoad[];
  readonly shares: Shares;
  /** Latency counts from then on; 0 unless told. */
  readonly initialDelayMs?: number;
}

export const TENTH: Shares = { read: 10, write: 10, background: 10 };
const ALL: Shares = { read: 100, write: 100, background: 100 };
const HALF: Shares = { read: 50, write: 50, background: 50 };

const good = (name: string, noise: Noise, loads = hubLoad(50), shares = TENTH): GoodCase => ({
  name,
  noise,
  loads,
  shares,
});

const COLD: Noise = { coldStart: { forMs: 5_000, share: 0.3, extraMs: 300 } };
const STALLS = { everyMs: 8_000, forMs: [50, 300] } as const;

export const GOOD_CASES: readonly GoodCase[] = [
  good("quiet", {}),
  good("5 requests/s", { errorShare: 0.005 }, hubLoad(5)),
  good("1 % errors on both lanes", { errorShare: 0.01 }),
  good("5 % errors on both lanes, half the traffic", { errorShare: 0.05 }, hubLoad(50), HALF),
  good("0.2 % errors, each retried once in vain", { errorShare: 0.002, retries: 1 }),
  good("each lane pauses 50–300 ms every 8 s", { stalls: STALLS }),
  good("pauses, 5 requests/s", { stalls: STALLS }, hubLoad(5)),
  good("database down 4 s for both: 50 % errors, 8× slower", {
    outage: { fromMs: 15_000, forMs: 4_000, errorShare: 0.5, factor: 8 },
  }),
  good("both lanes grow 3× slower a minute", { driftPerMinute: 3 }),
  {
    ...good("canary starts cold: 5 s, 30 % of requests +300 ms; initial delay 5 s", COLD),
    initialDelayMs: 5_000,
  },
  good("heavy tails (σ 1.3)", { sigma: 1.3 }),
  good("canary 30 ms slower, 50 allowed", { allowedMs: 30 }),
  good("20 clients that keep their lane", { clients: 20, errorShare: 0.005 }),
  good("one of 400 clients, a busy one, has a wrong key", { clients: 400, strangerClient: 1 }),
  good("a scanner: 20 requests/s to no path", { clients: 40, scanRate: 20 }),
  good("40 routes", { errorShare: 0.005 }, manyRoutes(50, 40), { read: 10, write: 0, background: 0 }),
  good("all traffic, 0.5 % errors", { errorShare: 0.005 }, hubLoad(50), ALL),
];

/**
 * What counts cannot tell from a defect: a slow start that is judged, too; failures that come in
 * twos and threes; one client that is a large part of the canary's lane and whose requests
 * fail, or are refused, on every version.
 */
export const LIMIT_CASES: readonly GoodCase[] = [
  good("canary starts cold as above, no initial delay", COLD),
  good("0.5 % errors, each retried once in vain", { errorShare: 0.005, retries: 1 }),
  good("0.5 % errors, each retried twice in vain", { errorShare: 0.005, retries: 2 }),
  good("one of 40 clients (4 % of requests) fails on every version", { clients: 40, poisonClient: 5 }),
  good("one of 40 clients (12 % of requests) has a wrong key", { clients: 40, strangerClient: 1 }),
];

const http = ({ traffic }: RouteLoad): boolean => traffic !== "background";

export interface BadCase {
  readonly defect: Defect;
  /** Too weak for a phase of a minute at a low rate; then only its miss rate is told. */
  readonly weak?: boolean;
  readonly noise?: Noise;
}

const bad = (name: string, strike: Defect["strike"], rest: Omit<BadCase, "defect"> = {}): BadCase => ({
  defect: { name, strike },
  ...rest,
});

export const BAD_CASES: readonly BadCase[] = [
  bad("500 on everything", ({ load }) => (http(load) ? { error: "answer" } : null)),
  bad("500 on writes", ({ load }) => (load.traffic === "write" ? { error: "answer" } : null)),
  bad("500 on one route (10 %)", ({ load }) => (load.route === "/spots" ? { error: "answer" } : null)),
  bad(
    "500 on 2 % of requests",
    ({ load }, uniform) => (http(load) && uniform() < 0.02 ? { error: "answer" } : null),
    {
      weak: true,
    },
  ),
  bad(
    "500 for one tenant of 20 (9 %)",
    ({ client, load }) => (http(load) && client % 20 === 2 ? { error: "answer" } : null),
    {
      noise: { clients: 400 },
      weak: true,
    },
  ),
  bad("throws on 30 %", ({ load }, uniform) => (http(load) && uniform() < 0.3 ? { error: "throw" } : null)),
  bad("hangs", ({ load }) => (http(load) ? { hangs: true } : null)),
  bad("+300 ms", ({ load }) => (http(load) ? { extraMs: 300 } : null)),
  bad("+100 ms, 50 allowed", ({ load }) => (http(load) ? { extraMs: 100 } : null)),
  bad("+300 ms on 15 %", ({ load }, uniform) => (http(load) && uniform() < 0.15 ? { extraMs: 300 } : null)),
  bad("wrong content type", ({ load }) => (http(load) ? { kind: "2xx text/plain" } : null)),
  bad("4xx on 90 %", ({ load }, uniform) =>
    http(load) && uniform() < 0.9 ? { kind: "4xx application/problem+json" } : null,
  ),
  bad("leak: +10 ms each second from 15 s on", ({ load, atMs }) =>
    http(load) && atMs > 20_000 ? { extraMs: (atMs - 15_000) / 100 } : null,
  ),
  bad("500 on everything from 40 s on", ({ load, atMs }) =>
    http(load) && atMs >= 40_000 ? { error: "answer" } : null,
  ),
  bad("a feature's number 3× as great", ({ load }) => (http(load) ? { numberFactor: 3 } : null)),
  bad("deliveries of messages fail", ({ load }) => (load.route === "queue" ? { error: "throw" } : null)),
  bad("cron runs fail", ({ load }) => (load.route === "cron" ? { error: "throw" } : null)),
];
