import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Lane, RolloutPhase, TrafficClass } from "./contract.ts";
import { addCounts, NO_COUNTS, oneRequest } from "./counts.ts";
import { MAX_HELD_PHASES, Tally } from "./tally.ts";

const request = fc.record({
  lane: fc.constantFrom<Lane>("stable", "canary"),
  traffic: fc.constantFrom<TrafficClass>("read", "write"),
  failed: fc.boolean(),
  again: fc.boolean(),
});
const phase = fc.record({ rolloutId: fc.constantFrom("a", "b"), phase: fc.constantFrom<RolloutPhase>(1, 2) });

describe("Tally", () => {
  it("gives back each request once, under its rollout and phase", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(phase, request)), (requests) => {
        const tally = new Tally();
        const phases = new Set(requests.map(([of]) => `${of.rolloutId} ${of.phase}`));
        let given = 0;
        for (const [of, what] of requests) tally.count(of, what);
        for (let taken = tally.take(); taken !== null; taken = tally.take()) {
          const { rolloutId, phase: number, counts } = taken;
          const expected = requests
            .filter(([of]) => of.rolloutId === rolloutId && of.phase === number)
            .map(([, what]) => oneRequest(what))
            .reduce(addCounts, NO_COUNTS);
          expect(counts).toEqual(expected);
          given += 1;
        }
        expect(given).toBe(phases.size);
      }),
    );
  });

  it("counts a broken body as an error of the request that was counted with its head", () => {
    const tally = new Tally();
    const read = { lane: "canary", traffic: "read" } as const;
    tally.count({ rolloutId: "a", phase: 1 }, { ...read, failed: false });
    tally.count({ rolloutId: "a", phase: 1 }, { ...read, failed: true, again: true });
    expect(tally.take()?.counts.canary.read).toEqual({ requests: 1, errors: 1 });
  });

  it("holds a bounded number of phases and drops the oldest", () => {
    const tally = new Tally();
    const rollouts = Array.from({ length: MAX_HELD_PHASES + 2 }, (_, index) => `rollout-${index}`);
    for (const rolloutId of rollouts) {
      tally.count({ rolloutId, phase: 1 }, { lane: "canary", traffic: "read", failed: false });
    }
    const held = rollouts.map(() => tally.take()?.rolloutId).filter((id) => id !== undefined);
    expect(held).toEqual(rollouts.slice(2));
  });
});
