import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { countRows, flight, TestArchiver, type TestMessage, useStorage } from "../../test/archiver.ts";
import { canary, type ConsumerName, consumers } from "../../test/canaries.ts";
import { gatedDatabase } from "../../test/faults.ts";
import { failingDatabase, storedRecords } from "../../test/letters.ts";
import type { BackgroundApi, BackgroundMessage, BackgroundSeries } from "../contract.ts";
import { decodeMessage, encodeMessage } from "../message/index.ts";

useStorage();

/** Messages of one flight each, from minute 0. */
async function messages(count: number): Promise<readonly TestMessage[]> {
  const archiver = new TestArchiver();
  for (let minutes = 0; minutes < count; minutes += 1) {
    await archiver.ingest({ datasetId: "LAS", table: "flights", records: [flight(minutes)] });
  }
  return archiver.waiting;
}

const oneOfEach = (count: number): readonly unknown[] =>
  Array.from({ length: count }, (_, minutes) => ({ dataset: "LAS", record: flight(minutes) }));

/** Every record that is stored, by its time. */
async function stored(): Promise<readonly unknown[]> {
  return [...(await storedRecords())].sort(
    (first, second) => Number(first.record["time"]) - Number(second.record["time"]),
  );
}

/** An archiver whose canary consumes so, with its order given. */
async function withCanary(
  consume: BackgroundApi["consume"] | ConsumerName,
  order: Parameters<TestArchiver["background"]>[0] = {},
  overrides: ConstructorParameters<typeof TestArchiver>[0] = {},
): Promise<{ readonly archiver: TestArchiver; readonly seen: BackgroundMessage[] }> {
  const seen: BackgroundMessage[] = [];
  const behaviour = typeof consume === "string" ? consumers(new TestArchiver())[consume] : consume;
  const archiver = new TestArchiver({
    ...overrides,
    canary: canary((handed) => {
      seen.push(...handed);
      return behaviour(handed);
    }),
  });
  await archiver.background({ overdueMs: 20, ...order });
  return { archiver, seen };
}

async function seriesOf(
  archiver: TestArchiver,
  lane: BackgroundSeries["lane"],
): Promise<Omit<BackgroundSeries, "lane" | "route" | "latency"> | undefined> {
  const { series } = await archiver.background();
  const found = series.find((one) => one.lane === lane && one.route === "queue");
  if (found === undefined) return undefined;
  const { requests, errors, exceptions, overdue, deliveries, failedDeliveries } = found;
  return { requests, errors, exceptions, overdue, deliveries, failedDeliveries };
}

const GOOD = { errors: 0, exceptions: 0, overdue: 0, deliveries: 1, failedDeliveries: 0 };

