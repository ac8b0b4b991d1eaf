import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { countRows, EPOCH, flight, TestArchiver, type TestMessage, useStorage } from "../../test/archiver.ts";
import {
  deliverLetters,
  failingDatabase,
  refusingSends,
  replay,
  storedRecords,
  tombstone,
} from "../../test/letters.ts";
import { decodeMessage, encodeMessage, type IngestMessage } from "../message/index.ts";
import {
  listDeadLetters,
  PURGE_LETTERS,
  purgeDeadLetters,
  REPLAY_LETTERS,
  replayDeadLetters,
  storeDeadLetters,
} from "./index.ts";

useStorage();

const REQUEST = { datasetId: "LAS", table: "flights" } as const;
const ACCEPTED = EPOCH + 1_000;

async function oneMessage(datasetId = "LAS"): Promise<IngestMessage> {
  const archiver = new TestArchiver();
  archiver.now = ACCEPTED;
  await archiver.ingest({ ...REQUEST, datasetId, records: [flight(1), flight(2)] });
  return decodeMessage(archiver.waiting[0]?.body as Uint8Array);
}

/** A message as the dead-letter queue delivers one that the ingest queue itself gave up. */
const bare = (body: unknown, id = "letter-1"): TestMessage => ({ id, body, attempts: 1 });

const list = (request: { after?: number; limit?: number } = {}) =>
  listDeadLetters({ limit: 100, ...request }, { db: env.DB });

/** Stores `count` letters, each a readable message of one record a minute. */
async function storeLetters(count: number): Promise<readonly number[]> {
  const archiver = new TestArchiver();
  for (let index = 0; index < count; index += 1) {
    await archiver.ingest({ ...REQUEST, records: [flight(index)] });
  }
  await deliverLetters(archiver, archiver.waiting.splice(0));
  return (await env.DB.prepare("SELECT id FROM dead_letters ORDER BY id").all<{ id: number }>()).results.map(
    ({ id }) => id,
  );
}

