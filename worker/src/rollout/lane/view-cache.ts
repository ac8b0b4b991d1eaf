/**
 * The rollout as one isolate last knew it. Values only are shared between
 * requests, never promises: workerd ties a promise to the request that made it.
 */
import { within, type Clock } from "../../http/index.ts";
import { CLOSED_VIEW, type RolloutView } from "../view.ts";

/**
 * Up to this age a view is used as it is. Ages count from the question, so this
 * and the next bound make a change take effect within two seconds.
 */
export const FRESH_MS = 1_000;
/** Up to this age it is used while another request of the isolate is asking. */
export const STALE_WHILE_ASKING_MS = 1_500;
/** Up to this age it is used while the object cannot be reached; after that: stable only. */
export const LAST_KNOWN_MS = 10_000;
/** Longest wait for the object. */
export const ASK_TIMEOUT_MS = 1_000;
/** Pause after a failed ask; then one request of the isolate asks, and no other waits with it. */
export const RETRY_AFTER_MS = 250;

interface Held {
  readonly view: RolloutView;
  /** When the question was put: the answer is at least as new. */
  readonly askedAt: number;
}

/** Answers which rollout is active, from memory where it may. */
export class ViewCache {
  readonly #clock: Clock;
  #held: Held | null = null;
  #askingUntil = 0;
  #failing = false;
  #retryAt = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The rollout to act on; `ask` is called when memory is too old. Never throws. */
  async current(ask: () => Promise<RolloutView>): Promise<RolloutView> {
    const now = this.#clock.now();
    if (this.#heldFor(now, FRESH_MS)) return this.#known(now);
    if (now < this.#retryAt) return this.#known(now);
    const isAsking = now < this.#askingUntil;
    if (isAsking && (this.#failing || this.#heldFor(now, STALE_WHILE_ASKING_MS))) return this.#known(now);
    return await this.#refresh(now, ask);
  }

  /** Takes over what the object said to a question put at `askedAt`; an older answer is dropped. */
  learn(view: RolloutView, askedAt: number): void {
    if (this.#held !== null && askedAt < this.#held.askedAt) return;
    this.#held = { view, askedAt };
    this.#failing = false;
    this.#retryAt = 0;
  }

  async #refresh(askedAt: number, ask: () => Promise<RolloutView>): Promise<RolloutView> {
    this.#askingUntil = askedAt + ASK_TIMEOUT_MS;
    try {
      this.learn(await within(ASK_TIMEOUT_MS, ask()), askedAt);
    } catch {
      this.#failing = true;
      this.#retryAt = this.#clock.now() + RETRY_AFTER_MS;
    } finally {
      this.#askingUntil = 0;
    }
    return this.#known(this.#clock.now());
  }

  #heldFor(now: number, ms: number): boolean {
    return this.#held !== null && now - this.#held.askedAt <= ms;
  }

  #known(now: number): RolloutView {
    return this.#held !== null && this.#heldFor(now, LAST_KNOWN_MS) ? this.#held.view : CLOSED_VIEW;
  }
}
