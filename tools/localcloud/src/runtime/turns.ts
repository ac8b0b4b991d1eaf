/** Runs tasks one after the other, in the order in which they were asked for. */
export class Turns {
  #tail: Promise<unknown> = Promise.resolve();

  /** Resolves or rejects as `task` does; a task that fails does not keep the next one. */
  take<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(task, task);
    this.#tail = turn.catch(() => undefined);
    return turn;
  }
}
