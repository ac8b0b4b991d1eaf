import { describe, expect, it } from "vitest";
import { EPOCH, flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import { decodeMessage, type IngestMessage } from "../message/index.ts";
import { registry } from "../tables/index.ts";

useStorage();

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

    expect(result).toMatchObject({ ok: true, accepted: 4, messages: 3, replayed: false });
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
      acceptedAt: archiver.now,
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
    ["more records than a request takes", { records: Array.from({ length: 100_001 }) }, "/records"],
    [
      "an idempotency key that no header carries",
      { records: [flight(0)], idempotencyKey: "a\nb" },
      "/idempotencyKey",
    ],
  ])("refuses %s", async (_, request, path) => {
    const archiver = new TestArchiver();
    const result = await archiver.ingest({ ...REQUEST, ...request });
    expect(result).toMatchObject({ ok: false, reason: "invalid", faultCount: 1, faults: [{ path }] });
    expect(archiver.waiting).toEqual([]);
  });

  it.each(["2026-11-22", 1.5, null, undefined])("says what a time is where it is none: %j", async (time) => {
    const result = await new TestArchiver().ingest({ ...REQUEST, records: [{ ...flight(0), time }] });
    expect(result).toMatchObject({
      faultCount: 1,
      faults: [
        { path: "/records/0/time", message: expect.stringMatching(/milliseconds since 1970 \(UTC\)$/) },
      ],
    });
  });

  it("takes times at both ends of the calendar", async () => {
    const archiver = new TestArchiver();
    const records = [flight(0, { time: -62_135_596_800_000 }), flight(0, { time: 253_402_300_799_999 })];
    expect(await archiver.ingest({ ...REQUEST, records })).toMatchObject({ ok: true });
    expect(sent(archiver).map(({ period }) => period)).toEqual(["0001_01_01", "9999_12_31"]);
  });
});
