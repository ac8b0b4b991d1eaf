/** Requests that are larger than one batch of the queue. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { flight, TestArchiver } from "../../test/archiver.ts";
import { refusingSends } from "../../test/letters.ts";
import { decodeMessage, encodeMessage } from "../message/index.ts";
import { decodeRecord, recordBytes, registry, scanRecords } from "../tables/index.ts";
import { MAX_ENVELOPE_BYTES, MAX_PAYLOAD_BYTES, MAX_SLICES } from "./limits.ts";
import { pack } from "./pack.ts";

const REQUEST = { datasetId: "LAS", table: "flights" } as const;
const QUEUE_METADATA_BYTES = 100;

/** A record of about `size` bytes. */
const large = (minutes: number, size: number) => flight(minutes, { origin: "x".repeat(size) });

interface Sends {
  readonly archiver: TestArchiver;
  readonly batches: (readonly Uint8Array[])[];
}

function refusing(...refused: readonly number[]): Sends {
  const batches: (readonly Uint8Array[])[] = [];
  const sendBatch = refusingSends(new Set(refused), (bodies) => void batches.push(bodies));
  return { archiver: new TestArchiver({ sendBatch }), batches };
}

const idsOf = (batch: readonly Uint8Array[]): readonly string[] =>
  batch.map((body) => decodeMessage(body).id);

/** Every record of some batches. */
function recordsOf(batches: readonly (readonly Uint8Array[])[]): readonly unknown[] {
  return batches.flat().flatMap((body) => {
    const { fingerprint, payload, recordCount } = decodeMessage(body);
    const schema = registry.find("flights", fingerprint);
    if (schema === undefined) throw new Error("a message of no schema");
    const run = scanRecords(schema, payload, recordCount);
    return run.times.map((_, index) => decodeRecord(schema, recordBytes(run, index)));
  });
}

describe("a large request", () => {
  it("of small records travels as few messages below 128 KB in one batch below 256 KB", async () => {
    const { archiver, batches } = refusing();
    const records = Array.from({ length: 11_000 }, (_, n) => flight(n % 1440));
    expect(await archiver.ingest({ ...REQUEST, records })).toMatchObject({ accepted: 11_000, messages: 2 });
    expect(batches).toHaveLength(1);
    const sizes = batches.flat().map((body) => body.byteLength + QUEUE_METADATA_BYTES);
    expect(Math.max(...sizes)).toBeLessThan(128_000);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(256_000);
  });

  it("is cut, in its order, into batches that are sent one after another", async () => {
    const { archiver, batches } = refusing();
    const records = Array.from({ length: 7 }, (_, n) => large(n, 100_000));
    expect(await archiver.ingest({ ...REQUEST, records })).toMatchObject({ accepted: 7, messages: 7 });
    expect(batches.map(({ length }) => length)).toEqual([2, 2, 2, 1]);
    expect(recordsOf(batches)).toEqual(records);
  });

  it("of more days than a batch has messages is cut as well", async () => {
    const { archiver, batches } = refusing();
    const records = Array.from({ length: 101 }, (_, n) => flight(n * 1440));
    expect(await archiver.ingest({ ...REQUEST, records })).toMatchObject({ accepted: 101, messages: 101 });
    expect(batches.map(({ length }) => length)).toEqual([100, 1]);
  });

  it.each([
    [0, 0],
    [1, 2],
    [3, 6],
  ])(
    "whose batch %i is refused is accepted up to there, and the answer says how far",
    async (nth, accepted) => {
      const { archiver, batches } = refusing(nth);
      const records = Array.from({ length: 7 }, (_, n) => large(n, 100_000));
      expect(await archiver.ingest({ ...REQUEST, records })).toEqual({
        ok: false,
        reason: "queue-unavailable",
        retryAfterSeconds: 5,
        accepted,
        of: 7,
      });
      expect(recordsOf(batches)).toEqual(records.slice(0, accepted));
    },
  );

  it("is never sent beyond a refusal", async () => {
    const { archiver, batches } = refusing(1);
    const records = Array.from({ length: 7 }, (_, n) => large(n, 100_000));
    await archiver.ingest({ ...REQUEST, records });
    expect(batches).toHaveLength(1);
  });

  it("has other message ids in each batch, also where the records are equal", async () => {
    const { archiver, batches } = refusing();
    await archiver.ingest({ ...REQUEST, records: Array.from({ length: 6 }, () => large(0, 100_000)) });
    expect(new Set(batches.flatMap(idsOf)).size).toBe(6);
  });

  it("may have as many batches as the bound says, and one record more is refused with the number that fits", async () => {
    const { archiver, batches } = refusing();
    const records = Array.from({ length: 2 * MAX_SLICES }, (_, n) => large(n, 115_000));
    expect(await archiver.ingest({ ...REQUEST, records })).toMatchObject({ ok: true, accepted: 32 });
    expect(batches).toHaveLength(MAX_SLICES);
    const more = await archiver.ingest({ ...REQUEST, records: [...records, large(0, 20_000)] });
    expect(more).toMatchObject({ ok: false, faultCount: 1, faults: [{ path: "/records" }] });
    expect(more.ok || more.reason !== "invalid" ? "" : more.faults[0]?.message).toContain(
      "the first 32 of 33",
    );
    expect(batches).toHaveLength(MAX_SLICES);
  });

  it("of too many days is refused", async () => {
    const { archiver, batches } = refusing();
    const records = Array.from({ length: 1_601 }, (_, n) => flight(n * 1440));
    expect(await archiver.ingest({ ...REQUEST, records })).toMatchObject({ ok: false, faultCount: 1 });
    expect(batches).toEqual([]);
  });
});

