/**
 * Chooses the files that make up the archive: every row once. Files that a
 * compaction or an erasure has replaced hold rows that others hold, too; so do
 * files of runs that died before their commit. Rows of one id are the same only
 * where what the files say of them agrees (`same.ts`); other files are independent.
 */
import { countOf, intersectRows, type RowSet, unionRows } from "../cold/index.ts";
import { byPreference, chooseOf, type Coverer } from "./cover.ts";
import { areAllOf, type Holding, holdingOf, type HotRow, isHeldBy, maySomeOf, shareRows } from "./same.ts";

/** A file of the bucket. Its rows are the hot rows whose records it holds; a row has one table and one fingerprint. */
export interface Candidate extends Coverer, Holding {
  readonly table: string;
  readonly fingerprint: string;
  /** Readers use it now. */
  readonly live: boolean;
}

export interface Conflict {
  readonly path: string;
  /** Rows that no chosen file holds and that are not hot. */
  readonly onlyHere: number;
}

/** What becomes of each candidate. */
export interface Choice<C extends Candidate = Candidate> {
  /** No two of them hold the same row, and none holds a hot one; whoever is live stays so. */
  readonly chosen: readonly C[];
  /** Every record of theirs is in a chosen file or hot. */
  readonly superseded: readonly C[];
  /** They hold rows of others, and others that are nowhere else. */
  readonly conflicts: readonly (Conflict & { readonly candidate: C })[];
}

/** Chooses among files; the order of the candidates does not matter. */
export function chooseFiles<C extends Candidate>(
  candidates: readonly C[],
  hot: readonly HotRow[],
): Choice<C> {
  const hotOf = Map.groupBy(hot, groupOf);
  const chosen: C[] = [];
  const superseded: C[] = [];
  const conflicts: (Conflict & { readonly candidate: C })[] = [];
  for (const [group, members] of Map.groupBy(candidates, groupOf)) {
    const choice = chooseInGroup(members, hotOf.get(group) ?? []);
    chosen.push(...choice.chosen);
    superseded.push(...choice.superseded);
    conflicts.push(...choice.conflicts);
  }
  return { chosen, superseded, conflicts };
}

const groupOf = ({ table, fingerprint }: Pick<Candidate, "table" | "fingerprint">): string =>
  `${table}\n${fingerprint}`;

function chooseInGroup<C extends Candidate>(members: readonly C[], hot: readonly HotRow[]): Choice<C> {
  const { stillHot, partlyHot } = compareWithHot(members, hot);
  const cold = members.filter((file) => !stillHot.has(file)).toSorted(byPreference);
  const neighbours = neighboursOf(cold);
  const taken = new Set<C>();
  const take = (files: readonly C[]): void => {
    for (const cluster of clustersOf(files, neighbours)) {
      for (const file of chooseOf(cluster)) taken.add(file);
    }
  };
  const near = (file: C): readonly C[] => [...(neighbours.get(file) ?? [])].filter((one) => taken.has(one));
  const holdersOf = (file: C): readonly Holding[] => {
    const part = partlyHot.get(file);
    return part === undefined ? near(file) : [...near(file), part];
  };

  take(cold.filter((file) => file.live && !file.damaged && !partlyHot.has(file)));
  take(cold.filter((file) => !partlyHot.has(file) && !taken.has(file) && near(file).length === 0));

  const isIndependent = (file: C): boolean => {
    const holders = holdersOf(file);
    return holders.length === 0 || (onlyIn(file, holders) === 0 && !isHeldBy(file, holders));
  };
  for (let before = -1; before !== taken.size;) {
    before = taken.size;
    for (const file of cold) if (!taken.has(file) && isIndependent(file)) taken.add(file);
  }

  const superseded: C[] = [...stillHot];
  const conflicts: (Conflict & { readonly candidate: C })[] = [];
  for (const candidate of cold) {
    if (taken.has(candidate)) continue;
    const onlyHere = onlyIn(candidate, holdersOf(candidate));
    if (onlyHere === 0) superseded.push(candidate);
    else conflicts.push({ candidate, path: candidate.path, onlyHere });
  }
  return { chosen: [...taken], superseded, conflicts };
}

/** How many of a file's rows none of the others holds. */
const onlyIn = (file: Holding, others: readonly Holding[]): number =>
  countOf(file.rows) - countOf(intersectRows(file.rows, unionRows(...others.map(({ rows }) => rows))));

/** Files whose records are all hot, and what is hot of those that cannot be read beside it. */
function compareWithHot<C extends Candidate>(
  files: readonly C[],
  hot: readonly HotRow[],
): { readonly stillHot: ReadonlySet<C>; readonly partlyHot: ReadonlyMap<C, Holding> } {
  const stillHot = new Set<C>();
  const partlyHot = new Map<C, Holding>();
  const hotRows = unionRows(hot.map(({ id }) => [id, id]));
  for (const file of files) {
    const rows = intersectRows(file.rows, hotRows);
    if (rows.length === 0) continue;
    const part = holdingOf(
      hot.filter(({ id }) => hasRow(rows, id)),
      rows,
    );
    if (part === null) continue;
    if (areAllOf(part, file)) stillHot.add(file);
    else if (!file.live && countOf(rows) < countOf(file.rows) && maySomeOf(part, file)) {
      partlyHot.set(file, part);
    }
  }
  return { stillHot, partlyHot };
}

const hasRow = (rows: RowSet, id: number): boolean => rows.some(([first, last]) => first <= id && id <= last);

type Neighbours<C> = ReadonlyMap<C, ReadonlySet<C>>;

/** For each file those that hold records of the same rows. */
function neighboursOf<C extends Candidate>(files: readonly C[]): Neighbours<C> {
  const neighbours = new Map(files.map((file) => [file, new Set<C>()]));
  for (const [a, b] of overlaps(files)) {
    if (!shareRows(a, b)) continue;
    neighbours.get(a)?.add(b);
    neighbours.get(b)?.add(a);
  }
  return neighbours;
}

/** Every two items that have an id of a row in common, once. */
export function* overlaps<T extends { readonly rows: RowSet }>(
  items: readonly T[],
): Generator<readonly [T, T]> {
  const ranges = items
    .flatMap((item) => item.rows.map(([first, last]) => ({ first, last, item })))
    .sort((a, b) => a.first - b.first);
  const seen = new Map<T, Set<T>>(items.map((item) => [item, new Set()]));
  let open: typeof ranges = [];
  for (const range of ranges) {
    open = open.filter(({ last }) => last >= range.first);
    for (const { item } of open) {
      if (seen.get(item)?.has(range.item) || seen.get(range.item)?.has(item)) continue;
      seen.get(item)?.add(range.item);
      yield [item, range.item];
    }
    open.push(range);
  }
}

/** Files that are neighbours, directly or through others of them, in the order in which they come. */
function clustersOf<C extends Candidate>(
  files: readonly C[],
  neighbours: Neighbours<C>,
): readonly (readonly C[])[] {
  const left = new Set(files);
  const clusters: C[][] = [];
  for (const file of files) {
    if (!left.delete(file)) continue;
    const cluster = [file];
    // The list grows while it is gone through.
    for (const member of cluster) {
      for (const one of neighbours.get(member) ?? []) if (left.delete(one)) cluster.push(one);
    }
    clusters.push(cluster);
  }
  return clusters;
}
