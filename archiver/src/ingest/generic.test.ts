/** Tables without a schema. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EPOCH, flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import { storedRecords } from "../../test/letters.ts";
import { decodeMessage } from "../message/index.ts";
import { GENERIC_FINGERPRINT, registry } from "../tables/index.ts";

useStorage();

const REQUEST = { datasetId: "LAS", table: "battles" } as const;
const open = (): TestArchiver => new TestArchiver({ settings: { genericTables: true } });

async function faultsOf(record: unknown): Promise<readonly string[]> {
  const result = await open().ingest({ ...REQUEST, records: [record] });
  if (result.ok || result.reason !== "invalid") throw new Error(`not refused: ${JSON.stringify(result)}`);
  return result.faults.map(({ path, message }) => `${path}: ${message}`);
}

/** A value in `depth` arrays. */
const nested = (depth: number): unknown => JSON.parse(`${"[".repeat(depth)}1${"]".repeat(depth)}`);

describe("a table without a schema", () => {
  it("is refused with the list of tables, unless the stack takes generic records", async () => {
    const records = [{ time: EPOCH, hits: 3 }];
    expect(await new TestArchiver().ingest({ ...REQUEST, records })).toEqual({
      ok: false,
      reason: "unknown-table",
      tables: ["earthquakes", "flights"],
    });
    expect(await open().ingest({ ...REQUEST, records })).toMatchObject({ ok: true, accepted: 1 });
  });

  it("is refused everywhere when its name is none that a table may have", async () => {
    for (const table of ["Battles", "../battles", "", "x".repeat(64), "__proto__"]) {
      const result = await open().ingest({ ...REQUEST, table, records: [{ time: EPOCH }] });
      expect(result).toMatchObject({ ok: false, reason: "unknown-table" });
    }
  });

  it("keeps a record as its time and the JSON of the rest", async () => {
    const archiver = open();
    const record = { time: EPOCH + 5, ship: { name: "雪風", hp: [1, 2.5, null] }, won: true };
    await archiver.ingest({ ...REQUEST, records: [record] });
    const [message] = archiver.waiting;
    const { fingerprint, period, payload } = decodeMessage(message?.body as Uint8Array);
    expect({ fingerprint, period }).toEqual({ fingerprint: GENERIC_FINGERPRINT, period: "2026_11_20" });
    expect(registry.generic("battles")?.type.fromBuffer(Buffer.from(payload))).toEqual({
      time: EPOCH + 5,
      body: '{"ship":{"name":"雪風","hp":[1,2.5,null]},"won":true}',
    });
    await archiver.deliver();
    expect(await storedRecords()).toEqual([{ dataset: "LAS", record }]);
  });

  it.each([
    ["no object", 7, ["/records/0: must be an object"]],
    ["an array", [1], ["/records/0: must be an object"]],
    ["no time", { hits: 3 }, ["/records/0/time: is missing"]],
    ["a time that is no integer", { time: 1.5 }, ["/records/0/time: must be an integer"]],
    ["a time beyond the calendar", { time: 253_402_300_800_000 }, ["/records/0/time: must be milliseconds"]],
    [
      "numbers that JSON cannot carry",
      { time: 1, a: [Number.POSITIVE_INFINITY], "b/c": { d: Number.NaN } },
      ["/records/0/a/0: must be finite", "/records/0/b~1c/d: must be finite"],
    ],
    [
      "values that JSON has no form for",
      { time: 1, a: new Date(0), b: 1n, c: undefined },
      ["/records/0/a: must be a JSON value", "/records/0/b: must be a JSON value", "/records/0/c: must be a"],
    ],
    ["values nested beyond the bound", { time: 1, a: nested(64) }, ["/records/0/a/0/0"]],
  ])("refuses a record with %s", async (_, record, faults) => {
    expect(await faultsOf(record)).toEqual(faults.map((fault) => expect.stringContaining(fault)));
  });

  it("takes values as deep as the bound, and does not run out of stack beyond it", async () => {
    expect(await open().ingest({ ...REQUEST, records: [{ time: 1, a: nested(63) }] })).toMatchObject({
      ok: true,
    });
    expect(await faultsOf({ time: 1, a: nested(50_000) })).toHaveLength(1);
    const keyed = { ...REQUEST, idempotencyKey: "deep", records: [{ time: 1, a: nested(50_000) }] };
    expect(await open().ingest(keyed)).toMatchObject({ ok: false, reason: "invalid" });
  });

  it("does not take generic records for a table that has a schema", async () => {
    expect(
      await open().ingest({ datasetId: "LAS", table: "flights", records: [{ ...flight(0), gate: 7 }] }),
    ).toMatchObject({ ok: false, faults: [{ path: "/records/0/gate" }] });
  });

  it("gives back every JSON object as it came", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }),
        async (members) => {
          const record: unknown = { ...(JSON.parse(JSON.stringify(members)) as object), time: EPOCH };
          const archiver = open();
          await archiver.ingest({ ...REQUEST, datasetId: "each", records: [record] });
          const { payload } = decodeMessage(archiver.waiting[0]?.body as Uint8Array);
          expect(registry.generic("battles")?.decode(Buffer.from(payload))).toEqual(record);
        },
      ),
      { numRuns: 200 },
    );
  });
});
