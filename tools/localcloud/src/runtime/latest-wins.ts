interface Pending<T> {
  value: T;
  readonly done: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Runs a task for one value at a time. Of the values that arrive meanwhile only the last
 * is run; who submitted an earlier one of them waits for that last one.
 */
export class LatestWins<T> {
  readonly #task: (value: T) => Promise<void>;
  #pending: Pending<T> | undefined;
  #loop: Promise<void> | undefined;

  constructor(task: (value: T) => Promise<void>) {
    this.#task = task;
  }

  /** Resolves when `value`, or a later one, has been run; rejects when that run failed. */
  submit(value: T): Promise<void> {
    if (this.#pending === undefined) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.#pending = { value, done: promise, resolve, reject };
    } else {
      this.#pending.value = value;
    }
    const { done } = this.#pending;
    this.#loop ??= this.#run();
    return done;
  }

  /** Resolves when nothing runs and nothing waits. */
  async idle(): Promise<void> {
    await this.#loop;
  }

  async #run(): Promise<void> {
    for (let next = this.#pending; next !== undefined; next = this.#pending) {
      // What was submitted in the same turn belongs to this run.
      await Promise.resolve();
      this.#pending = undefined;
      await this.#task(next.value).then(next.resolve, next.reject);
    }
    // At once, in the turn that found nothing: a value submitted next must start a new loop.
    this.#loop = undefined;
  }
}
