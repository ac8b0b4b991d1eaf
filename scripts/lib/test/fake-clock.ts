import type { Clock } from "../clock.ts";

/** Time that passes only when someone sleeps, or when a test lets it. Far behind the real one. */
export class FakeClock implements Clock {
  #now: number;

  constructor(now = Date.parse("2020-11-22T00:00:00Z")) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  pass(ms: number): void {
    this.#now += ms;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#now += ms;
    return Promise.resolve();
  }
}
