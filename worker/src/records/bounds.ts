/** Bounds of a set of records, whatever form they come in. */

export const MAX_RECORDS_PER_REQUEST = 10_000;

/** Levels of arrays and objects in a record. A few thousand are more than an RPC call carries. */
export const MAX_RECORD_DEPTH = 64;

export const NO_RECORDS = "must hold at least one record";
export const TOO_MANY = `must hold at most ${MAX_RECORDS_PER_REQUEST} records`;
export const TOO_DEEP = `must nest at most ${MAX_RECORD_DEPTH} levels deep`;

/** Whether a value nests at most so many levels; it looks no deeper than that. */
export function nestsWithin(levels: number, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((member) => nestsWithin(levels - 1, member));
}
