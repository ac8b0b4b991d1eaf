/** One run of a script against the fake cloud: every call it makes can be met by a fault, a kill or a Ctrl-C. */
import type { Clock } from "../clock.ts";
import { CliError, EXIT } from "../exit.ts";

/** What is called: Cloudflare's API, wrangler, or a Worker over HTTP. */
export type Part = "api" | "wrangler" | "hub";

export interface CallPoint {
  /** From 0, in the order of the run. */
  readonly index: number;
  readonly part: Part;
  /** For example `deploy hub-canary`, or `begin`. */
  readonly call: string;
}

/**
 * `refuse`: it fails without an effect. `lose`: it has its effect, and the answer is lost.
 * `kill-before`, `kill-after`: the process is gone, without or with the effect. `stop`: Ctrl-C.
 */
export const INTERFERENCES = ["refuse", "lose", "kill-before", "kill-after", "stop"] as const;
export type Interference = (typeof INTERFERENCES)[number];

/** Says what happens at a call; `null`: nothing. */
export type Interfere = (point: CallPoint) => Interference | null;

/** What a killed process would never see: nothing that it still does has an effect. */
export class Killed extends Error {
  override readonly name = "Killed";
}

const FAULTS: Readonly<Record<Part, () => Error>> = {
  api: () => new CliError(EXIT.failed, "Cloudflare's API cannot be reached"),
  wrangler: () => new CliError(EXIT.failed, "wrangler failed: the connection was cut"),
  hub: () => new TypeError("fetch failed", { cause: new Error("read ECONNRESET") }),
};

export class FakeRun {
  readonly stop = new AbortController();
  /** Every call so far. */
  readonly points: CallPoint[] = [];
  readonly #interfere: Interfere;
  #killed = false;

  constructor(interfere: Interfere) {
    this.#interfere = interfere;
  }

  assertAlive(): void {
    if (this.#killed) throw new Killed("killed");
  }

  /** @throws what was planted for this call */
  async call<T>(part: Part, call: string, work: () => T | Promise<T>): Promise<T> {
    this.assertAlive();
    const point = { index: this.points.length, part, call };
    this.points.push(point);
    const happens = this.#interfere(point);
    if (happens === "stop") this.stop.abort(new CliError(EXIT.cancelled, "Stopped before the end"));
    if (happens === "refuse") throw FAULTS[part]();
    if (happens === "kill-before") this.#killed = true;
    this.assertAlive();
    const result = await work();
    if (happens === "kill-after") this.#killed = true;
    this.assertAlive();
    if (happens === "lose") throw FAULTS[part]();
    return result;
  }

  /** A clock that stands still for a killed process. */
  clock(clock: Clock): Clock {
    return {
      now: () => clock.now(),
      sleep: async (ms, signal) => {
        this.assertAlive();
        await clock.sleep(ms, signal);
      },
    };
  }
}