describe("a batch of the queue", () => {
  it("is the stable archiver's alone while there is no order, or no canary", async () => {
    const { archiver, seen } = await withCanary("good", { rolloutId: null });
    const batch = await messages(4);
    expect((await archiver.deliver(batch)).acked).toHaveLength(4);
    expect(seen).toEqual([]);
    await archiver.background({ revision: 2 });
    expect((await new TestArchiver().deliver(batch)).acked).toHaveLength(4);
    expect(await stored()).toEqual(oneOfEach(4));
    expect(await countRows("background_counts")).toBe(0);
  });

  it("goes to the canary as plain data, and is acknowledged as it stores it", async () => {
    const { archiver, seen } = await withCanary("good");
    const batch = await messages(3);
    expect(await archiver.deliver(batch)).toEqual({ acked: batch.map(({ id }) => id), retried: [] });
    expect(seen).toEqual(batch.map((message) => ({ ...message, timestamp: new Date(archiver.now) })));
    expect(await stored()).toEqual(oneOfEach(3));
    expect(await seriesOf(archiver, "canary")).toEqual({ ...GOOD, requests: 3 });
    expect(await seriesOf(archiver, "stable")).toBeUndefined();
    expect(await countRows("background_handovers")).toBe(0);
  });

  it("is split by the share, and both lanes are counted", async () => {
    const { archiver, seen } = await withCanary("good", { share: 50 });
    const batch = await messages(40);
    expect((await archiver.deliver(batch)).acked).toHaveLength(40);
    expect(await stored()).toEqual(oneOfEach(40));
    expect(seen.length).toBeGreaterThan(5);
    expect(seen.length).toBeLessThan(35);
    expect(await seriesOf(archiver, "canary")).toEqual({ ...GOOD, requests: seen.length });
    expect(await seriesOf(archiver, "stable")).toEqual({ ...GOOD, requests: 40 - seen.length });
  });

  it("is the stable archiver's again from the moment at which nobody has renewed the order", async () => {
    const { archiver, seen } = await withCanary("good", { validMs: 1_000 });
    const [first, second] = await messages(2);
    if (!(first && second)) throw new Error("nothing was sent");
    archiver.now += 999;
    await archiver.deliver([first]);
    archiver.now += 1;
    await archiver.deliver([second]);
    expect(seen.map(({ id }) => id)).toEqual([first.id]);
    expect(await stored()).toEqual(oneOfEach(2));
  });

  it("is the stable archiver's as soon as the share is taken back", async () => {
    const { archiver, seen } = await withCanary("good");
    await archiver.background({ revision: 2, share: 0 });
    await archiver.deliver(await messages(3));
    expect(seen).toEqual([]);
    expect(await stored()).toEqual(oneOfEach(3));
  });

  it("that comes a second time is the stable archiver's, and is not counted", async () => {
    const { archiver, seen } = await withCanary("good");
    const again = (await messages(3)).map((message) => ({ ...message, attempts: 2 }));
    expect((await archiver.deliver(again)).acked).toHaveLength(3);
    expect(seen).toEqual([]);
    expect(await seriesOf(archiver, "stable")).toBeUndefined();
  });

  it("is the stable archiver's when the database cannot say what the order is", async () => {
    const db = failingDatabase(/FROM background_orders WHERE/);
    const { archiver, seen } = await withCanary("good", {}, { db });
    expect((await archiver.deliver(await messages(2))).acked).toHaveLength(2);
    expect(seen).toEqual([]);
    expect(await stored()).toEqual(oneOfEach(2));
  });

  it("is not handed over when that cannot be noted", async () => {
    const db = failingDatabase(/INSERT INTO background_handovers/);
    const { archiver, seen } = await withCanary("good", {}, { db });
    expect((await archiver.deliver(await messages(2))).acked).toHaveLength(2);
    expect(seen).toEqual([]);
    expect(await stored()).toEqual(oneOfEach(2));
  });

  it("takes one query more while no share is open, and five round trips more while one is", async () => {
    const operations: string[] = [];
    const db = gatedDatabase((operation, perform) => {
      operations.push(operation.split(/\s+/).slice(1, 4).join(" ") || operation);
      return perform();
    });
    const { archiver } = await withCanary("good", { share: 50 });
    const watched = new TestArchiver({ db, canary: canary(consumers(archiver).good) });
    await watched.deliver(await messages(40));
    expect(operations.toSorted()).toEqual([
      "INSERT INTO background_handove",
      "INSERT INTO buffer_logs",
      "SELECT rollout_id AS",
      "SELECT value ->>",
      "batch",
      "batch",
    ]);
    operations.length = 0;
    await archiver.background({ revision: 2, share: 0 });
    await watched.deliver(await messages(40));
    expect(operations).toEqual(["SELECT rollout_id AS", "INSERT INTO buffer_logs"]);
  });

  it("is done although nothing can be counted", async () => {
    const db = failingDatabase(/INSERT INTO background_counts/);
    const { archiver } = await withCanary("good", { share: 50 }, { db: env.DB });
    const uncounted = new TestArchiver({ db, canary: canary(consumers(archiver).good) });
    expect((await uncounted.deliver(await messages(12))).acked).toHaveLength(12);
    expect(await stored()).toEqual(oneOfEach(12));
  });
});

