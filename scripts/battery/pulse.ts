/** How long the stable lane takes at each moment: what all answers share is the machine's doing. */
import { setTimeout as pause } from "node:timers/promises";
import type { HubClient } from "../rehearsal/hub-client.ts";

/** Between two requests, in milliseconds. */
const BEAT_MS = 50;
/** Answers are kept so long, in milliseconds: no answer that is compared takes longer. */
const KEPT_MS = 60_000;

interface Beat {
  readonly began: number;
  /** `null` while it is waited for. */
  ended: number | null;
}

/** Asks the stable lane the same small thing over and over. */
export class Pulse {
  readonly #operator: HubClient;
  #beats: Beat[] = [];
  #running: Promise<void> = Promise.resolve();
  #stopped = true;

  /** @param operator a client that may choose the lane */
  constructor(operator: HubClient) {
    this.#operator = operator;
  }

  start(): void {
    this.#stopped = false;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** Milliseconds of the slowest answer that was waited for at any time since then, so far. */
  slowestSince(since: number): number {
    const now = Date.now();
    return this.#beats
      .filter(({ ended }) => ended === null || ended >= since)
      .reduce((slowest, { began, ended }) => Math.max(slowest, (ended ?? now) - began), 0);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const beat: Beat = { began: Date.now(), ended: null };
      this.#beats = [...this.#beats.filter(({ began }) => began > beat.began - KEPT_MS), beat];
      await this.#operator.request("GET", "/tables", "pulse", undefined, "stable");
      beat.ended = Date.now();
      await pause(BEAT_MS);
    }
  }
}
