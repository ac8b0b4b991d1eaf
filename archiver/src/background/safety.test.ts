/**
 * Whatever the canary does, whatever the database refuses and wherever the stable
 * archiver dies: no acknowledged message is lost, none is stored twice, and none
 * is counted twice.
 */
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { flight, TestArchiver, type TestMessage, useStorage } from "../../test/archiver.ts";
import { canary, type ConsumerName, consumers } from "../../test/canaries.ts";
import { gatedDatabase, killingGate } from "../../test/faults.ts";
import { failingDatabase, storedRecords } from "../../test/letters.ts";

useStorage();

const TABLES = ["buffer_logs", "background_orders", "background_counts", "background_handovers"];

const empty = (): Promise<unknown> =>
  env.DB.batch(TABLES.map((table) => env.DB.prepare(`DELETE FROM ${table}`)));

/** Messages of one flight each; the flight's minute tells them apart. */
class Sender {
  readonly minutes = new Map<string, number>();
  readonly #archiver = new TestArchiver();

  async send(count: number): Promise<readonly TestMessage[]> {
    for (let sent = 0; sent < count; sent += 1) {
      await this.#archiver.ingest({
        datasetId: "LAS",
        table: "flights",
        records: [flight(this.minutes.size + sent)],
      });
    }
    const messages = this.#archiver.waiting.splice(0);
    for (const { id } of messages) this.minutes.set(id, this.minutes.size);
    return messages;
  }

  timesOf(ids: Iterable<string>): readonly number[] {
    return [...ids].map((id) => flight(this.minutes.get(id) ?? -1).time).sort((a, b) => a - b);
  }
}

/** Times of the stored flights, one for each row. */
async function storedTimes(): Promise<readonly number[]> {
  return (await storedRecords()).map(({ record }) => Number(record["time"])).sort((a, b) => a - b);
}

async function canaryRequests(archiver: TestArchiver): Promise<number> {
  archiver.now += 3_600_000;
  const { series } = await archiver.background();
  return series.find(({ lane }) => lane === "canary")?.requests ?? 0;
}

describe("a stable archiver that dies at any operation of a delivery", () => {
  const names: readonly ConsumerName[] = ["good", "acknowledges all and stores half", "throws at once"];

  it.each(names.flatMap((name) => (["before", "after"] as const).map((moment) => [moment, name] as const)))(
    "%s it takes effect, beside a canary (%s), loses and doubles nothing, and counts nothing twice",
    async (moment, name) => {
      let killed = true;
      let at = 0;
      for (; killed; at += 1) {
        await empty();
        await new TestArchiver({ canary: canary(consumers(new TestArchiver())[name]) }).background({
          share: 60,
        });
        const sender = new Sender();
        const messages = await sender.send(10);
        const { gate, log } = killingGate(at, moment);
        const dying = new TestArchiver({
          db: gatedDatabase(gate),
          canary: canary(consumers(new TestArchiver())[name]),
        });
        await dying.deliver(messages).catch(() => undefined);
        killed = log.length > at;
        // What was acknowledged may not have reached the queue: all of them come again.
        const healthy = new TestArchiver({ canary: canary(consumers(new TestArchiver())[name]) });
        const again = messages.map((message) => ({ ...message, attempts: 2 }));
        expect((await healthy.deliver(again)).retried).toEqual([]);
        expect(await storedTimes()).toEqual(sender.timesOf(sender.minutes.keys()));
        expect(await canaryRequests(healthy)).toBeLessThanOrEqual(10);
      }
      // The order, the hand-over, the insert, the check or a takeover, and the counts of both lanes.
      expect(at).toBeGreaterThanOrEqual(6);
    },
  );
});

const TROUBLES = {
  none: null,
  "order unknown": /FROM background_orders WHERE expires_at/,
  "hand-over refused": /INSERT INTO background_handovers/,
  "check refused": /SELECT value ->> 0 AS id FROM json_each/,
  "store refused": /INSERT INTO buffer_logs/,
  "counts refused": /INSERT INTO background_counts/,
} as const;
type TroubleName = keyof typeof TROUBLES;

interface Step {
  readonly count: number;
  readonly consumer: ConsumerName;
  readonly share: number;
  readonly trouble: TroubleName;
  /** Whether the canary meets the trouble, too. */
  readonly shared: boolean;
  /** Whether what is left from before comes in the same batch. */
  readonly redeliver: boolean;
}

const CONSUMERS = Object.keys(consumers(new TestArchiver())) as readonly ConsumerName[];

const step: fc.Arbitrary<Step> = fc.record({
  count: fc.integer({ min: 0, max: 5 }),
  consumer: fc.constantFrom(...CONSUMERS),
  share: fc.constantFrom(0, 30, 70, 100),
  trouble: fc.constantFrom(...(Object.keys(TROUBLES) as readonly TroubleName[])),
  shared: fc.boolean(),
  redeliver: fc.boolean(),
});

describe("any deliveries to any canaries, with any trouble of the database,", () => {
  it("leave every acknowledged message stored once, and lose none", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
        await empty();
        const sender = new Sender();
        const acked = new Set<string>();
        let left: readonly TestMessage[] = [];
        let sent = 0;
        for (const [index, { count, consumer, share, trouble, shared, redeliver }] of steps.entries()) {
          const statement = TROUBLES[trouble];
          const db = statement === null ? env.DB : failingDatabase(statement);
          const consume = consumers(shared ? new TestArchiver({ db }) : new TestArchiver())[consumer];
          const archiver = new TestArchiver({ db, canary: canary(consume) });
          await new TestArchiver().background({ revision: index, share, overdueMs: 5 });
          const fresh = await sender.send(count);
          sent += fresh.length;
          const batch = [...fresh, ...(redeliver ? left : [])];
          const result = await archiver.deliver(batch);
          for (const id of result.acked) acked.add(id);
          expect([...result.acked, ...result.retried].sort()).toEqual(batch.map(({ id }) => id).sort());
          left = [...left.filter(({ id }) => !batch.some((one) => one.id === id)), ...batch]
            .filter(({ id }) => !acked.has(id))
            .map((message) => ({ ...message, attempts: message.attempts + 1 }));
          const times = await storedTimes();
          expect(new Set(times).size).toBe(times.length);
          expect(times).toEqual(expect.arrayContaining([...sender.timesOf(acked)]));
          expect(await canaryRequests(new TestArchiver())).toBeLessThanOrEqual(sent);
        }
        await new TestArchiver().deliver(left);
        expect(await storedTimes()).toEqual(sender.timesOf(sender.minutes.keys()));
      }),
      { numRuns: 60 },
    );
  });
});
