/**
 * One request as the rollout counts it, the same on both lanes. It is counted
 * once in `requests`: when its answer begins or fails, or, if that is earlier,
 * when it becomes overdue. What is learned after that is added without it: the
 * late answer's time and kind, and a body that breaks off. So the sums of a
 * series never hold more errors or overdue requests than requests, nor more
 * exceptions than errors; a window of time may, for what it learned late.
 *
 * Whether a read that falls back counts as an error shows when the other lane has
 * answered it: a request that both fail is no fault of the canary, nor is one overdue that
 * makes both slow. And what fails while its client's body breaks off, or when its client has
 * hung up, is the fault of no lane.
 */
import type { Clock, ReportedNumbers } from "../../http/index.ts";
import { answerKind } from "./answer-kind.ts";
import type { Delta } from "./tally.ts";
import type { Upload } from "./upload.ts";

export interface ObservationOptions {
  readonly clock: Clock;
  readonly request: Request;
  readonly upload: Upload;
  /** Milliseconds without an answer's head after which the request is overdue; its body is there by then. */
  readonly overdueMs: number;
  /** The other lane answers in place of an error, an exception, or an answer that is overdue. */
  readonly fallsBack: boolean;
  /** Hears each step of the count. */
  readonly note: (delta: Delta) => void;
}

/** A failure that waits for what the other lane answers. */
interface Pending {
  /** What counts only if that does better. */
  readonly blame: Delta;
  /** What counts anyway. */
  readonly rest: Delta;
  /** Until when it must have answered to have done better, in the clock's time. */
  readonly until: number;
}

/** Begins with the request. One of `began` and `failed` ends it, unless it falls back when it is overdue. */
export class Observation {
  /**
   * Settles when the request is over: `overdue`, or `ended` if its answer began
   * or failed in time.
   */
  readonly over: Promise<"overdue" | "ended">;
  /**
   * Settles when the request was counted. It must be kept alive until then, or one
   * whose client loses patience would never be counted.
   */
  readonly counted: Promise<void>;
  readonly #options: ObservationOptions;
  readonly #stopTimer: () => void;
  #settle: (how: "overdue" | "ended") => void = () => {};
  #decide: () => void = () => {};
  #pending: Pending | null = null;
  #isCounted = false;
  #isOver = false;
  #hasFailed = false;
  #isOverdue = false;

  constructor(options: ObservationOptions) {
    this.#options = options;
    this.over = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.counted = new Promise((resolve) => {
      this.#decide = resolve;
    });
    this.#stopTimer = options.upload.whenKept(options.overdueMs, () => this.#overdue());
  }

  /** Its answer was not there in time. */
  get isOverdue(): boolean {
    return this.#isOverdue;
  }

  /** The head of the answer is there. */
  began(answer: Response, numbers: ReportedNumbers): void {
    const latencyMs = this.#elapsedMs();
    const kind = answerKind(this.#options.request, answer);
    if (this.#options.upload.hasBroken) this.#end({});
    else if (answer.status >= 500) this.#fail({ errors: 1, answer: kind }, { latencyMs, numbers });
    else this.#end({ latencyMs, answer: kind, numbers });
  }

  /**
   * There is no answer.
   * @param gaveUp it was not waited for any longer: its time counts as that of an answer
   */
  failed(gaveUp = false): void {
    this.#fail({ errors: 1, exceptions: 1 }, gaveUp ? { latencyMs: this.#elapsedMs() } : {});
  }

  /**
   * The other lane has answered in its place.
   * @param well whether it did well; a failure of both is nobody's
   */
  stoodIn(well: boolean): void {
    const pending = this.#pending;
    this.#pending = null;
    if (pending === null) return;
    const isBetter = well && this.#options.clock.now() <= pending.until;
    const blame = isBetter ? { ...pending.blame, proven: true } : {};
    this.#count({ ...pending.rest, ...blame, fallbacks: 1 }, "ended");
  }

  /** The answer broke off after its head. */
  brokeOff(): void {
    const { note, upload } = this.#options;
    if (upload.isClientGone) return;
    note(this.#hasFailed ? { exceptions: 1 } : { errors: 1, exceptions: 1 });
    this.#hasFailed = true;
  }

  /** @param blame counted at once, or when the other lane has done better @param rest counted at once */
  #fail(blame: Delta, rest: Delta): void {
    if (this.#isOver) return;
    if (this.#options.upload.isClientGone) return this.#end({});
    this.#hasFailed = true;
    if (!this.#options.fallsBack) return this.#end({ ...blame, ...rest });
    this.#isOver = true;
    this.#stopTimer();
    this.#pending = { blame, rest, until: Infinity };
    this.#settle("ended");
  }

  #end(delta: Delta): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stopTimer();
    this.#count(delta, "ended");
  }

  #overdue(): void {
    const { clock, fallsBack, overdueMs } = this.#options;
    this.#isOverdue = true;
    if (!fallsBack) return this.#count({ overdue: 1 }, "overdue");
    this.#isOver = true;
    // Its answer is given up: what it was waited for is the least that it would have taken.
    const latencyMs = Math.max(this.#elapsedMs(), overdueMs);
    this.#pending = { blame: { overdue: 1, latencyMs }, rest: {}, until: clock.now() + overdueMs };
    this.#settle("overdue");
  }

  #count(delta: Delta, how: "overdue" | "ended"): void {
    this.#options.note(this.#isCounted ? delta : { requests: 1, ...delta });
    this.#isCounted = true;
    this.#settle(how);
    this.#decide();
  }

  #elapsedMs(): number {
    const { upload, overdueMs } = this.#options;
    // An answer that came while more of the body was waited for, was not waited for itself.
    return upload.isAwaited ? Math.min(upload.keptMs(), overdueMs) : upload.keptMs();
  }
}
