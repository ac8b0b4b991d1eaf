/**
 * Admits work to workerd and holds it back while workerd is replaced: the work
 * that is under way ends first, what arrives meanwhile waits.
 */
export class Gate {
  #phase: "open" | "draining" | "shut" = "open";
  #inside = 0;
  #lastLeft = Number.NEGATIVE_INFINITY;
  readonly #now: () => number;
  #waiting: (() => void)[] = [];
  #empty: (() => void) | undefined;

  /** @param now milliseconds of any clock that does not go back. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** When work ended last, on the gate's clock. */
  get lastLeft(): number {
    return this.#lastLeft;
  }

  /** How much work is under way. */
  get inside(): number {
    return this.#inside;
  }

  /**
   * Resolves when the work may begin, `undefined` when it may at once; then `leave` must follow.
   * @param nested work that other work under way waits for; holding it back would stop both.
   */
  enter(nested = false): Promise<void> | undefined {
    if (this.#phase === "open" || (nested && this.#phase === "draining")) {
      this.#inside += 1;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Ends work that `enter` admitted. */
  leave(): void {
    this.#inside -= 1;
    this.#lastLeft = this.#now();
    if (this.#inside === 0) this.#empty?.();
  }

  /** Runs work between `enter` and `leave`. */
  async through<T>(work: () => Promise<T>): Promise<T> {
    await this.enter();
    try {
      return await work();
    } finally {
      this.leave();
    }
  }

  /**
   * Holds back new work and waits for the end of the rest, or for `deadline`.
   * Resolves with the amount of work that is still under way.
   */
  async drain(deadline: Promise<unknown>): Promise<number> {
    this.#phase = "draining";
    if (this.#inside > 0) {
      const empty = new Promise<void>((resolve) => (this.#empty = resolve));
      await Promise.race([empty, deadline]);
      this.#empty = undefined;
    }
    this.#phase = "shut";
    return this.#inside;
  }

  /** Admits all that waits. */
  open(): void {
    this.#phase = "open";
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#inside += waiting.length;
    for (const admit of waiting) admit();
  }
}