describe("a canary that", () => {
  const bad = Object.keys(consumers(new TestArchiver())).filter((name) => name !== "good") as ConsumerName[];

  it.each(bad)("%s loses no message and doubles none", async (name) => {
    const { archiver, seen } = await withCanary(name);
    const batch = await messages(4);
    const result = await archiver.deliver(batch);
    expect(seen).toHaveLength(4);
    expect(result.retried).toEqual([]);
    expect([...result.acked].sort()).toEqual(batch.map(({ id }) => id));
    expect(await stored()).toEqual(oneOfEach(4));
  });

  it.each<readonly [ConsumerName, object]>([
    ["throws at once", { requests: 4, errors: 4, exceptions: 1, overdue: 0 }],
    ["acknowledges what it does not store", { requests: 4, errors: 4, exceptions: 0, overdue: 0 }],
    ["acknowledges all and stores half", { requests: 4, errors: 2, exceptions: 0, overdue: 0 }],
    ["stores half, and says so", { requests: 4, errors: 2, exceptions: 0, overdue: 0 }],
    ["answers in another form", { requests: 4, errors: 4, exceptions: 0, overdue: 0 }],
  ])("%s is counted as failing so many of its messages", async (name, expected) => {
    const { archiver } = await withCanary(name);
    await archiver.deliver(await messages(4));
    expect(await seriesOf(archiver, "canary")).toEqual({ ...expected, deliveries: 1, failedDeliveries: 1 });
    expect(await seriesOf(archiver, "stable")).toBeUndefined();
  });

  it.each<ConsumerName>(["hangs", "stores, and then hangs"])(
    "%s is late with one delivery, however many messages it has, and no failure",
    async (name) => {
      const { archiver } = await withCanary(name);
      await archiver.deliver(await messages(4));
      expect(await seriesOf(archiver, "canary")).toEqual({ ...GOOD, requests: 4, overdue: 1 });
    },
  );

  it("answers too late doubles nothing, whatever has become of the message since", async () => {
    let release = (): void => {};
    const waits = new Promise<void>((resolve) => (release = resolve));
    let late: Promise<unknown> = Promise.resolve();
    const { archiver } = await withCanary((handed) => {
      const store = async () => {
        await waits;
        return consumers(new TestArchiver()).good(handed);
      };
      const call = store();
      late = call;
      return call;
    });
    await archiver.deliver(await messages(3));
    await archiver.archive();
    release();
    await late;
    expect(await countRows("buffer_logs")).toBe(0);
    expect(await archiver.readAll()).toEqual([flight(0), flight(1), flight(2)]);
  });
});

describe("a message that", () => {
  const poison = { id: "poison", body: new Uint8Array([1, 2, 3]), attempts: 1 };

  it("neither lane can read goes to the dead letters once, and counts for neither", async () => {
    const { archiver, seen } = await withCanary("good");
    const [good] = await messages(1);
    if (good === undefined) throw new Error("nothing was sent");
    expect(await archiver.deliver([poison, good])).toMatchObject({ retried: [] });
    expect(seen).toHaveLength(2);
    expect(archiver.dead).toHaveLength(1);
    expect(await seriesOf(archiver, "canary")).toEqual({ ...GOOD, requests: 1 });
  });

  it("only the canary takes for unreadable is stored, and is no dead letter", async () => {
    const { archiver } = await withCanary(async () => ({ acked: [] }));
    await archiver.deliver(await messages(2));
    expect(archiver.dead).toEqual([]);
    expect(await stored()).toEqual(oneOfEach(2));
    expect(await seriesOf(archiver, "canary")).toMatchObject({ requests: 2, errors: 2 });
  });

  it("only the canary can read is stored by it", async () => {
    const [message] = await messages(1);
    if (message === undefined) throw new Error("nothing was sent");
    const whole = decodeMessage(message.body as Uint8Array);
    const newer = { ...message, body: encodeMessage({ ...whole, fingerprint: "00".repeat(32) }) };
    const { archiver } = await withCanary(async () => {
      await consumers(new TestArchiver()).good([{ ...message, timestamp: new Date() }]);
      return { acked: [message.id] };
    });
    expect(await archiver.deliver([newer])).toEqual({ acked: [message.id], retried: [] });
    expect(await countRows("buffer_logs")).toBe(1);
    expect(await seriesOf(archiver, "canary")).toEqual({ ...GOOD, requests: 1 });
  });

  it("neither lane can store is retried and counts for neither", async () => {
    const db = failingDatabase(/INSERT INTO buffer_logs/);
    const { good } = consumers(new TestArchiver({ db }));
    const { archiver } = await withCanary(good, {}, { db });
    expect((await archiver.deliver(await messages(2))).retried).toHaveLength(2);
    expect(await seriesOf(archiver, "canary")).toBeUndefined();
    expect(await countRows("background_handovers")).toBe(0);
  });

  it("the canary has stored when the check of that fails is stored once, and is no fault", async () => {
    const db = failingDatabase(/SELECT value ->> 0 AS id FROM json_each/);
    const { archiver } = await withCanary("good", {}, { db });
    expect((await archiver.deliver(await messages(2))).acked).toHaveLength(2);
    expect(await stored()).toEqual(oneOfEach(2));
    expect(await seriesOf(archiver, "canary")).toBeUndefined();
  });

  it("the stable lane fails is counted there", async () => {
    const { archiver } = await withCanary("good", { share: 0.01 });
    const db = failingDatabase(/INSERT INTO buffer_logs/);
    const failing = new TestArchiver({ db, canary: canary(consumers(archiver).good) });
    await failing.deliver(await messages(3));
    const { series } = await archiver.background({ share: 0.01 });
    expect(series).toMatchObject([{ lane: "stable", requests: 3, errors: 3, failedDeliveries: 1 }]);
  });
});