describe("packing", () => {
  const NAMES = { datasetId: "d".repeat(128), table: "t".repeat(63), period: "p".repeat(64) };

  it("keeps every record once and in order of slices, each within what the queue takes", () => {
    const record = fc.record({
      size: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: MAX_PAYLOAD_BYTES })),
      period: fc.nat(150),
    });
    fc.assert(
      fc.property(fc.array(record, { maxLength: 250 }), (records) => {
        const packed = pack({
          datasetId: NAMES.datasetId,
          schema: { table: NAMES.table, fingerprint: "ab".repeat(32) },
          key: "k",
          acceptedAt: 253_402_300_799_999,
          records: records.map(({ size }, index) => ({
            time: index,
            bytes: new Uint8Array(size).fill(index),
          })),
          periodOf: (time) => String(records[time]?.period).padStart(64, "p"),
        });
        let first = 0;
        for (const slice of packed.slices) {
          const part = records.slice(first, first + slice.records);
          first += slice.records;
          const bodies = slice.messages.map(encodeMessage);
          expect(bodies.length).toBeLessThanOrEqual(100);
          const sizes = bodies.map((body) => body.byteLength + QUEUE_METADATA_BYTES);
          expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(128_000);
          expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(256_000);
          expect(slice.messages.reduce((sum, { recordCount }) => sum + recordCount, 0)).toBe(part.length);
          expect(slice.messages.reduce((sum, { payload }) => sum + payload.length, 0)).toBe(
            part.reduce((sum, { size }) => sum + size, 0),
          );
        }
        expect(first).toBe(packed.fitting ?? records.length);
        expect(packed.slices.length).toBeLessThanOrEqual(MAX_SLICES);
      }),
      { numRuns: 60 },
    );
  });

  it("reserves enough for an envelope with the longest names", () => {
    const size = encodeMessage({
      id: crypto.randomUUID(),
      datasetId: NAMES.datasetId,
      table: NAMES.table,
      period: NAMES.period,
      fingerprint: "ab".repeat(32),
      recordCount: 100_000,
      minTime: -62_135_596_800_000,
      maxTime: 253_402_300_799_999,
      acceptedAt: 253_402_300_799_999,
      payload: new Uint8Array(),
    }).byteLength;
    // The payload's own length takes two bytes more when there is one.
    expect(size + 2).toBeLessThanOrEqual(MAX_ENVELOPE_BYTES);
  });
});
