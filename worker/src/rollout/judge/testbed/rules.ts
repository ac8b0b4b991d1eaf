/** Who watches a simulated phase: our judge, as the rollout's object asks it, and Flagger's rule. */
import type { GateSettings, Series, Shares } from "../../contract.ts";
import { addSeries, beyondDoubt, judge, PAIRED_SHARES, quantile, type Evidence } from "../index.ts";
import { sumHistograms } from "../histogram.ts";
import type { World } from "./world.ts";

/** Takes what was counted up to a time. @returns why the canary goes, or `null` */
export interface Rule {
  observe: (series: readonly Series[], atMs: number) => string | null;
}

/** Intervals that count as recent, as in the object. */
const RECENT_INTERVALS = 5;
const AT = "2026-01-01T00:00:00.000Z";

/** `beyondDoubt` at every report, `judge` at every interval, `failLimit` failing judgements in a row. */
export class StrataRule implements Rule {
  readonly #gate: GateSettings;
  readonly #shares: Shares;
  readonly #intervalMs: number;
  readonly #initialDelayMs: number;
  #total: readonly Series[] = [];
  #past: readonly Series[] = [];
  #intervals: readonly (readonly Series[])[] = [];
  #current: readonly Series[] = [];
  #nextMs: number;
  #fails = 0;
  #passes = 0;

  constructor(
    gate: GateSettings,
    { shares, copies }: Pick<World, "shares" | "copies">,
    intervalMs: number,
    initialDelayMs = 0,
  ) {
    this.#gate = gate;
    this.#shares = copies ? PAIRED_SHARES : shares;
    this.#intervalMs = intervalMs;
    this.#initialDelayMs = initialDelayMs;
    this.#nextMs = intervalMs;
  }

  /** Passing judgements in a row. */
  get passes(): number {
    return this.#passes;
  }

  observe(reported: readonly Series[], atMs: number): string | null {
    const settled = atMs > this.#initialDelayMs;
    const series = settled ? reported : reported.map((one): Series => ({ ...one, latency: [] }));
    this.#total = addSeries(this.#total, series);
    this.#current = addSeries(this.#current, series);
    const evidence: Evidence = {
      total: this.#total,
      recent: addSeries(this.#past, this.#current),
      shares: this.#shares,
      background: { reachable: true },
    };
    const alarm = beyondDoubt(evidence, this.#gate);
    if (alarm !== null) return alarm;
    if (atMs < this.#nextMs) return null;
    this.#nextMs += this.#intervalMs;
    const { verdict, reason } = judge(evidence, this.#gate, AT);
    this.#fails = verdict === "fail" ? this.#fails + 1 : 0;
    this.#passes = verdict === "pass" ? this.#passes + 1 : 0;
    this.#intervals = [...this.#intervals, this.#current].slice(-RECENT_INTERVALS);
    this.#past = this.#intervals.reduce((sum, interval) => addSeries(sum, interval), []);
    this.#current = [];
    return this.#fails >= this.#gate.failLimit ? reason : null;
  }
}

/**
 * Flagger's built-in checks as its documentation sets them up (docs.flagger.app, "Metrics
 * Analysis" and "How it works"): each minute, the canary's success rate of that minute is
 * at least 99 % and its p99 at most 500 ms; five failed checks take it back. It has no
 * minimum sample, compares with no other lane, and sees requests only.
 */
export class FlaggerRule implements Rule {
  #minute: readonly Series[] = [];
  #nextMs = 60_000;
  #failed = 0;

  observe(series: readonly Series[], atMs: number): string | null {
    this.#minute = addSeries(
      this.#minute,
      series.filter(({ lane, traffic }) => lane === "canary" && traffic !== "background"),
    );
    if (atMs < this.#nextMs) return null;
    this.#nextMs += 60_000;
    const requests = this.#minute.reduce((sum, one) => sum + one.requests, 0);
    const errors = this.#minute.reduce((sum, one) => sum + one.errors, 0);
    const p99 = quantile(sumHistograms(this.#minute.map(({ latency }) => latency)), 0.99);
    this.#minute = [];
    if (requests === 0) return null;
    if (errors / requests > 0.01 || (p99 ?? 0) > 500) this.#failed += 1;
    return this.#failed >= 5 ? "five failed checks" : null;
  }
}
