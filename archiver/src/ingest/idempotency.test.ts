/** Uploads that are sent again under the same key. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { countRows, DAY, flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import { failingDatabase, refusingSends, storedRecords } from "../../test/letters.ts";
import type { IngestRecords, IngestRequest } from "../contract.ts";
import { decodeMessage } from "../message/index.ts";
import { registry, SchemaRegistry } from "../tables/index.ts";
import { forgetIngestKeys } from "./index.ts";

useStorage();

const REQUEST: IngestRecords = {
  datasetId: "LAS",
  table: "flights",
  idempotencyKey: "upload-7",
  records: [flight(0), flight(DAY / 60_000), flight(1)],
};

const ANSWER = { ok: true, accepted: 3, messages: 2, bytes: expect.any(Number) } as const;
const FIRST = { ...ANSWER, replayed: false };
const REPLAYED = { ...ANSWER, replayed: true };
const REUSED = { ok: false, reason: "idempotency-key-reused" };

const idsIn = ({ waiting }: TestArchiver): readonly string[] =>
  waiting.map(({ body }) => decodeMessage(body as Uint8Array).id);

/** A database that must not be asked. */
const noDatabase = (): D1Database =>
  new Proxy(env.DB, { get: (_, name) => expect.unreachable(`D1 was asked for ${String(name)}`) });

describe("an upload under an idempotency key", () => {
  it("that is repeated is answered as the first was, and enqueues nothing", async () => {
    const archiver = new TestArchiver();
    const first = await archiver.ingest(REQUEST);
    expect(first).toEqual(FIRST);
    archiver.waiting.splice(0);
    expect(await archiver.ingest(structuredClone(REQUEST))).toEqual({ ...first, replayed: true });
    expect(archiver.waiting).toEqual([]);
  });

  it.each([
    ["other records", { records: [flight(9)] }],
    ["fewer records", { records: REQUEST.records.slice(1) }],
    ["another order of the records", { records: REQUEST.records.toReversed() }],
    ["another period", { periodTag: "2026_q4" }],
    ["a container", { container: Uint8Array.of(1) }],
  ])("that comes again with %s is refused", async (_, change) => {
    const archiver = new TestArchiver();
    await archiver.ingest(REQUEST);
    archiver.waiting.splice(0);
    const other: IngestRequest = { ...REQUEST, ...change };
    expect(await archiver.ingest(other)).toEqual(REUSED);
    expect(archiver.waiting).toEqual([]);
  });

  it.each([
    ["dataset", { datasetId: "OAK" }],
    ["table", { table: "earthquakes" }],
    ["key", { idempotencyKey: "upload-8" }],
  ])("is another upload under another %s", async (_, change) => {
    const archiver = new TestArchiver();
    await archiver.ingest(REQUEST);
    expect(await archiver.ingest({ ...REQUEST, ...change })).not.toMatchObject({ replayed: true });
    expect(await archiver.ingest({ ...REQUEST, ...change })).not.toEqual(REUSED);
  });

  it("is not remembered when it is invalid: the mended request goes through under the same key", async () => {
    const archiver = new TestArchiver();
    expect(await archiver.ingest({ ...REQUEST, records: [{}] })).toMatchObject({ reason: "invalid" });
    expect(await countRows("ingest_keys")).toBe(0);
    expect(await archiver.ingest(REQUEST)).toEqual(FIRST);
  });

  it("is answered as the first was although its records no longer fit the table", async () => {
    await new TestArchiver().ingest(REQUEST);
    const time = { name: "time", type: { type: "long", logicalType: "timestamp-millis" } };
    const later = new SchemaRegistry([
      { table: "flights", version: 3, schema: { type: "record", name: "Flight", fields: [time] } },
    ]);
    expect(await new TestArchiver({ registry: later }).ingest(REQUEST)).toEqual(REPLAYED);
  });

  it("that ends between the send and the note is stored once all the same", async () => {
    const dying = new TestArchiver({ db: failingDatabase(/INSERT INTO ingest_keys/) });
    expect(await dying.ingest(REQUEST)).toEqual(FIRST);
    const archiver = new TestArchiver();
    expect(await archiver.ingest(REQUEST)).toEqual(FIRST);
    expect(idsIn(archiver)).toEqual(idsIn(dying));
    await archiver.deliver([
      ...dying.waiting,
      ...archiver.waiting.map((m) => ({ ...m, id: `${m.id}-again` })),
    ]);
    expect(await storedRecords()).toHaveLength(3);
    expect(await archiver.ingest(REQUEST)).toEqual(REPLAYED);
  });

  describe("of which the queue took a part", () => {
    const equal = Array.from({ length: 6 }, () => flight(0, { origin: "x".repeat(100_000) }));
    const request = { ...REQUEST, records: equal };

    /** The queue holds the first two of six equal records. */
    async function accepted(): Promise<TestArchiver> {
      const archiver = new TestArchiver();
      const sendBatch = refusingSends(new Set([1]), (bodies) => {
        for (const [index, body] of bodies.entries()) {
          archiver.waiting.push({ id: `first-${index}`, body, attempts: 1 });
        }
      });
      expect(await new TestArchiver({ sendBatch }).ingest(request)).toMatchObject({ accepted: 2, of: 6 });
      return archiver;
    }

    it("is not remembered, and stored once when it is repeated", async () => {
      const archiver = await accepted();
      expect(await countRows("ingest_keys")).toBe(0);
      expect(await archiver.ingest(request)).toMatchObject({ accepted: 6, replayed: false });
      await archiver.deliver();
      expect(await storedRecords()).toHaveLength(6);
    });

    it("is stored whole when only its rest is sent, although the rest looks like its beginning", async () => {
      const archiver = await accepted();
      expect(await archiver.ingest({ ...request, records: equal.slice(2) })).toMatchObject({ accepted: 4 });
      await archiver.deliver();
      expect(await storedRecords()).toHaveLength(6);
    });
  });

  it("fails and enqueues nothing when the key cannot be looked up", async () => {
    const archiver = new TestArchiver({ db: failingDatabase(/FROM ingest_keys/) });
    await expect(archiver.ingest(REQUEST)).rejects.toThrow("Network connection lost");
    expect(archiver.waiting).toEqual([]);
  });

  it("is refused, and not looked up, when its values are no JSON", async () => {
    const archiver = new TestArchiver({ db: noDatabase() });
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    for (const records of [[cycle], [{ time: 1n }]]) {
      expect(await archiver.ingest({ ...REQUEST, records })).toMatchObject({ reason: "invalid" });
    }
  });

  it("of which two come at once with other records stores both, and keeps the first one's answer", async () => {
    const archiver = new TestArchiver();
    const other = { ...REQUEST, records: [flight(5)] };
    const answers = await Promise.all([archiver.ingest(REQUEST), archiver.ingest(other)]);
    await archiver.deliver();
    const accepted = answers.reduce((sum, answer) => sum + (answer.ok ? answer.accepted : 0), 0);
    expect(await storedRecords()).toHaveLength(accepted);
    expect(await countRows("ingest_keys")).toBe(1);
  });
});

