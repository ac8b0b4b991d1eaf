/**
 * Carries an isolate's counts to the rollout object: a batch about every
 * 200 ms, at once when the canary failed or became overdue, each counted exactly once.
 *
 * A batch keeps its number until the object has confirmed it, and the object
 * drops a number it has seen, so a batch whose answer was lost may be sent
 * again. Only plain values are shared between the requests of the isolate.
 */
import { within, type Clock } from "../../http/index.ts";
import type { Report } from "../object/report.ts";
import type { RolloutView } from "../view.ts";
import { Tally, type Delta, type PhaseKey, type SeriesKey } from "./tally.ts";

/** Shortest time between batches without bad news of the canary. */
export const BATCH_MS = 200;
/** Longest wait for the object's answer. */
export const SEND_TIMEOUT_MS = 2_000;
/** Tries of one batch before it waits for the next request. */
export const TRIES = 3;
/** A task that has not ended by then was cut off with its request. */
const ABANDONED_MS = 10_000;

export type SendReport = (report: Report) => Promise<RolloutView>;

/** What a request needs so that its isolate's counts can travel with it. */
export interface Carrier {
  readonly send: SendReport;
  readonly waitUntil: (work: Promise<void>) => void;
}

function isBad({ errors = 0, exceptions = 0, overdue = 0 }: Delta): boolean {
  return errors + exceptions + overdue > 0;
}

/** The counts of one isolate on their way to the object. */
export class Reporter {
  readonly #clock: Clock;
  readonly #onView: (view: RolloutView, askedAt: number) => void;
  readonly #tally = new Tally();
  #name: string | null = null;
  #sequence = 0;
  #unconfirmed: Report | null = null;
  #timerSetAt: number | null = null;
  #sendingSince: number | null = null;

  /** @param onView hears what the object answered, and when it was asked */
  constructor(clock: Clock, onView: (view: RolloutView, askedAt: number) => void) {
    this.#clock = clock;
    this.#onView = onView;
  }

  /** Adds to the counts of a phase and sees to it that they are sent. */
  count(phase: PhaseKey, key: SeriesKey, delta: Delta, carrier: Carrier): void {
    this.#tally.count(phase, key, delta);
    if (key.lane === "canary" && isBad(delta)) {
      carrier.waitUntil(this.#deliver(carrier.send));
    } else if (!this.#goesOn(this.#timerSetAt)) {
      this.#timerSetAt = this.#clock.now();
      carrier.waitUntil(this.#deliverLater(carrier.send));
    }
  }

  #goesOn(since: number | null): boolean {
    return since !== null && this.#clock.now() - since < ABANDONED_MS;
  }

  async #deliverLater(send: SendReport): Promise<void> {
    await this.#clock.sleep(BATCH_MS);
    this.#timerSetAt = null;
    await this.#deliver(send);
  }

  /** Sends all there is. A delivery that goes on also takes what is counted meanwhile. */
  async #deliver(send: SendReport): Promise<void> {
    if (this.#goesOn(this.#sendingSince)) return;
    try {
      for (let report = this.#next(); report !== null; report = this.#next()) {
        if (!(await this.#sendOne(report, send))) return;
      }
    } finally {
      this.#sendingSince = null;
    }
  }

  #next(): Report | null {
    if (this.#unconfirmed !== null) return this.#unconfirmed;
    const taken = this.#tally.take();
    if (taken === null) return null;
    // Random numbers are not to be had while a Worker starts, hence not in the constructor.
    this.#name ??= crypto.randomUUID();
    this.#sequence += 1;
    this.#unconfirmed = { ...taken, reporter: this.#name, sequence: this.#sequence };
    return this.#unconfirmed;
  }

  async #sendOne(report: Report, send: SendReport): Promise<boolean> {
    for (let attempt = 1; attempt <= TRIES; attempt += 1) {
      const askedAt = this.#clock.now();
      this.#sendingSince = askedAt;
      try {
        const view = await within(SEND_TIMEOUT_MS, send(report));
        if (this.#unconfirmed === report) this.#unconfirmed = null;
        this.#onView(view, askedAt);
        return true;
      } catch {
        if (attempt < TRIES) await this.#clock.sleep(BATCH_MS);
      }
    }
    return false;
  }
}
