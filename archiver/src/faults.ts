/** Lists what is wrong with an input, with a JSON Pointer (RFC 6901) to each place. */
import type { Fault } from "./contract.ts";

/** Faults that an answer lists; it always says how many there are. */
export const MAX_FAULTS = 100;

/** Counts every fault and keeps the first `MAX_FAULTS`. */
export class FaultList {
  readonly #kept: Fault[] = [];
  #count = 0;

  add(path: string, message: string): void {
    this.#count += 1;
    if (this.#kept.length < MAX_FAULTS) this.#kept.push({ path, message });
  }

  get count(): number {
    return this.#count;
  }

  get kept(): readonly Fault[] {
    return this.#kept;
  }
}

/** The pointer to a member of the value at `path`. */
export function pointer(path: string, member: string | number): string {
  return `${path}/${String(member).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}
