/** Seeded stories of processes that are killed, stall, fail or meet each other. */
import { type Gate, Killed } from "./faults.ts";

/** A whole number from 0 to below `below`. */
export type Random = (below: number) => number;

/** mulberry32: a small generator that is the same everywhere. */
export function randomFrom(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (((mixed ^ (mixed >>> 14)) >>> 0) % below) | 0;
  };
}

export function pick<T>(random: Random, [first, ...others]: readonly [T, ...T[]]): T {
  return others[random(others.length + 1)] ?? first;
}

/** What goes wrong at one operation. */
export type Trouble =
  /** The process dies before or after it. */
  | { readonly kind: "killed"; readonly performed: boolean }
  /** It answers an error; it may have taken effect all the same. */
  | { readonly kind: "failed"; readonly performed: boolean }
  /** The process dies, and the operation arrives when others have gone on. */
  | { readonly kind: "late" }
  /** The process stalls until others have gone on, and then wakes. */
  | { readonly kind: "stalled" };

export const TROUBLES: readonly [Trouble, ...Trouble[]] = [
  { kind: "killed", performed: false },
  { kind: "killed", performed: true },
  { kind: "failed", performed: false },
  { kind: "failed", performed: true },
  { kind: "late" },
  { kind: "stalled" },
  { kind: "stalled" },
];

/**
 * A gate that makes trouble at the first operation that `isAt` chooses.
 * @param isAt is asked with each operation's number, from 0
 * @param meanwhile what others do while the process stalls
 * @param fired gets what went wrong and where
 * @returns the gate, and what lets late operations arrive
 */
export function troubledGate(
  isAt: (index: number, operation: string) => boolean,
  trouble: Trouble,
  meanwhile: () => Promise<void>,
  fired: Set<string>,
): { readonly gate: Gate; readonly arrive: () => Promise<void> } {
  let operations = 0;
  let happened = false;
  let dead = false;
  const late: (() => Promise<unknown>)[] = [];
  const gate: Gate = async (operation, perform) => {
    if (dead) throw new Killed(operation);
    const index = operations;
    operations += 1;
    if (happened || !isAt(index, operation)) return perform();
    happened = true;
    fired.add(`${trouble.kind} at ${operation}`);
    switch (trouble.kind) {
      case "killed":
      case "failed":
        dead = trouble.kind === "killed";
        if (trouble.performed) await perform();
        throw new Killed(operation);
      case "late":
        dead = true;
        late.push(perform);
        throw new Killed(operation);
      case "stalled":
        await meanwhile();
        return perform();
    }
  };
  const arrive = async (): Promise<void> => {
    for (const perform of late.splice(0)) await perform().catch(() => undefined);
  };
  return { gate, arrive };
}
