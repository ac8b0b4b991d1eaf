/**
 * Whether files hold the same records where they name the same rows. A database
 * that was lost or restored may have given ids of rows again, so that ids alone
 * do not tell: tables, periods, datasets, counts and times have to agree as well.
 */
import { countOf, intersectRows, type RowSet } from "../cold/index.ts";

/** What a file, or some hot rows, have of one dataset. */
export interface Share {
  readonly records: number;
  /** ms UTC. */
  readonly minTime: number;
  readonly maxTime: number;
}

/** By dataset. */
export type Shares = ReadonlyMap<string, Share>;

/** Records that came from hot rows. Table and fingerprint of those that are compared are one. */
export interface Holding {
  readonly period: string;
  readonly rows: RowSet;
  readonly generation: number;
  /** Empty where nobody knows. */
  readonly shares: Shares;
}

/** A row of `buffer_logs`. */
export interface HotRow extends Share {
  readonly id: number;
  readonly table: string;
  readonly fingerprint: string;
  readonly period: string;
  readonly datasetId: string;
}

/** Sums up shares of one dataset. */
export const joinShares = (a: Share | undefined, b: Share): Share =>
  a === undefined
    ? b
    : {
        records: a.records + b.records,
        minTime: Math.min(a.minTime, b.minTime),
        maxTime: Math.max(a.maxTime, b.maxTime),
      };

/** Rows hold what they hold by dataset; `null` where they are of several periods. */
export function holdingOf(hot: readonly HotRow[], rows: RowSet): Holding | null {
  const [first] = hot;
  if (first === undefined || hot.some(({ period }) => period !== first.period)) return null;
  const shares = new Map<string, Share>();
  for (const { datasetId, records, minTime, maxTime } of hot) {
    shares.set(datasetId, joinShares(shares.get(datasetId), { records, minTime, maxTime }));
  }
  return { period: first.period, rows, generation: 0, shares };
}

/** Whether a period is a UTC day of a month, as compaction names them. */
const isDayOf = (period: string, month: string): boolean =>
  /^\d{4}_\d{2}_\d{2}$/.test(period) && period.slice(0, 7) === month;

const periodsAgree = (a: string, b: string): boolean => a === b || isDayOf(a, b) || isDayOf(b, a);

const contains = (outer: Share, inner: Share): boolean =>
  outer.records >= inner.records && outer.minTime <= inner.minTime && outer.maxTime >= inner.maxTime;

/** Whether hot rows are a file's, each of them and with every record. */
export function areAllOf(hot: Holding, file: Holding): boolean {
  return (
    hot.period === file.period &&
    hot.shares.size === file.shares.size &&
    countOf(hot.rows) === countOf(file.rows) &&
    [...file.shares].every(([datasetId, share]) => {
      const found = hot.shares.get(datasetId);
      return found !== undefined && contains(found, share) && contains(share, found);
    })
  );
}

/** Whether hot rows can be some of a file's. */
export function maySomeOf(hot: Holding, file: Holding): boolean {
  return (
    hot.period === file.period &&
    [...hot.shares].every(([datasetId, share]) => {
      const found = file.shares.get(datasetId);
      return found !== undefined && contains(found, share);
    })
  );
}

/**
 * Whether the records of a file, whose rows are all among those of the holders,
 * are in them: of each dataset at least as many, unless a later holder has none
 * of it because it was erased. Where none of its datasets is in them, they are others.
 */
export function isHeldBy(file: Holding, holders: readonly Holding[]): boolean {
  if (!holders.every(({ period }) => periodsAgree(file.period, period))) return false;
  let isAnyHeld = file.shares.size === 0;
  for (const [datasetId, share] of file.shares) {
    const held = holders.reduce<Share | undefined>((sum, { shares }) => {
      const more = shares.get(datasetId);
      return more === undefined ? sum : joinShares(sum, more);
    }, undefined);
    if (held !== undefined && contains(held, share)) {
      isAnyHeld = true;
    } else if (!holders.some((one) => one.generation > file.generation && !one.shares.has(datasetId))) {
      return false;
    }
  }
  return isAnyHeld;
}

/** Whether two files hold records of the same rows, so that only one of them may be read. */
export function shareRows(a: Holding, b: Holding): boolean {
  const common = countOf(intersectRows(a.rows, b.rows));
  if (common === 0 || !periodsAgree(a.period, b.period)) return false;
  const isInB = common === countOf(a.rows);
  const isInA = common === countOf(b.rows);
  if (isInA || isInB) return (isInB && isHeldBy(a, [b])) || (isInA && isHeldBy(b, [a]));
  if (a.shares.size === 0 || b.shares.size === 0) return true;
  return [...a.shares].some(([datasetId, { minTime, maxTime }]) => {
    const other = b.shares.get(datasetId);
    return other !== undefined && other.minTime <= maxTime && minTime <= other.maxTime;
  });
}
