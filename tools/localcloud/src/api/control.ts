import { randomBytes, randomUUID } from "node:crypto";
import type { Runtime } from "../runtime/contract.ts";
import type { Store } from "../state/store.ts";

/** A call that no route answered. */
export interface UnknownCall {
  readonly method: string;
  readonly path: string;
  /** Milliseconds UTC. */
  readonly at: number;
}

/** What every handler needs. */
export interface Control {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly changes: Changes;
  readonly accountId: string;
  readonly apiToken: string;
  /** Loopback address on which scripts answer. */
  readonly host: string;
  readonly log: (line: string) => void;
  /** Milliseconds UTC. */
  readonly now: () => number;
  /** A loopback port that nobody listens on and no script owns. */
  readonly freePort: () => Promise<number>;
  /** Stops the whole local cloud, after the answer to the current request. */
  readonly requestStop: () => void;
  readonly unknownCalls: UnknownCall[];
}

/**
 * Writes to the state, one at a time. A write that changes what runs is stored
 * only when the data plane has taken it: otherwise both are as they were.
 */
export class Changes {
  readonly #store: Store;
  readonly #runtime: Runtime;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(store: Store, runtime: Runtime) {
    this.#store = store;
    this.#runtime = runtime;
  }

  /** Stores what `write` writes; the data plane need not know. */
  store<T>(write: () => T | Promise<T>): Promise<T> {
    return this.#inTurn(() => this.#transaction(write));
  }

  /**
   * Stores what `write` writes and makes the data plane follow it.
   * @param changesWhatRuns whether the data plane must know of what was written.
   * @throws what `write` or the data plane throws; nothing is stored then.
   */
  deploy<T>(write: () => T | Promise<T>, changesWhatRuns: (written: T) => boolean = () => true): Promise<T> {
    return this.#inTurn(async () => {
      let applying = false;
      try {
        return await this.#transaction(async () => {
          const result = await write();
          if (!changesWhatRuns(result)) {
            return result;
          }
          applying = true;
          await this.#runtime.apply(this.#store.dataPlaneState());
          return result;
        });
      } catch (error) {
        if (applying) {
          await this.#runtime.apply(this.#store.dataPlaneState());
        }
        throw error;
      }
    });
  }

  /** Resolves when every write asked for so far is done. */
  async settled(): Promise<void> {
    await this.#tail;
  }

  async #transaction<T>(write: () => T | Promise<T>): Promise<T> {
    this.#store.begin();
    try {
      const result = await write();
      this.#store.commit();
      return result;
    } catch (error) {
      this.#store.rollback();
      throw error;
    }
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(task, task);
    this.#tail = turn.catch(() => undefined);
    return turn;
  }
}

/** A new id of 32 hex digits. */
export function newHexId(): string {
  return randomBytes(16).toString("hex");
}

/** A new UUID. */
export function newUuid(): string {
  return randomUUID();
}
