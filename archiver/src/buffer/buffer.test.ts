import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { countRows, EPOCH, flight, TestArchiver, type TestMessage, useStorage } from "../../test/archiver.ts";
import { failingDatabase, refusingSends, storedRecords, tombstone } from "../../test/letters.ts";
import { decodeMessage, encodeMessage, type IngestMessage, unwrapDeadLetter } from "../message/index.ts";
import { consume, type ConsumeBindings, forgetArchivedMessages } from "./index.ts";

useStorage();

const REQUEST = { datasetId: "LAS", table: "flights" } as const;

async function oneMessage(records = [flight(1), flight(2)]): Promise<TestMessage> {
  const archiver = new TestArchiver();
  await archiver.ingest({ ...REQUEST, records });
  const [message] = archiver.waiting;
  if (message === undefined) throw new Error("nothing was sent");
  return message;
}

const decoded = (message: TestMessage): IngestMessage => decodeMessage(message.body as Uint8Array);

/** The delay of each retry, by attempts, of a message that must not be acknowledged. */
async function delaysOf(
  body: unknown,
  attempts: readonly number[],
  bindings: Partial<ConsumeBindings> = {},
): Promise<readonly (number | undefined)[]> {
  const delays: (number | undefined)[] = [];
  for (const attempt of attempts) {
    const retry = (options?: QueueRetryOptions): void => void delays.push(options?.delaySeconds);
    const message = { id: "delivery-1", body, attempts: attempt, timestamp: new Date() };
    await consume(
      { messages: [{ ...message, ack: () => expect.unreachable(), retry }] },
      { ...new TestArchiver().bindings, deadLetters: noDeadLetters, ...bindings },
    );
  }
  return delays;
}

/** D1 that says what is bound to each statement. */
function bindingDatabase(bound: (values: readonly unknown[]) => void): D1Database {
  const watch = (statement: D1PreparedStatement): D1PreparedStatement =>
    new Proxy(statement, {
      get(target, name) {
        if (name !== "bind") return Reflect.get(target, name);
        return (...values: unknown[]) => {
          bound(values);
          return target.bind(...values);
        };
      },
    });
  return new Proxy(env.DB, {
    get(target, name) {
      if (name === "prepare") return (sql: string) => watch(target.prepare(sql));
      return Reflect.get(target, name).bind(target);
    },
  });
}

const noDeadLetters: ConsumeBindings["deadLetters"] = {
  send: () => expect.unreachable(),
  sendBatch: () => expect.unreachable(),
};

