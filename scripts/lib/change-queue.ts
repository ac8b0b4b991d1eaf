/** Runs work for what has changed: one run at a time, changes that come close together as one. */

export interface ChangeQueueOptions<T> {
  /** Quiet time after the last change before a run begins, in milliseconds. */
  readonly quietMs: number;
  /** Handles one set of changes; its errors are its own to tell. */
  readonly run: (changes: ReadonlySet<T>) => Promise<void>;
  /** Calls back after `ms` milliseconds; the result cancels it. Default: the machine's timer. */
  readonly later?: (callback: () => void, ms: number) => () => void;
}

function timer(callback: () => void, ms: number): () => void {
  const handle = setTimeout(callback, ms);
  return () => clearTimeout(handle);
}

export class ChangeQueue<T> {
  readonly #options: ChangeQueueOptions<T>;
  readonly #later: (callback: () => void, ms: number) => () => void;
  #waiting = new Set<T>();
  #cancel: (() => void) | null = null;
  #running: Promise<void> | null = null;
  #closed = false;

  constructor(options: ChangeQueueOptions<T>) {
    this.#options = options;
    this.#later = options.later ?? timer;
  }

  add(change: T): void {
    if (this.#closed) return;
    this.#waiting.add(change);
    this.#cancel?.();
    this.#cancel = this.#later(() => this.#start(), this.#options.quietMs);
  }

  /** Drops what waits, and resolves when the present run is over. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel?.();
    this.#waiting.clear();
    await this.#running;
  }

  #start(): void {
    // A run that is under way starts the next one when it ends.
    if (this.#running !== null || this.#waiting.size === 0) return;
    const changes = this.#waiting;
    this.#waiting = new Set();
    this.#running = this.#options.run(changes).finally(() => {
      this.#running = null;
      if (!this.#closed) this.#start();
    });
  }
}
