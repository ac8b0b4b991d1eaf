/** The closest of several words, for "did you mean". */

/** Insertions, deletions and replacements from one text to the other (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (const [index, letter] of [...a].entries()) {
    const next = [index + 1];
    for (let column = 1; column <= b.length; column += 1) {
      const replaced = (row[column - 1] ?? 0) + Number(letter !== b[column - 1]);
      next.push(Math.min(replaced, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/**
 * The candidate of the least distance, the first of equals; `null` when there is none.
 * @param within the most letters that it may be off
 */
export function nearest(word: string, candidates: readonly string[], within = Infinity): string | null {
  let best: { readonly candidate: string; readonly distance: number } | null = null;
  for (const candidate of candidates) {
    const found = distance(word, candidate);
    if (best === null || found < best.distance) best = { candidate, distance: found };
  }
  return best === null || best.distance > within ? null : best.candidate;
}
