/** Files that hold every row exactly once, out of files that hold rows of each other. */
import { countOf, intersectRows, type RowSet, unionRows } from "../cold/index.ts";

/** A file that may be chosen. */
export interface Coverer {
  readonly path: string;
  readonly rows: RowSet;
  readonly generation: number;
  /** ms UTC. */
  readonly uploadedAt: number;
  /** It can be read no longer as it was written: taken only where no other holds its rows. */
  readonly damaged: boolean;
}

/** Sets that a search for one cluster tries; what compactions and erasures leave needs one try a file. */
const MAX_TRIES = 50_000;

/** The newest first; ties by path, so that the answer does not depend on the order. */
export const byPreference = (a: Coverer, b: Coverer): number =>
  Number(a.damaged) - Number(b.damaged) ||
  b.generation - a.generation ||
  b.uploadedAt - a.uploadedAt ||
  (a.path < b.path ? -1 : 1);

/** Chooses among files that hold rows of each other: no two of those chosen hold the same row. */
export function chooseOf<C extends Coverer>(cluster: readonly C[]): readonly C[] {
  if (cluster.length === 1) return cluster;
  const files = cluster.toSorted(byPreference);
  return exactCover(files) ?? largestFirst(files);
}

/** Where no set of files holds every row once: those with the most rows. */
function largestFirst<C extends Coverer>(files: readonly C[]): readonly C[] {
  const taken: C[] = [];
  let covered: RowSet = [];
  const inOrder = files.toSorted(
    (a, b) =>
      Number(a.damaged) - Number(b.damaged) || countOf(b.rows) - countOf(a.rows) || byPreference(a, b),
  );
  for (const file of inOrder) {
    if (intersectRows(file.rows, covered).length > 0) continue;
    taken.push(file);
    covered = unionRows(covered, file.rows);
  }
  return taken;
}

/**
 * Files that hold every row of the cluster exactly once, the preferred ones
 * where there is a choice (exact cover, Knuth's Algorithm X: always the piece
 * that the fewest files hold). `null` when there are none, or the search is too long.
 */
function exactCover<C extends Coverer>(files: readonly C[]): readonly C[] | null {
  const holders = piecesOf(files);
  const piecesHeld = files.map((): number[] => []);
  for (const [piece, indexes] of holders.entries()) {
    for (const index of indexes) piecesHeld[index]?.push(piece);
  }
  const isCovered = holders.map(() => false);
  /** Pieces of each file that are covered: above 0, it can no longer be taken. */
  const blocked = files.map(() => 0);
  const taken: number[] = [];
  let tries = 0;

  const mark = (index: number, covered: boolean): void => {
    for (const piece of piecesHeld[index] ?? []) {
      isCovered[piece] = covered;
      for (const holder of holders[piece] ?? []) {
        blocked[holder] = (blocked[holder] ?? 0) + (covered ? 1 : -1);
      }
    }
  };
  const hardest = (): readonly number[] | null => {
    let best: readonly number[] | null = null;
    for (const [piece, indexes] of holders.entries()) {
      if (isCovered[piece]) continue;
      const able = indexes.filter((index) => blocked[index] === 0);
      if (best === null || able.length < best.length) best = able;
      if (best.length <= 1) break;
    }
    return best;
  };
  const search = (): boolean => {
    const able = hardest();
    if (able === null) return true;
    for (const index of able) {
      tries += 1;
      if (tries > MAX_TRIES) return false;
      taken.push(index);
      mark(index, true);
      if (search()) return true;
      mark(index, false);
      taken.pop();
    }
    return false;
  };
  return search() ? taken.flatMap((index) => files[index] ?? []) : null;
}

/** Rows that the same files hold are one piece. @returns for each piece the files that hold it, preferred ones first */
function piecesOf(files: readonly Coverer[]): readonly (readonly number[])[] {
  const edges = files
    .flatMap(({ rows }, index) =>
      rows.flatMap(([first, last]) => [
        { at: first, index, opens: true },
        { at: last + 1, index, opens: false },
      ]),
    )
    .sort((a, b) => a.at - b.at);
  const pieces = new Map<string, readonly number[]>();
  const open = new Set<number>();
  for (const [position, { at, index, opens }] of edges.entries()) {
    if (opens) open.add(index);
    else open.delete(index);
    if (open.size === 0 || edges[position + 1]?.at === at) continue;
    const holders = [...open].sort((a, b) => a - b);
    pieces.set(holders.join(), holders);
  }
  return [...pieces.values()];
}
