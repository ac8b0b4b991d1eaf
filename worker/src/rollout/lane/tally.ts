/** What was counted in one isolate and not yet told to the rollout object. */
import { MAX_NUMBERS, type ReportedNumbers } from "../../http/index.ts";
import type { ClientGroups, Histogram, HttpClass, Lane, NumberTally, Series } from "../contract.ts";
import { bucketOf } from "../judge/histogram.ts";
import { mixedKind } from "./answer-kind.ts";

/** What is counted together. */
export interface SeriesKey {
  readonly lane: Lane;
  readonly traffic: HttpClass;
  /** Route pattern. */
  readonly route: string;
}

/** What there is to add; a request may be counted in several steps. */
export interface Delta {
  readonly requests?: number;
  readonly errors?: number;
  readonly exceptions?: number;
  readonly overdue?: number;
  readonly fallbacks?: number;
  /** Milliseconds to the head of the answer. */
  readonly latencyMs?: number;
  /** Kind of the answer; see `answerKind`. */
  readonly answer?: string;
  readonly numbers?: ReportedNumbers;
  /** The other lane has answered better: the failure does not rest on this client's word alone. */
  readonly proven?: boolean;
  /** The client's; see `clientGroup`. */
  readonly group?: number;
}

/** The phase in which a request began. */
export interface PhaseKey {
  readonly rolloutId: string;
  readonly phase: number;
}

export interface PhaseSeries extends PhaseKey {
  readonly series: readonly Series[];
}

/** Phases that are held at once; an older one is of no use to the object any more. */
export const MAX_HELD_PHASES = 4;
/** Kinds of answers that one series tells apart; further ones are mixed. */
export const MAX_ANSWER_KINDS = 32;

class OpenHistogram {
  readonly #buckets = new Map<number, number>();

  add(value: number): void {
    const bucket = bucketOf(value);
    this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + 1);
  }

  closed(): Histogram {
    return [...this.#buckets].toSorted(([left], [right]) => left - right);
  }
}

class OpenNumber {
  readonly #histogram = new OpenHistogram();
  #count = 0;
  #sum = 0;

  add(value: number): void {
    this.#count += 1;
    this.#sum += value;
    this.#histogram.add(value);
  }

  closed(): NumberTally {
    return { count: this.#count, sum: this.#sum, histogram: this.#histogram.closed() };
  }
}

class OpenGroups {
  readonly #answers = new Map<string, number>();
  #seen = 0;
  #failed = 0;

  add(group: number, hasFailed: boolean, answer: string | null): void {
    const bit = 1 << group;
    this.#seen |= bit;
    if (hasFailed) this.#failed |= bit;
    if (answer !== null) this.#answers.set(answer, (this.#answers.get(answer) ?? 0) | bit);
  }

  /** The bit operators' results are signed, bitmaps are not. */
  closed(): ClientGroups {
    const answers = Array.from(this.#answers, ([kind, groups]) => [kind, groups >>> 0] as const);
    return { seen: this.#seen >>> 0, failed: this.#failed >>> 0, answers: Object.fromEntries(answers) };
  }
}

class OpenSeries {
  readonly #key: SeriesKey;
  readonly #counts = { requests: 0, errors: 0, exceptions: 0, overdue: 0, fallbacks: 0 };
  readonly #latency = new OpenHistogram();
  readonly #answers = new Map<string, number>();
  readonly #numbers = new Map<string, OpenNumber>();
  readonly #groups = new OpenGroups();

  constructor(key: SeriesKey) {
    this.#key = key;
  }

  add({ requests = 0, errors = 0, exceptions = 0, overdue = 0, fallbacks = 0, ...measured }: Delta): void {
    this.#counts.requests += requests;
    this.#counts.errors += errors;
    this.#counts.exceptions += exceptions;
    this.#counts.overdue += overdue;
    this.#counts.fallbacks += fallbacks;
    if (measured.latencyMs !== undefined) this.#latency.add(measured.latencyMs);
    const answer = measured.answer === undefined ? null : this.#addAnswer(measured.answer);
    if (measured.group !== undefined) {
      const hasFailed = errors + exceptions + overdue > 0 && measured.proven !== true;
      this.#groups.add(measured.group, hasFailed, answer);
    }
    measured.numbers?.forEach((value, name) => this.#addNumber(name, value));
  }

  closed(): Series {
    const { lane, traffic, route } = this.#key;
    return {
      lane,
      traffic,
      route,
      ...this.#counts,
      latency: this.#latency.closed(),
      answers: Object.fromEntries(this.#answers),
      numbers: Object.fromEntries(Array.from(this.#numbers, ([name, number]) => [name, number.closed()])),
      clients: this.#groups.closed(),
    };
  }

  /** @returns the kind under which it was counted */
  #addAnswer(kind: string): string {
    const told = this.#answers.has(kind) || this.#answers.size < MAX_ANSWER_KINDS;
    const name = told ? kind : mixedKind(kind);
    this.#answers.set(name, (this.#answers.get(name) ?? 0) + 1);
    return name;
  }

  #addNumber(name: string, value: number): void {
    const open = this.#numbers.get(name) ?? new OpenNumber();
    if (!this.#numbers.has(name)) {
      if (this.#numbers.size >= MAX_NUMBERS) return;
      this.#numbers.set(name, open);
    }
    open.add(value);
  }
}

class OpenPhase {
  readonly #key: PhaseKey;
  readonly #series = new Map<string, OpenSeries>();

  constructor(key: PhaseKey) {
    this.#key = key;
  }

  add(key: SeriesKey, delta: Delta): void {
    const name = `${key.lane} ${key.traffic} ${key.route}`;
    const series = this.#series.get(name) ?? new OpenSeries(key);
    this.#series.set(name, series);
    series.add(delta);
  }

  closed(): PhaseSeries {
    const series = Array.from(this.#series.values(), (open) => open.closed());
    return { ...this.#key, series };
  }
}

/** Sums by rollout and phase, oldest first. */
export class Tally {
  readonly #phases = new Map<string, OpenPhase>();

  count({ rolloutId, phase }: PhaseKey, key: SeriesKey, delta: Delta): void {
    const name = `${rolloutId} ${phase}`;
    const open = this.#phases.get(name) ?? new OpenPhase({ rolloutId, phase });
    this.#phases.set(name, open);
    open.add(key, delta);
    if (this.#phases.size > MAX_HELD_PHASES) this.take();
  }

  /** Removes and returns the oldest phase. */
  take(): PhaseSeries | null {
    for (const [name, open] of this.#phases) {
      this.#phases.delete(name);
      return open.closed();
    }
    return null;
  }
}
