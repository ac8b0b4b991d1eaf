/**
 * What was seen of both lanes in the present phase. It is held in memory and
 * written down at every alarm, together with the numbers of the reports in it:
 * an object that is started again goes on with what was written, so that at
 * most what came since the last alarm is lost, and nothing counts twice.
 */
import type { BackgroundTally } from "../../../../archiver/src/contract.ts";
import type { Histogram, Series, Shares } from "../contract.ts";
import { addSeries, PAIRED_SHARES, type Evidence } from "../judge/index.ts";
import { backgroundSince, type BackgroundCounts } from "./background.ts";
import type { Report } from "./report.ts";

/** Intervals that count as recent, beside the one that goes on. */
export const RECENT_INTERVALS = 5;
/** Isolates whose last number is kept; the one heard longest ago is forgotten first. */
export const MAX_REPORTERS = 5_000;

/** What one interval brought. */
export interface Interval {
  /** From 1, in a phase. */
  readonly number: number;
  readonly series: readonly Series[];
}

/** As it is written down. */
export interface EvidenceSnapshot {
  readonly rolloutId: string;
  readonly phase: number;
  readonly total: readonly Series[];
  /** Oldest first; the last one goes on. */
  readonly recent: readonly Interval[];
  readonly heard: readonly (readonly [reporter: string, sequence: number])[];
  readonly background: readonly BackgroundCounts[];
}

/** The evidence of one phase of one rollout. */
export class EvidenceBook {
  readonly rolloutId: string;
  readonly phase: number;
  readonly #heard: Map<string, number>;
  #total: readonly Series[];
  #recent: readonly Interval[];
  #current: Interval;
  /** The sum of `#recent` and `#current`: a report is judged at once, and there may be many. */
  #window: readonly Series[];
  #background: readonly BackgroundCounts[];

  constructor({
    rolloutId,
    phase,
    ...snapshot
  }: Pick<EvidenceSnapshot, "rolloutId" | "phase"> & Partial<EvidenceSnapshot>) {
    this.rolloutId = rolloutId;
    this.phase = phase;
    this.#total = snapshot.total ?? [];
    this.#recent = (snapshot.recent ?? []).slice(0, -1);
    this.#current = snapshot.recent?.at(-1) ?? { number: 1, series: [] };
    this.#window = this.#sumOfWindow();
    this.#heard = new Map(snapshot.heard);
    this.#background = snapshot.background ?? [];
  }

  /**
   * Counts a report, unless it was counted before.
   * @param settled whether the phase's initial delay is over; before that, no latency is taken
   */
  add({ reporter, sequence, series }: Report, settled: boolean): boolean {
    const last = this.#heard.get(reporter);
    if (last !== undefined && sequence <= last) return false;
    this.#heard.delete(reporter);
    this.#heard.set(reporter, sequence);
    const [oldest] = this.#heard.keys();
    if (this.#heard.size > MAX_REPORTERS && oldest !== undefined) this.#heard.delete(oldest);
    this.#count(series, settled);
    return true;
  }

  /** Counts what the archiver has counted since the last time. */
  addBackground({ series }: BackgroundTally, settled: boolean): void {
    this.#count(backgroundSince(this.#background, series), settled);
    this.#background = series;
  }

  #count(series: readonly Series[], settled: boolean): void {
    const taken = settled ? series : series.map((one) => ({ ...one, latency: [] as Histogram }));
    this.#total = addSeries(this.#total, taken);
    const { number } = this.#current;
    this.#current = { number, series: addSeries(this.#current.series, taken) };
    this.#window = addSeries(this.#window, taken);
  }

  #sumOfWindow(): readonly Series[] {
    return [...this.#recent, this.#current].reduce<readonly Series[]>(
      (all, { series }) => addSeries(all, series),
      [],
    );
  }

  /** Ends an interval: what comes next is of another one. */
  closeInterval(): void {
    this.#recent = [...this.#recent, this.#current].slice(-RECENT_INTERVALS);
    this.#current = { number: this.#current.number + 1, series: [] };
    this.#window = this.#sumOfWindow();
  }

  /** What the judge is given. Before phase 1 the canary gets copies only. */
  evidence(shares: Shares, background: Evidence["background"]): Evidence {
    const given = this.phase === 0 ? PAIRED_SHARES : shares;
    return { total: this.#total, recent: this.#window, shares: given, background };
  }

  /** Whether the canary has failed anything. */
  get canaryErred(): boolean {
    return this.#total.some(({ lane, errors }) => lane === "canary" && errors > 0);
  }

  snapshot(): EvidenceSnapshot {
    return {
      rolloutId: this.rolloutId,
      phase: this.phase,
      total: this.#total,
      recent: this.#current.series.length === 0 ? this.#recent : [...this.#recent, this.#current],
      heard: [...this.#heard],
      background: this.#background,
    };
  }
}
