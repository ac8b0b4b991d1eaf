import { describe, expect, it } from "vitest";
import { DAY, EPOCH, flight, TestArchiver } from "../../test/archiver.ts";
import { decodeMessage, type IngestMessage } from "../message/index.ts";
import { registry } from "../tables/index.ts";
import { MAX_BATCH_BYTES, MAX_PAYLOAD_BYTES } from "./limits.ts";

const REQUEST = { datasetId: "LAS", table: "flights" } as const;

function sent(archiver: TestArchiver): readonly IngestMessage[] {
  return archiver.waiting.map(({ body }) => {
    if (!(body instanceof Uint8Array)) throw new Error("a message is not bytes");
    return decodeMessage(body);
  });
}

describe("ingest", () => {
  it("encodes records once and sends one message a UTC day", async () => {
    const archiver = new TestArchiver();
    const records = [flight(0), flight(1439), flight(1440), flight(-1)];
    const result = await archiver.ingest({ ...REQUEST, records });

    expect(result).toMatchObject({ ok: true, accepted: 4, messages: 3 });
    expect(sent(archiver).map(({ period, recordCount }) => [period, recordCount])).toEqual([
      ["2026_11_20", 2],
      ["2026_11_21", 1],
      ["2026_11_19", 1],
    ]);
    expect(sent(archiver)[0]).toMatchObject({
      datasetId: "LAS",
      table: "flights",
      fingerprint: registry.newest("flights")?.fingerprint,
      minTime: EPOCH,
      maxTime: EPOCH + 1439 * 60_000,
    });
    expect(result.ok && result.bytes).toBe(
      sent(archiver).reduce((sum, { payload }) => sum + payload.length, 0),
    );
  });

  it("puts every record into the period that the request names", async () => {
    const archiver = new TestArchiver();
    await archiver.ingest({ ...REQUEST, periodTag: "2026_q4", records: [flight(0), flight(5000)] });
    expect(sent(archiver).map(({ period, recordCount }) => [period, recordCount])).toEqual([["2026_q4", 2]]);
  });

  it("cuts messages below the queue's 128 KB and sends them in one batch below 256 KB", async () => {
    const batches: number[][] = [];
    const archiver = new TestArchiver({
      sendBatch: async (messages) => {
        batches.push([...messages].map(({ body }) => body.byteLength));
        return { metadata: { metrics: { backlogCount: 0, backlogBytes: 0 } } };
      },
    });
    const records = Array.from({ length: 11_000 }, (_, n) => flight(n % 1440));
    expect(await archiver.ingest({ ...REQUEST, records })).toMatchObject({
      ok: true,
      accepted: 11_000,
      messages: 2,
    });
    expect(batches).toHaveLength(1);
    const [sizes = []] = batches;
    expect(Math.max(...sizes)).toBeLessThan(128_000 - 100);
    expect(sizes.reduce((sum, size) => sum + size + 100, 0)).toBeLessThan(256_000);
  });

  it("refuses an unknown table with the list of tables", async () => {
    expect(await new TestArchiver().ingest({ ...REQUEST, table: "battles", records: [{}] })).toEqual({
      ok: false,
      reason: "unknown-table",
      tables: ["earthquakes", "flights"],
    });
  });

  it("refuses a request whole when one record is bad, and lists every fault", async () => {
    const archiver = new TestArchiver();
    const records = [
      flight(0),
      { ...flight(1), delay: "late", gate: 7 },
      { ...flight(2), origin: undefined },
    ];
    const result = await archiver.ingest({ datasetId: "a b", table: "flights", periodTag: "../x", records });
    expect(result).toMatchObject({ ok: false, reason: "invalid", faultCount: 5 });
    expect(!result.ok && result.reason === "invalid" && result.faults.map(({ path }) => path)).toEqual([
      "/datasetId",
      "/periodTag",
      "/records/1/delay",
      "/records/1/gate",
      "/records/2/origin",
    ]);
    expect(archiver.waiting).toEqual([]);
  });

  it.each([
    ["no records", { records: [] }, "/records"],
    ["a time before the year 1", { records: [flight(0, { time: -62_135_596_800_001 })] }, "/records/0/time"],
    [
      "a time after the year 9999",
      { records: [flight(0, { time: 253_402_300_800_000 })] },
      "/records/0/time",
    ],
    [
      "a record larger than a message",
      { records: [flight(0, { origin: "x".repeat(120_000) })] },
      "/records/0",
    ],
    [
      "more days than a batch has messages",
      { records: Array.from({ length: 101 }, (_, n) => flight(n * 1440)) },
      "/records",
    ],
    [
      "more bytes than a batch takes",
      { records: Array.from({ length: 3 }, () => flight(0, { origin: "x".repeat(90_000) })) },
      "/records",
    ],
  ])("refuses %s", async (_, request, path) => {
    const archiver = new TestArchiver();
    const result = await archiver.ingest({ ...REQUEST, ...request });
    expect(result).toMatchObject({ ok: false, reason: "invalid", faultCount: 1, faults: [{ path }] });
    expect(archiver.waiting).toEqual([]);
  });

  it("takes times at both ends of the calendar", async () => {
    const archiver = new TestArchiver();
    const records = [flight(0, { time: -62_135_596_800_000 }), flight(0, { time: 253_402_300_799_999 })];
    expect(await archiver.ingest({ ...REQUEST, records })).toMatchObject({ ok: true });
    expect(sent(archiver).map(({ period }) => period)).toEqual(["0001_01_01", "9999_12_31"]);
  });

  it("says that the queue is unavailable, and when to come again, when it refuses", async () => {
    const archiver = new TestArchiver({
      sendBatch: () => Promise.reject(new Error("Queue sendBatch failed: Too Many Requests")),
    });
    expect(await archiver.ingest({ ...REQUEST, records: [flight(0)] })).toEqual({
      ok: false,
      reason: "queue-unavailable",
      retryAfterSeconds: 5,
    });
  });

  it("gives a repeated request the same message ids when it carries a key, and new ones when not", async () => {
    const ids = async (key: string | undefined, minutes: number): Promise<readonly string[]> => {
      const archiver = new TestArchiver();
      await archiver.ingest({
        ...REQUEST,
        idempotencyKey: key,
        records: [flight(minutes), flight(minutes + DAY / 60_000)],
      });
      return sent(archiver).map(({ id }) => id);
    };
    const first = await ids("upload-7", 0);
    expect(await ids("upload-7", 0)).toEqual(first);
    expect(new Set([...first, ...(await ids("upload-7", 1)), ...(await ids("upload-8", 0))]).size).toBe(6);
    expect(await ids(undefined, 0)).not.toEqual(await ids(undefined, 0));
    expect(first[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it("keeps its limits inside the queue's", () => {
    expect(MAX_PAYLOAD_BYTES).toBeLessThan(127_000);
    expect(MAX_BATCH_BYTES + 100 * 100).toBeLessThan(256_000);
  });
});