describe("the queue consumer", () => {
  it("stores a message as one row and acknowledges it", async () => {
    const archiver = new TestArchiver();
    expect(await archiver.deliver([await oneMessage()])).toEqual({ acked: ["delivery-1"], retried: [] });
    const row = await env.DB.prepare("SELECT * FROM buffer_logs").first();
    expect(row).toMatchObject({
      id: 1,
      dataset_id: "LAS",
      table_name: "flights",
      period: "2026_11_20",
      record_count: 2,
      min_time: flight(1).time,
      max_time: flight(2).time,
      created_at: archiver.now,
    });
    expect(Buffer.from(String(row?.["data"]), "base64")).toHaveLength(Number(row?.["bytes"]));
  });

  it("stores a message once when it comes twice, in one batch or in two", async () => {
    const archiver = new TestArchiver();
    const message = await oneMessage();
    const again = { ...message, id: "delivery-2", attempts: 2 };
    expect(await archiver.deliver([message, again])).toMatchObject({
      acked: ["delivery-1", "delivery-2"],
    });
    expect(await archiver.deliver([{ ...again, id: "delivery-3" }])).toMatchObject({ acked: ["delivery-3"] });
    expect(await countRows("buffer_logs")).toBe(1);
    expect(await storedRecords()).toHaveLength(2);
  });

  it("does not store a message again that was archived since its first delivery", async () => {
    const archiver = new TestArchiver();
    const message = await oneMessage();
    await archiver.deliver([message]);
    await archiver.archive();
    expect(await archiver.deliver([{ ...message, attempts: 2 }])).toMatchObject({ acked: ["delivery-1"] });
    expect(await countRows("buffer_logs")).toBe(0);
  });

  it("stores a client's retry once when both requests carry its key", async () => {
    const archiver = new TestArchiver();
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await archiver.store([flight(1)], { idempotencyKey: "upload-1" });
      await archiver.store([flight(1)]);
    }
    expect(await storedRecords()).toHaveLength(3);
  });

  it("forgets archived messages only when they are old, a bounded number at a time", async () => {
    const archiver = new TestArchiver();
    for (const minutes of [1, 2, 3]) await archiver.store([flight(minutes)]);
    await archiver.archive();
    expect(await forgetArchivedMessages(env.DB, archiver.now, 10)).toBe(0);
    expect(await forgetArchivedMessages(env.DB, archiver.now + 1, 2)).toBe(2);
    expect(await countRows("archived_messages")).toBe(1);
  });

  it("sends an unreadable message to the dead letters with its reason, and stores its neighbours", async () => {
    const archiver = new TestArchiver();
    const good = await oneMessage();
    const whole = decoded(good);
    const bodies: readonly (readonly [unknown, string])[] = [
      [{ json: true }, "the message's body is not bytes"],
      [new Uint8Array([1, 2, 3]), "the message has no Strata envelope"],
      [encodeMessage({ ...whole, recordCount: 3 }), "the bytes end inside"],
      [encodeMessage({ ...whole, recordCount: 1 }), "bytes follow the last of 1 records"],
      [
        encodeMessage({ ...whole, recordCount: 0, payload: new Uint8Array() }),
        "are not those of its records",
      ],
      [encodeMessage({ ...whole, minTime: 0 }), "the envelope's times are not those of its records"],
      [encodeMessage({ ...whole, datasetId: "a b" }), "no name that ingest takes"],
      [encodeMessage({ ...whole, period: "../secret" }), "no name that ingest takes"],
    ];
    const bad = bodies.map(([body], index) => ({ id: `bad-${index}`, body, attempts: 1 }));
    const result = await archiver.deliver([...bad.slice(0, 3), good, ...bad.slice(3)]);
    expect(result.retried).toEqual([]);
    expect([...result.acked].sort()).toEqual([...bad.map(({ id }) => id), "delivery-1"]);
    expect(await countRows("buffer_logs")).toBe(1);

    const letters = archiver.dead.map(({ body }) => unwrapDeadLetter(body as Uint8Array));
    expect(letters).toEqual(
      bodies.map(([, reason], index) =>
        expect.objectContaining({ deliveryId: `bad-${index}`, reason: expect.stringContaining(reason) }),
      ),
    );
    expect(Buffer.from(letters[0]?.body ?? [])).toEqual(Buffer.from('{"json":true}'));
    expect(Buffer.from(letters[1]?.body ?? [])).toEqual(Buffer.of(1, 2, 3));
  });

  it("leaves an unreadable message that is too large for a reason to the queue's own dead-lettering", async () => {
    expect(await delaysOf(new Uint8Array(127_900), [1, 25])).toEqual([0, 0]);
  });

  it("keeps an unreadable message when the dead-letter queue refuses, and tries again later", async () => {
    const deadLetters = { ...noDeadLetters, sendBatch: refusingSends(new Set([0, 1])) };
    expect(await delaysOf(new Uint8Array([1]), [1, 2], { deadLetters })).toEqual([30, 90]);
  });

  it("sends many unreadable messages in batches that the queue takes", async () => {
    const batches: number[] = [];
    const sendBatch = refusingSends(new Set(), (bodies) => void batches.push(bodies.length));
    const bindings = { ...new TestArchiver().bindings, deadLetters: { ...noDeadLetters, sendBatch } };
    let acked = 0;
    const messages = Array.from({ length: 5 }, (_, index) => ({
      id: `bad-${index}`,
      body: new Uint8Array(110_000),
      attempts: 1,
      timestamp: new Date(),
      ack: () => void (acked += 1),
      retry: () => expect.unreachable(),
    }));
    await consume({ messages }, bindings);
    expect({ batches, acked }).toEqual({ batches: [2, 2, 1], acked: 5 });
  });

  it("keeps a message of a schema that it does not know, later and later, in case its version is coming up", async () => {
    const newer = encodeMessage({ ...decoded(await oneMessage()), fingerprint: "00".repeat(32) });
    expect(await delaysOf(newer, [1, 2, 3, 25])).toEqual([30, 90, 270, 3_600]);
  });

  it("retries what the database refuses, later and later, and stores it when it is back", async () => {
    const message = await oneMessage();
    const db = failingDatabase(/INSERT INTO buffer_logs/);
    expect(await delaysOf(message.body, [1, 2, 3, 4, 5, 25], { db })).toEqual([30, 90, 270, 810, 2430, 3600]);
    expect(await new TestArchiver().deliver([{ ...message, attempts: 2 }])).toMatchObject({
      acked: ["delivery-1"],
    });
    expect(await countRows("buffer_logs")).toBe(1);
  });

  it("stores a message alone that was refused again and again, so that it cannot fail its neighbours", async () => {
    const archiver = new TestArchiver();
    for (const minutes of [1, 2, 3]) await archiver.ingest({ ...REQUEST, records: [flight(minutes)] });
    const [first, suspect, last] = archiver.waiting.splice(0);
    if (!(first && suspect && last)) throw new Error("nothing was sent");
    const { id } = decoded(suspect);
    const db = bindingDatabase((values) => {
      if (String(values[0]).includes(id)) throw new Error("D1_ERROR: string or blob too big");
    });
    const batch = (attempts: number) => [first, { ...suspect, attempts }, last];
    expect(await new TestArchiver({ db }).deliver(batch(3))).toMatchObject({ acked: [] });
    expect(await new TestArchiver({ db }).deliver(batch(4))).toEqual({
      acked: [first.id, last.id],
      retried: [suspect.id],
    });
  });

  it("retries one message on which reading itself fails, and no other", async () => {
    const archiver = new TestArchiver();
    const bad = {
      id: "bad",
      attempts: 1,
      get body(): unknown {
        throw new Error("the body cannot be had");
      },
    };
    const good = await oneMessage();
    const done: string[] = [];
    const verbs = (id: string) => ({
      ack: () => void done.push(`ack ${id}`),
      retry: () => void done.push(`retry ${id}`),
    });
    const timestamp = new Date();
    const messages = [
      Object.defineProperties({ ...verbs("bad"), timestamp }, Object.getOwnPropertyDescriptors(bad)),
      { ...good, ...verbs("good"), timestamp },
    ];
    await consume(
      { messages: messages as Message<unknown>[] },
      { ...archiver.bindings, deadLetters: noDeadLetters },
    );
    expect(done).toEqual(["retry bad", "ack good"]);
  });

  it("stores a full batch of a hundred messages, whatever their size", async () => {
    const archiver = new TestArchiver();
    const large = flight(0, { origin: "x".repeat(30_000) });
    for (let index = 0; index < 100; index += 1) {
      await archiver.ingest({ ...REQUEST, records: [{ ...large, time: large.time + index }] });
    }
    expect((await archiver.deliver()).acked).toHaveLength(100);
    expect(await countRows("buffer_logs")).toBe(100);
  });

  it("takes a body as the bytes of a buffer, too", async () => {
    const message = await oneMessage();
    const body = (message.body as Uint8Array).slice().buffer;
    expect(await new TestArchiver().deliver([{ ...message, body }])).toMatchObject({ acked: ["delivery-1"] });
  });
});