describe("an upload without a key", () => {
  it("asks no database, and is a new one every time", async () => {
    const archiver = new TestArchiver({ db: noDatabase() });
    const { idempotencyKey: _, ...request } = REQUEST;
    expect(await archiver.ingest(request)).toEqual(FIRST);
    expect(await archiver.ingest(request)).toEqual(FIRST);
    expect(new Set(idsIn(archiver)).size).toBe(4);
  });
});

describe("message ids", () => {
  it("of a keyed upload depend on dataset, table, key, request, place and records", async () => {
    const ids = async (change: Partial<IngestRecords>): Promise<readonly string[]> => {
      await env.DB.prepare("DELETE FROM ingest_keys").run();
      const archiver = new TestArchiver({ registry });
      await archiver.ingest({ ...REQUEST, ...change });
      return idsIn(archiver);
    };
    const first = await ids({});
    expect(first[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(await ids({})).toEqual(first);
    const all = [
      ...first,
      ...(await ids({ datasetId: "OAK" })),
      ...(await ids({ idempotencyKey: "upload-8" })),
      ...(await ids({ periodTag: "2026_q4" })),
      ...(await ids({ records: [...REQUEST.records, flight(2)] })),
    ];
    expect(new Set(all).size).toBe(all.length);
  });
});

describe("idempotency keys", () => {
  it("are forgotten when they are old, a bounded number at a time", async () => {
    const archiver = new TestArchiver();
    for (const idempotencyKey of ["a", "b", "c"]) await archiver.ingest({ ...REQUEST, idempotencyKey });
    expect(await forgetIngestKeys(env.DB, archiver.now, 10)).toBe(0);
    expect(await forgetIngestKeys(env.DB, archiver.now + 1, 2)).toBe(2);
    expect(await countRows("ingest_keys")).toBe(1);
  });
});