describe("the dead-letter queue's consumer", () => {
  it("keeps a message that the consumer gave up, with its reason, as it was sent", async () => {
    const archiver = new TestArchiver();
    const body = encodeMessage({ ...(await oneMessage()), minTime: 0 });
    await archiver.deliver([{ id: "poison-1", body, attempts: 1 }]);
    expect((await deliverLetters(archiver)).retried).toEqual([]);
    const row = await env.DB.prepare("SELECT * FROM dead_letters").first();
    expect(row).toEqual({
      id: 1,
      delivery_id: "poison-1",
      reason: "the envelope's times are not those of its records",
      dataset_id: "LAS",
      table_name: "flights",
      record_count: 2,
      accepted_at: ACCEPTED,
      bytes: body.byteLength,
      received_at: archiver.now,
      body: Buffer.from(body).toString("base64"),
    });
  });

  it.each([
    [
      "an unknown schema",
      (whole: IngestMessage) => encodeMessage({ ...whole, fingerprint: "00".repeat(32) }),
      /^table flights has no schema with fingerprint 0{64}$/,
      "LAS",
    ],
    ["bytes of no kind", () => Uint8Array.of(1, 2, 3), /^the message has no Strata envelope$/, null],
    ["no bytes", () => ({ json: true }), /^the message's body is not bytes$/, null],
    [
      "nothing wrong with it",
      encodeMessage,
      /every delivery of it failed: the database was not available$/,
      "LAS",
    ],
  ])(
    "finds the reason of a message that the queue gave up itself: %s",
    async (_, body, reason, datasetId) => {
      const archiver = new TestArchiver();
      expect(await deliverLetters(archiver, [bare(body(await oneMessage()))])).toMatchObject({
        acked: ["letter-1"],
      });
      expect((await list()).letters).toEqual([
        expect.objectContaining({ id: 1, reason: expect.stringMatching(reason), datasetId }),
      ]);
    },
  );

  it("keeps a letter once, however often it is delivered and however often its message was given up", async () => {
    const archiver = new TestArchiver();
    const poison = { id: "poison-1", body: Uint8Array.of(1), attempts: 1 };
    await archiver.deliver([poison]);
    await archiver.deliver([{ ...poison, attempts: 2 }]);
    const letters = [...archiver.dead, bare(Uint8Array.of(2))];
    expect(letters).toHaveLength(3);
    const twice = [...letters, ...letters.map((letter) => ({ ...letter, attempts: 2 }))];
    for (const letter of twice) expect((await deliverLetters(archiver, [letter])).acked).toEqual([letter.id]);
    expect(await countRows("dead_letters")).toBe(2);
  });

  it("stores a full batch of the largest letters in statements below D1's bounds", async () => {
    const letters = Array.from({ length: 100 }, (_, index) =>
      bare(new Uint8Array(127_000), `letter-${index}`),
    );
    expect((await deliverLetters(new TestArchiver(), letters)).acked).toHaveLength(100);
    expect(await countRows("dead_letters")).toBe(100);
  });

  it("retries what the database refuses with delays that grow to 12 hours, and loses nothing", async () => {
    const bindings = { ...new TestArchiver().bindings, db: failingDatabase(/INSERT INTO dead_letters/) };
    const delays: (number | undefined)[] = [];
    for (const attempts of [1, 2, 5, 7, 8, 100]) {
      const retry = (options?: QueueRetryOptions): void => void delays.push(options?.delaySeconds);
      const message = { ...bare(Uint8Array.of(1)), attempts, timestamp: new Date() };
      await storeDeadLetters(
        { messages: [{ ...message, ack: () => expect.unreachable(), retry }] },
        bindings,
      );
    }
    expect(delays).toEqual([30, 90, 2_430, 21_870, 43_200, 43_200]);
  });

  it("does not keep a letter of a dataset that was erased after the message was accepted", async () => {
    await tombstone("LAS", ACCEPTED);
    const letters = [await oneMessage("LAS"), await oneMessage("OAK")].map((message, index) =>
      bare(encodeMessage(message), `letter-${index}`),
    );
    expect((await deliverLetters(new TestArchiver(), letters)).acked).toHaveLength(2);
    expect((await list()).letters.map(({ datasetId }) => datasetId)).toEqual(["OAK"]);
  });
});

describe("a list of dead letters", () => {
  it("is paged by id, and says how many there are in all", async () => {
    const ids = await storeLetters(5);
    const first = await list({ limit: 2 });
    expect(first).toMatchObject({ total: 5, next: ids[1] });
    const second = await list({ limit: 2, after: first.next ?? 0 });
    const third = await list({ limit: 2, after: second.next ?? 0 });
    expect(third).toMatchObject({ total: 5, next: null });
    expect([first, second, third].flatMap(({ letters }) => letters.map(({ id }) => id))).toEqual(ids);
    expect(first.letters[0]).toEqual({
      id: 1,
      receivedAt: EPOCH + 2 * 86_400_000,
      reason: expect.any(String),
      datasetId: "LAS",
      table: "flights",
      records: 1,
      bytes: expect.any(Number),
    });
  });

  it("is empty when there are none, and bounded whatever is asked for", async () => {
    expect(await list()).toEqual({ letters: [], total: 0, next: null });
    await storeLetters(102);
    expect((await list({ limit: 1_000_000 })).letters).toHaveLength(100);
    expect((await list({ limit: -1 })).letters).toHaveLength(1);
  });
});

describe("a replay of dead letters", () => {
  it("sends the messages back as they first came, and they are stored", async () => {
    const [first, , third] = await storeLetters(3);
    const archiver = new TestArchiver();
    expect(await replay(archiver, { ids: [first ?? 0, third ?? 0, 999] })).toEqual({ done: 2, remaining: 0 });
    await archiver.deliver();
    expect((await storedRecords()).map(({ record }) => record)).toEqual([flight(0), flight(2)]);
    expect((await list()).letters).toHaveLength(1);
  });

  it("of a message that the consumer gave up sends that message and not its wrapper", async () => {
    const archiver = new TestArchiver();
    const body = encodeMessage({ ...(await oneMessage()), minTime: 0 });
    await archiver.deliver([{ id: "poison-1", body, attempts: 1 }]);
    await deliverLetters(archiver);
    await replay(archiver, { all: true });
    expect(Buffer.from(archiver.waiting[0]?.body as Uint8Array)).toEqual(Buffer.from(body));
    // It is as unreadable as before, and becomes a letter again.
    await archiver.deliver();
    await deliverLetters(archiver);
    expect(await countRows("dead_letters")).toBe(1);
  });

  it("takes a bounded number a call, and says how many remain", async () => {
    await storeLetters(REPLAY_LETTERS + 3);
    const archiver = new TestArchiver();
    expect(await replay(archiver, { all: true })).toEqual({ done: REPLAY_LETTERS, remaining: 3 });
    expect(await replay(archiver, { all: true })).toEqual({ done: 3, remaining: 0 });
    await archiver.deliver();
    expect(await storedRecords()).toHaveLength(REPLAY_LETTERS + 3);
  });

  it("sends batches that the queue takes", async () => {
    const letters = Array.from({ length: 5 }, (_, index) => bare(new Uint8Array(120_000), `letter-${index}`));
    await deliverLetters(new TestArchiver(), letters);
    const batches: number[] = [];
    const sendBatch = refusingSends(new Set(), (bodies) => void batches.push(bodies.length));
    await replayDeadLetters({ all: true }, { db: env.DB, queue: { sendBatch } });
    expect(batches).toEqual([2, 2, 1]);
  });

  it("that the queue refuses keeps what it did not take, and fails when it took none", async () => {
    const letters = Array.from({ length: 5 }, (_, index) => bare(new Uint8Array(120_000), `letter-${index}`));
    await deliverLetters(new TestArchiver(), letters);
    const queue = { sendBatch: refusingSends(new Set([1])) };
    expect(await replayDeadLetters({ all: true }, { db: env.DB, queue })).toEqual({ done: 2, remaining: 3 });
    const closed = { sendBatch: refusingSends(new Set([0])) };
    await expect(replayDeadLetters({ all: true }, { db: env.DB, queue: closed })).rejects.toThrow("Too Many");
    expect(await countRows("dead_letters")).toBe(3);
  });

  it("that dies between the send and the deletion is repeated without doubling anything", async () => {
    await storeLetters(2);
    const archiver = new TestArchiver();
    const dying = new TestArchiver({ db: failingDatabase(/DELETE FROM dead_letters/) });
    await expect(replay(dying, { all: true })).rejects.toThrow("Network connection lost");
    expect(await countRows("dead_letters")).toBe(2);
    await replay(archiver, { all: true });
    await archiver.deliver([...dying.waiting, ...archiver.waiting]);
    expect(await storedRecords()).toHaveLength(2);
  });

  it("does not bring back what was erased, also when the letter escaped the erasure", async () => {
    await storeLetters(1);
    const archiver = new TestArchiver();
    await tombstone("LAS", archiver.now);
    expect(await replay(archiver, { all: true })).toEqual({ done: 1, remaining: 0 });
    expect((await archiver.deliver()).acked).toHaveLength(1);
    expect(await storedRecords()).toEqual([]);
    expect(await countRows("dead_letters")).toBe(0);
  });
});

describe("a purge of dead letters", () => {
  it("deletes those named, or all, for good", async () => {
    const [first, second] = await storeLetters(4);
    expect(await purgeDeadLetters({ ids: [first ?? 0, second ?? 0] }, { db: env.DB })).toEqual({
      done: 2,
      remaining: 0,
    });
    expect(await purgeDeadLetters({ all: true }, { db: env.DB })).toEqual({ done: 2, remaining: 0 });
    expect(await countRows("dead_letters")).toBe(0);
    expect(await purgeDeadLetters({ all: true }, { db: env.DB })).toEqual({ done: 0, remaining: 0 });
  });

  it("deletes a bounded number a call, and says how many remain", async () => {
    await env.DB.prepare(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
       INSERT INTO dead_letters (delivery_id, reason, bytes, received_at, body) SELECT i, 'r', 0, 0, '' FROM n`,
    )
      .bind(PURGE_LETTERS + 5)
      .run();
    expect(await purgeDeadLetters({ all: true }, { db: env.DB })).toEqual({
      done: PURGE_LETTERS,
      remaining: 5,
    });
  });
});
