/**
 * What the topology uses of a day's free allowance without any request of a user, and what
 * one request costs at most. Allowances: developers.cloudflare.com, pages on pricing and
 * limits of Workers, Durable Objects, D1, KV, R2 and Queues, read 2026-11-21.
 */
import type { Topology } from "../../infra/topology.ts";

export interface Quota {
  readonly name: string;
  /** Uses a day that happen by themselves: the crons, and nothing else. */
  readonly idlePerDay: number;
  /** Most uses for one `POST /buffer` of one message, with its way into a compacted archive. */
  readonly perWrite: number;
  /** Most uses for one page of `GET /read`. */
  readonly perRead: number;
  /** Free allowance a day. */
  readonly free: number;
}

const FREE = {
  requests: 100_000,
  durableObjectRequests: 100_000,
  d1RowsRead: 5_000_000,
  d1RowsWritten: 100_000,
  kvWrites: 1_000,
  // A month's million and ten million, as days of thirty.
  r2ClassA: Math.floor(1_000_000 / 30),
  r2ClassB: Math.floor(10_000_000 / 30),
  queueOperations: 10_000,
} as const;

interface Uses {
  readonly requests: number;
  readonly d1RowsRead: number;
  readonly d1RowsWritten: number;
  readonly r2ClassA: number;
  readonly r2ClassB: number;
  readonly queueOperations: number;
}

/**
 * Counted at the archiver's bindings by `npm run bench -- cost` (docs/benchmarks.md, "cost");
 * quota.test.ts holds these figures against that page.
 */
export const MEASURED = {
  /** A cron that finds nothing to do. */
  idleRun: { requests: 0, d1RowsRead: 54, d1RowsWritten: 9, r2ClassA: 1, r2ClassB: 0, queueOperations: 0 },
  /** One message, received with ninety-nine others, archived, compacted and cleared away; rounded up. */
  write: { requests: 2, d1RowsRead: 18, d1RowsWritten: 9, r2ClassA: 1, r2ClassB: 1, queueOperations: 3 },
  /** A page of a thousand records; rounded up. */
  read: { requests: 1, d1RowsRead: 70, d1RowsWritten: 0, r2ClassA: 0, r2ClassB: 1, queueOperations: 0 },
} as const satisfies Readonly<Record<string, Uses>>;

/** What is not in the bench: a message that is delivered alone is a batch, with an order of its own to read. */
const ALONE = { d1RowsRead: 2, d1RowsWritten: 1 } as const;

/** The rollout is asked for at most once a second by an isolate, so at most once a request. */
const VIEWS = 1;

/** An invocation, and a look at the background order, for each run. */
const RUN = { requests: 1, d1RowsRead: 1 } as const;

const MINUTES_AN_HOUR = 60;
const HOURS_A_DAY = 24;

// `*`, `7`, `1-5`, `1-30/2`, and from a value on in steps: `3/15`.
const PART = /^(?:\*|(\d+)(?:-(\d+))?)(?:\/(\d+))?$/;

function matchesPart(part: string, value: number, size: number): boolean {
  const match = PART.exec(part);
  if (match === null) return false;
  const [, from, to, step] = match;
  const first = Number(from ?? 0);
  const open = from === undefined || (to === undefined && step !== undefined);
  const last = open ? size - 1 : Number(to ?? from);
  return value >= first && value <= last && (value - first) % Number(step ?? 1) === 0;
}

/** How many of the values 0 to `size` − 1 a field names. */
function countOf(field: string, size: number): number {
  const parts = field.split(",");
  return Array.from({ length: size }, (_, value) => value).filter((value) =>
    parts.some((part) => matchesPart(part, value, size)),
  ).length;
}

/**
 * Runs of a standard five-field cron expression on a day on which it runs. Its last three
 * fields choose days, so they make no difference to the most that a day can have.
 */
export function runsPerDay(cron: string): number {
  const [minute = "", hour = ""] = cron.trim().split(/\s+/);
  return countOf(minute, MINUTES_AN_HOUR) * countOf(hour, HOURS_A_DAY);
}

/** Estimates for a topology: each is the most that it can be, not the mean. */
export function quotas({ workers }: Topology): readonly Quota[] {
  const runs = Object.values(workers)
    .flatMap(({ crons }) => crons)
    .reduce((total, cron) => total + runsPerDay(cron), 0);
  const { idleRun, write, read } = MEASURED;
  const quota = (
    name: string,
    free: number,
    uses: { readonly run: number; readonly write: number; readonly read: number },
  ): Quota => ({
    name,
    free,
    idlePerDay: runs * uses.run,
    perWrite: uses.write,
    perRead: uses.read,
  });
  return [
    quota("Workers requests", FREE.requests, {
      run: RUN.requests,
      write: write.requests,
      read: read.requests,
    }),
    quota("Durable Object requests", FREE.durableObjectRequests, { run: 0, write: VIEWS, read: VIEWS }),
    quota("D1 rows read", FREE.d1RowsRead, {
      run: idleRun.d1RowsRead + RUN.d1RowsRead,
      write: write.d1RowsRead + ALONE.d1RowsRead,
      read: read.d1RowsRead,
    }),
    quota("D1 rows written", FREE.d1RowsWritten, {
      run: idleRun.d1RowsWritten,
      write: write.d1RowsWritten + ALONE.d1RowsWritten,
      read: read.d1RowsWritten,
    }),
    quota("KV writes", FREE.kvWrites, { run: 0, write: 0, read: 0 }),
    quota("R2 class A operations", FREE.r2ClassA, {
      run: idleRun.r2ClassA,
      write: write.r2ClassA,
      read: read.r2ClassA,
    }),
    quota("R2 class B operations", FREE.r2ClassB, {
      run: idleRun.r2ClassB,
      write: write.r2ClassB,
      read: read.r2ClassB,
    }),
    quota("queue operations", FREE.queueOperations, {
      run: idleRun.queueOperations,
      write: write.queueOperations,
      read: read.queueOperations,
    }),
  ];
}
