/** Lanes for the router's tests: a rollout that a test sets, the reports it gets, and canaries that do as told. */
import { env } from "cloudflare:workers";
import type { Env } from "../src/env.generated.ts";
import type { HttpClass, Lane, Series } from "../src/rollout/contract.ts";
import { addSeries } from "../src/rollout/judge/series.ts";
import type { Report } from "../src/rollout/object/report.ts";
import { CLOSED_VIEW, type RolloutView } from "../src/rollout/view.ts";
import { testHub, type TestHub } from "./hub.ts";

/** All requests go to the canary, unless a test says otherwise. */
export const OPEN_VIEW: RolloutView = {
  id: "rollout-1",
  phase: 1,
  shares: { read: 100, write: 100, background: 0 },
  mirrorReads: 0,
  canaryVersion: "canary-1",
  fallbackReads: true,
  overdueMs: 3_000,
};

/** What a lane did for a class, all routes together. */
export type Figures = Pick<Series, "requests" | "errors" | "exceptions" | "overdue" | "fallbacks">;

/** In the place of the rollout object: counts each numbered batch once, as the real one does. */
export class FakeRollout {
  view: RolloutView;
  reachable = true;
  /** How often it was asked for the view. */
  asked = 0;
  readonly reports: Report[] = [];
  #series: readonly Series[] = [];
  readonly #last = new Map<string, number>();

  constructor(view: Partial<RolloutView> = {}) {
    this.view = { ...OPEN_VIEW, ...view };
  }

  close(): void {
    this.view = CLOSED_VIEW;
  }

  receive(report: Report): RolloutView {
    this.reports.push(report);
    if (report.sequence > (this.#last.get(report.reporter) ?? 0)) {
      this.#last.set(report.reporter, report.sequence);
      this.#series = addSeries(this.#series, report.series);
    }
    return this.view;
  }

  /** What was reported of a lane's class, by route. */
  series(lane: Lane, traffic: HttpClass = "read"): readonly Series[] {
    return this.#series.filter((series) => series.lane === lane && series.traffic === traffic);
  }

  figures(lane: Lane, traffic: HttpClass = "read"): Figures {
    const sum = (of: (series: Series) => number): number =>
      this.series(lane, traffic).reduce((total, series) => total + of(series), 0);
    return {
      requests: sum(({ requests }) => requests),
      errors: sum(({ errors }) => errors),
      exceptions: sum(({ exceptions }) => exceptions),
      overdue: sum(({ overdue }) => overdue),
      fallbacks: sum(({ fallbacks }) => fallbacks),
    };
  }

  /** The binding under which the stable hub finds it. */
  namespace(): NonNullable<Env["ROLLOUT"]> {
    const stub = {
      view: () => {
        this.asked += 1;
        return Promise.resolve(this.view);
      },
      report: (report: Report) => Promise.resolve(this.receive(report)),
    };
    const getByName = () => {
      if (!this.reachable) throw new Error("Durable Object is overloaded.");
      return stub;
    };
    return { getByName } as unknown as NonNullable<Env["ROLLOUT"]>;
  }
}

export type CanaryHandler = (request: Request, init?: RequestInit) => Response | Promise<Response>;

/** A canary that does what a test says. */
export function canary(answer: CanaryHandler): Pick<Env, "CANARY"> {
  const fetch = (request: Request, init?: RequestInit): Promise<Response> =>
    Promise.resolve(request).then((sent) => answer(sent, init));
  return { CANARY: { fetch } as unknown as Fetcher };
}

/** A stable hub whose rollout is the given one; its canary is the pool's, or the given one. */
export function stableHub(rollout: FakeRollout, answer?: CanaryHandler): TestHub {
  return testHub({ ROLLOUT: rollout.namespace(), ...(answer === undefined ? {} : canary(answer)) });
}

/** An archiver for the stable hub's own answers: `read` gives pages of so many hot records. */
export function archiverOf(records: number): Pick<Env, "ARCHIVER"> {
  const read = () => ({
    ok: true,
    modified: true,
    body: new Blob(["[]"]).stream(),
    etag: null,
    nextCursor: null,
    hot: records,
    cold: 0,
    rangeReads: 0,
    coldBytes: 0,
    lostBlocks: 0,
  });
  return { ARCHIVER: { ...env.ARCHIVER, read: () => Promise.resolve(read()) } as unknown as Env["ARCHIVER"] };
}

export const laneOf = (response: Response): string | null => response.headers.get("strata-lane");
export const fallbackOf = (response: Response): string | null => response.headers.get("strata-fallback");
export const as = (client: string): RequestInit => ({ headers: { "strata-client": client } });
export const clients = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `client-${index}`);
