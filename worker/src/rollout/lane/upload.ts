/**
 * The client's part of a request: its body on the way in, and whether it is still there.
 * What the client does badly speaks against no lane, and while a lane waits for the client,
 * it keeps nobody waiting.
 */
import { ofLength, statedLength, watchStream, type Clock } from "../../http/index.ts";

interface Timer {
  readonly ms: number;
  readonly run: () => void;
  handle: ReturnType<typeof setTimeout> | undefined;
}

/** Begins with the request; its body must be read from `request` or `forwarded`, and only once. */
export class Upload {
  readonly #source: Request;
  readonly #clock: Clock;
  readonly #body: ReadableStream<Uint8Array> | null;
  readonly #timers = new Set<Timer>();
  #turnBeganAt: number;
  #isAwaited = false;
  #hasBroken = false;

  constructor(source: Request, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
    this.#turnBeganAt = clock.now();
    this.#body = source.body === null ? null : this.#watched(source.body, statedLength(source.headers));
  }

  /** The body broke off before it was whole. */
  get hasBroken(): boolean {
    return this.#hasBroken;
  }

  /** What fails now may have failed for the client: its body broke off, or it has hung up. */
  get isClientGone(): boolean {
    return this.#hasBroken || this.#source.signal.aborted;
  }

  /** The lane waits for more of the body. */
  get isAwaited(): boolean {
    return this.#isAwaited;
  }

  /**
   * Milliseconds since the lane has had all it got: since the body's end, its last piece so
   * far, or, without a body or when none of it was read, since the request began.
   */
  keptMs(): number {
    return Math.max(0, this.#clock.now() - this.#turnBeganAt);
  }

  /** The request, to be answered here. */
  request(): Request {
    const { method } = this.#source;
    return this.#body === null ? this.#source : new Request(this.#source, { method, body: this.#body });
  }

  /** The request, to be sent on: with a body of known length, if it has stated one. */
  forwarded(): Request {
    const { method, headers } = this.#source;
    return this.#body === null
      ? new Request(this.#source)
      : new Request(this.#source, { method, body: ofLength(this.#body, statedLength(headers)) });
  }

  /**
   * Runs once the lane has kept the request for `ms`: the time begins anew with every piece of
   * the body, and stands still while the lane waits for one.
   * @returns ends it
   */
  whenKept(ms: number, run: () => void): () => void {
    const timer: Timer = { ms, run, handle: undefined };
    this.#timers.add(timer);
    if (!this.#isAwaited) this.#arm(timer);
    return () => {
      clearTimeout(timer.handle);
      this.#timers.delete(timer);
    };
  }

  #watched(body: ReadableStream<Uint8Array>, length: number | null): ReadableStream<Uint8Array> {
    const watch = {
      onBreak: () => {
        this.#hasBroken = true;
      },
      onAsked: () => {
        this.#isAwaited = true;
        for (const timer of this.#timers) clearTimeout(timer.handle);
      },
      onGiven: () => {
        this.#isAwaited = false;
        this.#turnBeganAt = this.#clock.now();
        for (const timer of this.#timers) this.#arm(timer);
      },
    };
    return watchStream(body, watch, length);
  }

  #arm(timer: Timer): void {
    timer.handle = setTimeout(() => {
      this.#timers.delete(timer);
      timer.run();
    }, timer.ms);
  }
}