describe("a message of a dataset that was erased", () => {
  const accepted = EPOCH + 1_000;

  async function messageOf(datasetId: string): Promise<TestMessage> {
    const archiver = new TestArchiver();
    archiver.now = accepted;
    await archiver.ingest({ ...REQUEST, datasetId, records: [flight(1)] });
    const [message] = archiver.waiting;
    if (message === undefined) throw new Error("nothing was sent");
    return message;
  }

  it.each([
    ["after it was accepted is not stored", accepted + 1, 0],
    ["in the millisecond in which it was accepted is not stored", accepted, 0],
    ["before it was accepted is stored", accepted - 1, 1],
  ])("%s, and acknowledged", async (_, requestedAt, stored) => {
    await tombstone("LAS", requestedAt);
    const message = await messageOf("LAS");
    expect(await new TestArchiver().deliver([message])).toMatchObject({ acked: ["delivery-1"] });
    expect(await countRows("buffer_logs")).toBe(stored);
  });

  it("does not keep out another dataset's, in the same delivery", async () => {
    await tombstone("LAS", accepted + 1);
    const messages = [await messageOf("LAS"), { ...(await messageOf("OAK")), id: "delivery-2" }];
    expect((await new TestArchiver().deliver(messages)).acked).toEqual(["delivery-1", "delivery-2"]);
    expect((await storedRecords()).map(({ dataset }) => dataset)).toEqual(["OAK"]);
  });

  it("is acknowledged also when the database cannot say how many were erased", async () => {
    await tombstone("LAS", accepted + 1);
    const db = failingDatabase(/SELECT count\(\*\) AS messages/);
    expect(await new TestArchiver({ db }).deliver([await messageOf("LAS")])).toMatchObject({
      acked: ["delivery-1"],
    });
  });

  it("of the envelope before this one is kept out by every erasure", async () => {
    await tombstone("LAS", 1);
    const old = encodeMessage({ ...decoded(await messageOf("LAS")), acceptedAt: 0 });
    await new TestArchiver().deliver([{ id: "old", body: old, attempts: 1 }]);
    expect(await countRows("buffer_logs")).toBe(0);
  });
});

