/** Requests counted in one isolate and not yet told to the rollout object. */
import type { CountsByLane, RolloutPhase } from "./contract.ts";
import { addCounts, oneRequest, type Counted } from "./counts.ts";

/** Counts of one phase of one rollout. */
export interface PhaseCounts {
  readonly rolloutId: string;
  readonly phase: RolloutPhase;
  readonly counts: CountsByLane;
}

/** Phases that are held at once; an older one is of no use to the object any more. */
export const MAX_HELD_PHASES = 4;

/** Sums by rollout and phase, oldest first. */
export class Tally {
  readonly #phases = new Map<string, PhaseCounts>();

  count({ rolloutId, phase }: Omit<PhaseCounts, "counts">, request: Counted): void {
    const key = `${rolloutId} ${phase}`;
    const counts = oneRequest(request);
    const held = this.#phases.get(key);
    this.#phases.set(key, {
      rolloutId,
      phase,
      counts: held === undefined ? counts : addCounts(held.counts, counts),
    });
    if (this.#phases.size > MAX_HELD_PHASES) this.take();
  }

  /** Removes and returns the oldest phase. */
  take(): PhaseCounts | null {
    for (const [key, counts] of this.#phases) {
      this.#phases.delete(key);
      return counts;
    }
    return null;
  }
}
