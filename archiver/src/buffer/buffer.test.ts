import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { countRows, flight, TestArchiver, type TestMessage, useStorage } from "../../test/archiver.ts";
import { decodeMessage, encodeMessage } from "../message/index.ts";
import { registry } from "../tables/index.ts";
import { consume, forgetArchivedMessages } from "./index.ts";

useStorage();

const REQUEST = { datasetId: "LAS", table: "flights" } as const;

async function oneMessage(records = [flight(1), flight(2)]): Promise<TestMessage> {
  const archiver = new TestArchiver();
  await archiver.ingest({ ...REQUEST, records });
  const [message] = archiver.waiting;
  if (message === undefined) throw new Error("nothing was sent");
  return message;
}

/** D1 that fails statements whose SQL matches. */
function failingDatabase(matches: RegExp): D1Database {
  return new Proxy(env.DB, {
    get(target, name) {
      if (name !== "prepare") return Reflect.get(target, name).bind(target);
      return (sql: string) => {
        if (matches.test(sql)) throw new Error("D1_ERROR: Network connection lost.");
        return target.prepare(sql);
      };
    },
  });
}

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
    expect(await archiver.readAll()).toHaveLength(2);
  });

  it("does not store a message again that was archived since its first delivery", async () => {
    const archiver = new TestArchiver();
    const message = await oneMessage();
    await archiver.deliver([message]);
    await archiver.archive();
    expect(await archiver.deliver([{ ...message, attempts: 2 }])).toMatchObject({ acked: ["delivery-1"] });
    expect(await countRows("buffer_logs")).toBe(0);
    expect(await archiver.readAll()).toHaveLength(2);
  });

  it("stores a client's retry once when both requests carry its key", async () => {
    const archiver = new TestArchiver();
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await archiver.store([flight(1)], { idempotencyKey: "upload-1" });
      await archiver.store([flight(1)]);
    }
    expect(await archiver.readAll()).toHaveLength(3);
  });

  it("forgets archived messages only when they are old, a bounded number at a time", async () => {
    const archiver = new TestArchiver();
    for (const minutes of [1, 2, 3]) await archiver.store([flight(minutes)]);
    await archiver.archive();
    expect(await forgetArchivedMessages(env.DB, archiver.now, 10)).toBe(0);
    expect(await forgetArchivedMessages(env.DB, archiver.now + 1, 2)).toBe(2);
    expect(await countRows("archived_messages")).toBe(1);
  });

  it("retries an unreadable message, so that it reaches the dead letters, and stores its neighbours", async () => {
    const archiver = new TestArchiver();
    const good = await oneMessage();
    const whole = decodeMessage(good.body as Uint8Array);
    const bodies: readonly unknown[] = [
      { json: true },
      new Uint8Array([1, 2, 3]),
      encodeMessage({ ...whole, fingerprint: "00".repeat(32) }),
      encodeMessage({ ...whole, recordCount: 3 }),
      encodeMessage({ ...whole, recordCount: 1 }),
      encodeMessage({ ...whole, recordCount: 0, payload: new Uint8Array() }),
      encodeMessage({ ...whole, minTime: 0 }),
    ];
    const bad = bodies.map((body, index) => ({ id: `bad-${index}`, body, attempts: 1 }));
    const result = await archiver.deliver([...bad.slice(0, 3), good, ...bad.slice(3)]);
    expect(result).toMatchObject({ acked: ["delivery-1"], retried: bad.map(({ id }) => id) });
    expect(await countRows("buffer_logs")).toBe(1);
  });

  it("keeps a message of a newer version's schema for an hour, in case that version is still coming up", async () => {
    const message = await oneMessage();
    const newer = encodeMessage({
      ...decodeMessage(message.body as Uint8Array),
      fingerprint: "00".repeat(32),
    });
    const delays: (number | undefined)[] = [];
    for (const [index, body] of [newer, newer, new Uint8Array([1, 2, 3])].entries()) {
      const retry = (options?: QueueRetryOptions): void => void delays.push(options?.delaySeconds);
      const delivery = { id: "delivery-1", body, attempts: index + 1, timestamp: new Date() };
      const messages = [{ ...delivery, ack: () => expect.unreachable(), retry }];
      await consume({ messages }, { db: env.DB, registry, now: Date.now });
    }
    expect(delays).toEqual([30, 90, 0]);
  });

  it("retries what the database refuses, later and later, and stores it when it is back", async () => {
    const message = await oneMessage();
    const down = new TestArchiver({ db: failingDatabase(/INSERT INTO buffer_logs/) });
    const delays: (number | undefined)[] = [];
    for (const attempts of [1, 2, 3, 4, 5]) {
      const retry = (options?: QueueRetryOptions): void => void delays.push(options?.delaySeconds);
      const messages = [
        { ...message, attempts, timestamp: new Date(), ack: () => expect.unreachable(), retry },
      ];
      await consume({ messages }, { db: down.db, registry, now: Date.now });
    }
    expect(delays).toEqual([30, 90, 270, 810, 2430]);
    expect(await new TestArchiver().deliver([{ ...message, attempts: 2 }])).toMatchObject({
      acked: ["delivery-1"],
    });
    expect(await countRows("buffer_logs")).toBe(1);
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