describe("defects of earlier buffers", () => {
  it("a bulk insert is too large: the largest batch goes in with two parameters a statement, each below 2 MB", async () => {
    const archiver = new TestArchiver();
    for (let index = 0; index < 12; index += 1) {
      await archiver.ingest({ ...REQUEST, records: [flight(index, { origin: "x".repeat(119_000) })] });
    }
    const binds: (readonly unknown[])[] = [];
    const watching = new TestArchiver({ db: bindingDatabase((values) => void binds.push(values)) });
    await watching.deliver(archiver.waiting);
    expect(await countRows("buffer_logs")).toBe(12);
    expect(binds.length).toBeGreaterThan(1);
    for (const values of binds) {
      expect(values).toHaveLength(2);
      expect(String(values[0]).length).toBeLessThan(1_100_000);
    }
  });

  it("the parameters are counted to 999: a hundred messages need no more than two", async () => {
    const archiver = new TestArchiver();
    for (let index = 0; index < 100; index += 1) {
      await archiver.ingest({ ...REQUEST, records: [flight(index)] });
    }
    const binds: (readonly unknown[])[] = [];
    await new TestArchiver({ db: bindingDatabase((values) => void binds.push(values)) }).deliver(
      archiver.waiting,
    );
    expect(binds.map(({ length }) => length)).toEqual([2]);
    expect(await countRows("buffer_logs")).toBe(100);
  });

  it("a UNIQUE error stops the batch for good: a known message is passed over and its neighbours are stored", async () => {
    const archiver = new TestArchiver();
    for (const minutes of [1, 2, 3]) await archiver.ingest({ ...REQUEST, records: [flight(minutes)] });
    const [first, known, last] = archiver.waiting.splice(0);
    if (!(first && known && last)) throw new Error("nothing was sent");
    await archiver.deliver([known]);
    const result = await archiver.deliver([first, { ...known, id: "again", attempts: 2 }, last]);
    expect(result).toEqual({ acked: [first.id, "again", last.id], retried: [] });
    expect(await countRows("buffer_logs")).toBe(3);
  });

  it("a view's offset is ignored: a body inside a larger buffer is read at its own place", async () => {
    const { body } = await oneMessage();
    const bytes = body as Uint8Array;
    const around = new Uint8Array(bytes.length + 64).fill(0x53);
    around.set(bytes, 37);
    const view = around.subarray(37, 37 + bytes.length);
    expect((await new TestArchiver().deliver([{ id: "view", body: view, attempts: 1 }])).acked).toEqual([
      "view",
    ]);
    expect((await storedRecords()).map(({ record }) => record)).toEqual([flight(1), flight(2)]);
  });

  it("a number is cut to 32 bits: the times of a row are those of its records", async () => {
    await new TestArchiver().deliver([await oneMessage([flight(0, { time: 1_766_500_000_123 })])]);
    const row = await env.DB.prepare("SELECT min_time, max_time FROM buffer_logs").first();
    expect(row).toEqual({ min_time: 1_766_500_000_123, max_time: 1_766_500_000_123 });
  });
});
