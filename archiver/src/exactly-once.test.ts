/**
 * The archive against its model: a list. Whatever is ingested, delivered twice,
 * archived, killed and repeated, in whatever order, each record is read once.
 */
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Flight, flight, TestArchiver, type TestMessage, useStorage } from "../test/archiver.ts";
import { gatedBucket, gatedDatabase, killingGate } from "../test/faults.ts";
import { LEASE_TTL_MS } from "./manifest/index.ts";

useStorage();

const DATASETS = ["LAS", "OAK"] as const;
const TABLES = ["buffer_logs", "block_indexes", "archived_files", "archived_messages", "leases"];

type Action =
  | { readonly kind: "ingest"; readonly dataset: string; readonly records: readonly Flight[] }
  | { readonly kind: "deliver"; readonly count: number; readonly twice: boolean }
  | { readonly kind: "redeliver"; readonly pick: number }
  | { readonly kind: "archive"; readonly rows: number }
  | { readonly kind: "kill"; readonly at: number; readonly moment: "before" | "after" }
  | {
      readonly kind: "read";
      readonly dataset: string;
      readonly limit: number;
      readonly archiveBetween: boolean;
    };

const dataset = fc.constantFrom(...DATASETS);
const records = fc.array(
  fc
    .record({ minutes: fc.integer({ min: 0, max: 8 }), delay: fc.integer({ min: 0, max: 1 }) })
    .map(({ minutes, delay }) => flight(minutes * 360, { delay })),
  { minLength: 1, maxLength: 6 },
);
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("ingest"), dataset, records }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("deliver"),
      count: fc.integer({ min: 1, max: 5 }),
      twice: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("redeliver"), pick: fc.nat(50) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("archive"), rows: fc.integer({ min: 1, max: 4 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("kill"),
      at: fc.nat(12),
      moment: fc.constantFrom("before", "after"),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("read"),
      dataset,
      limit: fc.integer({ min: 1, max: 7 }),
      archiveBetween: fc.boolean(),
    }),
  },
);

const texts = (items: readonly unknown[]): readonly string[] =>
  items.map((item) => JSON.stringify(item)).sort();

interface Comparison {
  readonly found: readonly string[];
  readonly expected: readonly string[];
  readonly inOrder: boolean;
}

/** A queue that keeps what it delivered, and the list that the archive must equal. */
class World {
  readonly archiver = new TestArchiver();
  readonly #delivered: TestMessage[] = [];
  readonly #expected = new Map<
    TestMessage,
    { readonly dataset: string; readonly records: readonly Flight[] }
  >();

  async ingest(datasetId: string, items: readonly Flight[]): Promise<void> {
    const before = this.archiver.waiting.length;
    await this.archiver.ingest({ datasetId, table: "flights", records: items });
    const days = [...Map.groupBy(items, ({ time }) => Math.floor(time / 86_400_000)).values()];
    for (const [index, message] of this.archiver.waiting.slice(before).entries()) {
      this.#expected.set(message, { dataset: datasetId, records: days[index] ?? [] });
    }
  }

  async deliver(count: number, twice: boolean): Promise<void> {
    const messages = this.archiver.waiting.splice(0, count);
    if (messages.length === 0) return;
    this.#delivered.push(...messages);
    const again = twice ? messages.map((message) => ({ ...message, id: `${message.id}-again` })) : [];
    await this.archiver.deliver([...messages, ...again]);
  }

  async redeliver(pick: number): Promise<void> {
    const message = this.#delivered[pick % this.#delivered.length];
    if (message !== undefined) await this.archiver.deliver([message]);
  }

  async kill(at: number, moment: "before" | "after"): Promise<void> {
    const { gate } = killingGate(at, moment);
    const dying = new TestArchiver({ db: gatedDatabase(gate), bucket: gatedBucket(gate) });
    dying.now = this.archiver.now;
    await dying.archive({ rowsPerPass: 3 }).catch(() => undefined);
    this.archiver.now += LEASE_TTL_MS;
  }

  expected(datasetId: string): readonly Flight[] {
    return this.#delivered.flatMap((message) => {
      const entry = this.#expected.get(message);
      return entry?.dataset === datasetId ? entry.records : [];
    });
  }

  async compare(datasetId: string, limit: number, betweenPages?: () => Promise<void>): Promise<Comparison> {
    const found = await this.archiver.readAll({ datasetId, limit }, {}, betweenPages);
    const times = found.map((record) => Number(record["time"]));
    return {
      found: texts(found),
      expected: texts(this.expected(datasetId)),
      inOrder: times.every((time, index) => index === 0 || time >= (times[index - 1] ?? time)),
    };
  }

  /** @returns what a reading step found; the other steps find nothing */
  async run(step: Action): Promise<Comparison | null> {
    switch (step.kind) {
      case "ingest":
        await this.ingest(step.dataset, step.records);
        return null;
      case "deliver":
        await this.deliver(step.count, step.twice);
        return null;
      case "redeliver":
        await this.redeliver(step.pick);
        return null;
      case "archive":
        await this.archiver.archive({ rowsPerPass: step.rows });
        return null;
      case "kill":
        await this.kill(step.at, step.moment);
        return null;
      case "read":
        return this.compare(step.dataset, step.limit, async () => {
          if (step.archiveBetween) await this.archiver.archive({ rowsPerPass: 2 });
        });
    }
  }
}

describe("every record, whatever happens on its way,", () => {
  it("is read exactly once", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 3, maxLength: 14 }), async (actions) => {
        await env.DB.batch(TABLES.map((table) => env.DB.prepare(`DELETE FROM ${table}`)));
        const world = new World();
        const comparisons: (Comparison | null)[] = [];
        for (const step of actions) comparisons.push(await world.run(step));
        await world.deliver(Number.POSITIVE_INFINITY, true);
        for (const name of DATASETS) comparisons.push(await world.compare(name, 5));
        await world.archiver.archive();
        for (const name of DATASETS) comparisons.push(await world.compare(name, 4));
        for (const comparison of comparisons) {
          if (comparison === null) continue;
          expect(comparison.found).toEqual(comparison.expected);
          expect(comparison.inOrder).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });
});
