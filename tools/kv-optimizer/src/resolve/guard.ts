/**
 * Remembers answers. A question that is asked while it is being answered gets what is known of it so
 * far, and is then asked again until the answer no longer grows: the least fixed point, as in
 * Tarjan's search for strongly connected components (1972), whose heads alone are asked again.
 */

/** Of one search: ten times what the longest of real programs took. */
const MAX_STEPS = 100_000;
/** Of a whole scan. Behind it, each search has the steps that all but the longest need. */
const MAX_TOTAL = 6_000_000;
const MIN_STEPS = 1_000;
const MAX_DEPTH = 600;
/** Answers grow by what one more round of callers adds; more rounds were never seen to matter. */
const MAX_ROUNDS = 4;

/** Too much was asked for one answer. */
export class Exhausted extends Error {
  override readonly name = "Exhausted";
}

/** Steps of all searches of a scan. */
export interface Spent {
  steps: number;
}

interface Open {
  readonly depth: number;
  /** What the last round found. */
  sofar: unknown;
  asked: boolean;
}

function sizeOf(answer: unknown): number {
  return Array.isArray(answer) ? answer.length : answer === null || answer === false ? 0 : 1;
}

export class Guard {
  readonly #answers = new Map<object, unknown>();
  /** Questions whose answers hold until the head of their cycle is asked again, in the order of their answers. */
  readonly #tentative: object[] = [];
  readonly #open = new Map<object, Open>();
  /** The shallowest open question that the present one was found to depend on. */
  #lowest = Infinity;
  #steps = 0;
  #limit = MAX_STEPS;
  #depth = 0;
  readonly #spent: Spent;
  readonly #parts = new WeakMap<object, Map<string, object>>();

  /** @param spent what all searches of the scan have used together */
  constructor(spent: Spent) {
    this.#spent = spent;
  }

  /**
   * Counts one step of a search.
   * @throws {Exhausted} after too many
   */
  step(): void {
    this.#steps += 1;
    this.#spent.steps += 1;
    if (this.#steps > this.#limit) throw new Exhausted("too much to follow");
  }

  /**
   * Runs a search one level deeper, for what remembers no answers.
   * @throws {Exhausted} too deep, before the stack overflows
   */
  deeper<T>(search: () => T): T {
    this.step();
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw new Exhausted("too deep to follow");
    const found = search();
    this.#depth -= 1;
    return found;
  }

  /** Begins to count again. What is open was left by an exhausted search. */
  reset(): void {
    this.#steps = 0;
    this.#depth = 0;
    this.#limit = this.#spent.steps > MAX_TOTAL ? MIN_STEPS : MAX_STEPS;
    this.#lowest = Infinity;
    if (this.#open.size === 0) return;
    this.#open.clear();
    for (const question of this.#tentative) this.#answers.delete(question);
    this.#tentative.length = 0;
  }

  /** Forgets all answers. */
  clear(): void {
    this.#answers.clear();
    this.#tentative.length = 0;
    this.reset();
  }

  /**
   * The answer to `question`.
   * @throws {Exhausted} after too many steps, or too deep
   */
  answer<T>(question: object, empty: T, compute: () => T): T {
    const known = this.#answers.get(question);
    // What is kept under a question is of one type, since each kind of question has objects of its own.
    if (known !== undefined) return known as T;
    const open = this.#open.get(question);
    if (open !== undefined) {
      this.#lowest = Math.min(this.#lowest, open.depth);
      open.asked = true;
      return (open.sofar ?? empty) as T;
    }
    const mine: Open = { depth: this.#open.size, sofar: undefined, asked: false };
    if (mine.depth > MAX_DEPTH) throw new Exhausted("too deep to follow");
    this.#open.set(question, mine);
    const outside = this.#lowest;
    const first = this.#tentative.length;
    for (let round = 1; ; round += 1) {
      this.step();
      this.#lowest = Infinity;
      mine.asked = false;
      const found = compute();
      const isInner = this.#lowest < mine.depth;
      const grew = mine.asked && sizeOf(found) !== sizeOf(mine.sofar ?? empty);
      if (!isInner && grew && round < MAX_ROUNDS) {
        mine.sofar = found;
        for (const inner of this.#tentative.splice(first)) this.#answers.delete(inner);
        continue;
      }
      this.#open.delete(question);
      this.#answers.set(question, found);
      if (isInner) this.#tentative.push(question);
      else this.#tentative.length = first;
      this.#lowest = Math.min(outside, isInner ? this.#lowest : Infinity);
      return found;
    }
  }

  /** A question about a part of `owner`, by name: the same object each time. */
  part(owner: object, name: string): object {
    let parts = this.#parts.get(owner);
    if (parts === undefined) this.#parts.set(owner, (parts = new Map<string, object>()));
    let found = parts.get(name);
    if (found === undefined) parts.set(name, (found = {}));
    return found;
  }
}
