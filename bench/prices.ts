/** Published prices of the Workers Paid plan, and what the Free plan includes a day. US dollars. */

/** Where the prices are from, and when they were entered. */
export const PRICES_READ =
  "copies of Cloudflare's pricing pages of 2026 (workers, queues, d1, r2), not held against the live pages; 2026-11-22";

/** What is counted, and billed by the million. */
export const BILLED = [
  "requests",
  "cpuMs",
  "queueOperations",
  "d1RowsRead",
  "d1RowsWritten",
  "r2ClassA",
  "r2ClassB",
] as const;
export type Billed = (typeof BILLED)[number];

interface Price {
  readonly title: string;
  readonly dollarsPerMillion: number;
  /** What the Free plan includes a day; `null` where it is not counted by the day. */
  readonly freePerDay: number | null;
}

const DAYS_OF_MONTH = 30;

export const PRICES: Readonly<Record<Billed, Price>> = {
  requests: { title: "Workers requests", dollarsPerMillion: 0.3, freePerDay: 100_000 },
  // The Free plan has 10 ms an invocation, and no sum.
  cpuMs: { title: "Workers CPU ms", dollarsPerMillion: 0.02, freePerDay: null },
  queueOperations: { title: "Queues operations", dollarsPerMillion: 0.4, freePerDay: 10_000 },
  d1RowsRead: { title: "D1 rows read", dollarsPerMillion: 0.001, freePerDay: 5_000_000 },
  d1RowsWritten: { title: "D1 rows written", dollarsPerMillion: 1, freePerDay: 100_000 },
  // R2 includes these a month, for every account.
  r2ClassA: { title: "R2 class A", dollarsPerMillion: 4.5, freePerDay: 1_000_000 / DAYS_OF_MONTH },
  r2ClassB: { title: "R2 class B", dollarsPerMillion: 0.36, freePerDay: 10_000_000 / DAYS_OF_MONTH },
};

/** R2 storage, by the GB (10⁹ bytes) and month. */
export const STORAGE_DOLLARS_PER_GB_MONTH = 0.015;
