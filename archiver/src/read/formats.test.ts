import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EPOCH, flight, TestArchiver, type TestRecord, useStorage } from "../../test/archiver.ts";
import {
  bytesOf,
  containerRecords,
  decodePage,
  emptyTables,
  FORMATS,
  minutes,
  pageOf,
  recordsOf,
  texts,
} from "../../test/reads.ts";
import type { ReadFormat } from "../contract.ts";
import { readFile } from "../ocf/index.ts";
import { GENERIC_FINGERPRINT, registry as tables, SchemaRegistry } from "../tables/index.ts";

useStorage();

describe("a page", () => {
  it.each(FORMATS)(
    "holds as %s what a sorted list of all records holds",
    { timeout: 30_000 },
    async (format) => {
      const record = fc
        .record({ minute: fc.nat(20), delay: fc.nat(2), distance: fc.nat(400) })
        .map(({ minute, ...fields }) => flight(minute, fields));
      const step = fc.record({
        datasetId: fc.constantFrom("LAS", "LAS", "SFO"),
        records: fc.array(record, { minLength: 1, maxLength: 12 }),
        archive: fc.boolean(),
      });
      const query = fc.record({
        from: fc.integer({ min: -1, max: 12 }).map((minute) => flight(minute).time),
        length: fc.integer({ min: 1, max: 22 }),
        limit: fc.integer({ min: 1, max: 40 }),
      });
      const bounds = fc.record(
        {
          pageBytes: fc.integer({ min: 1, max: 400 }),
          hotPortion: fc.integer({ min: 1, max: 200 }),
        },
        { requiredKeys: [] },
      );
      await fc.assert(
        fc.asyncProperty(
          fc.array(step, { maxLength: 8 }),
          fc.array(fc.tuple(query, bounds), { minLength: 4, maxLength: 4 }),
          async (steps, queries) => {
            await emptyTables();
            const archiver = new TestArchiver({ settings: { blockBytes: 64, fileBytes: 64 * 1024 } });
            for (const { datasetId, records, archive } of steps) {
              await archiver.store(records, { datasetId });
              if (archive) await archiver.archive();
            }
            const stored = steps
              .filter(({ datasetId }) => datasetId === "LAS")
              .flatMap(({ records }) => records);
            for (const [{ from, length, limit }, pageBounds] of queries) {
              const to = from + length * 60_000;
              const expected = stored.filter(({ time }) => time >= from && time < to);
              const found: TestRecord[] = [];
              let cursor: string | undefined;
              do {
                const page = pageOf(
                  await archiver.readStream({ format, from, to, limit, cursor }, pageBounds),
                );
                const records = await decodePage(page, format);
                expect(records.length).toBeLessThanOrEqual(limit);
                expect(page.hot + page.cold).toBe(records.length);
                found.push(...records);
                cursor = page.nextCursor ?? undefined;
              } while (cursor !== undefined);
              expect(found.map(({ time }) => time)).toEqual(
                expected.map(({ time }) => time).toSorted((a, b) => a - b),
              );
              expect(texts(found)).toEqual(texts(expected));
            }
          },
        ),
        { numRuns: 12 },
      );
    },
  );

  it("is the same records in the same order in each format", async () => {
    const archiver = new TestArchiver();
    await archiver.store(Array.from({ length: 50 }, (_, delay) => flight(delay % 5, { delay })));
    const decoded = await Promise.all(
      FORMATS.map(async (format) => decodePage(pageOf(await archiver.readStream({ format })), format)),
    );
    expect(decoded[1]).toEqual(decoded[0]);
    expect(decoded[2]).toEqual(decoded[0]);
  });

  it("without records is an empty array, no line, and a file with a header", async () => {
    const archiver = new TestArchiver();
    const read = async (format: ReadFormat) => bytesOf(pageOf(await archiver.readStream({ format })));
    expect(Buffer.from(await read("json")).toString()).toBe("[]");
    expect(await read("ndjson")).toHaveLength(0);
    const { header, blocks } = readFile(await read("ocf"));
    expect(header).toMatchObject({ schema: tables.newest("flights")?.json, codec: "deflate" });
    expect(blocks).toEqual([]);
  });

  it("carries text as UTF-8, whole also where a chunk ends", async () => {
    const archiver = new TestArchiver();
    const records = minutes(3_000, { origin: "🛫 Zürich\n\u2028", destination: "札幌".repeat(20) });
    for (const start of [0, 1_000, 2_000]) await archiver.store(records.slice(start, start + 1_000));
    for (const format of FORMATS) {
      expect(await decodePage(pageOf(await archiver.readStream({ format })), format)).toEqual(records);
    }
  });

  it("as a file has blocks of about 64 KB, and a second page can follow under the same header", async () => {
    const archiver = new TestArchiver();
    for (let n = 0; n < 10_000; n += 2_500) {
      await archiver.store(
        Array.from({ length: 2_500 }, (_, i) => ({ ...flight(0), time: EPOCH + (n + i) * 1_000 })),
      );
    }
    const bytes = await bytesOf(pageOf(await archiver.readStream({ format: "ocf" })));
    const { blocks } = readFile(bytes);
    expect(blocks.length).toBeGreaterThan(2);
    for (const { records } of blocks.slice(0, -1)) {
      expect(records.length).toBeGreaterThanOrEqual(64 * 1024);
      expect(records.length).toBeLessThan(65 * 1024);
    }
    expect(await bytesOf(pageOf(await archiver.readStream({ format: "ocf" })))).toEqual(bytes);
  });
});

describe("records of a table that has no schema", () => {
  const battle = { time: EPOCH + 5, attacker: "JP", dice: [1, { d: 6 }], "": null };

  it("are read back in each format, hot and cold", async () => {
    const archiver = new TestArchiver({ settings: { genericTables: true } });
    await archiver.store([battle], { table: "battles" });
    for (let round = 0; round < 2; round += 1) {
      expect(recordsOf(await archiver.read({ table: "battles" }))).toEqual([battle]);
      const file = await bytesOf(pageOf(await archiver.readStream({ table: "battles", format: "ocf" })));
      expect(containerRecords(file, "battles", tables)).toEqual([battle]);
      expect(readFile(file).header.schema).toContain("strata.Generic");
      await archiver.archive();
    }
  });

  it("are an empty file of the generic schema where there are none", async () => {
    const archiver = new TestArchiver({ settings: { genericTables: true } });
    const file = await bytesOf(pageOf(await archiver.readStream({ table: "battles", format: "ocf" })));
    expect(readFile(file).header.schema).toBe(tables.generic("battles")?.json);
  });

  it("cannot be in one file with records that have a schema, and the answer says so", async () => {
    const archiver = new TestArchiver();
    await archiver.store(minutes(3));
    const generic = tables.find("flights", GENERIC_FINGERPRINT);
    const record = generic?.type.toBuffer({
      time: flight(3).time,
      body: '{"note":"before there was a schema"}',
    });
    await env.DB.prepare(
      `INSERT INTO buffer_logs (message_id, dataset_id, table_name, period, schema_fingerprint, record_count,
                                min_time, max_time, bytes, created_at, data)
       VALUES ('generic', 'LAS', 'flights', '2026_11_20', ?1, 1, ?2, ?2, ?3, 0, ?4)`,
    )
      .bind(GENERIC_FINGERPRINT, flight(3).time, record?.length, record?.toString("base64"))
      .run();
    const note = { time: flight(3).time, note: "before there was a schema" };
    expect(recordsOf(await archiver.read())).toEqual([...minutes(3), note]);
    expect(await archiver.readStream({ format: "ocf" })).toMatchObject({
      ok: false,
      reason: "invalid",
      faults: [{ path: "/format", message: expect.stringContaining("generic JSON") }],
    });
    const alone = pageOf(await archiver.readStream({ format: "ocf", from: note.time }));
    expect(containerRecords(await bytesOf(alone), "flights", tables)).toEqual([note]);
    const before = pageOf(await archiver.readStream({ format: "ocf", to: note.time }));
    expect(containerRecords(await bytesOf(before), "flights", tables)).toEqual(minutes(3));
  });
});

describe("records that were written before the schema's newest version", () => {
  const time = { name: "time", type: { type: "long", logicalType: "timestamp-millis" } };
  const first = {
    type: "record",
    name: "Flight",
    fields: [time, { name: "delay", type: "int" }, { name: "origin", type: "string" }],
  };
  const second = {
    type: "record",
    name: "Flight",
    fields: [
      time,
      { name: "delay", type: "double" },
      { name: "origin", type: "string" },
      { name: "gate", type: ["null", "string"], default: null },
    ],
  };
  const source = (version: number, schema: object) => ({ table: "flights", version, schema });
  const before = new SchemaRegistry([source(1, first)]);
  const after = new SchemaRegistry([source(1, first), source(2, second)]);
  const old = (n: number) => ({ time: EPOCH + n, delay: n, origin: "LAS" });

  it("are answered in its shape in every format, hot and cold, beside newer ones", async () => {
    const earlier = new TestArchiver({ registry: before });
    const later = new TestArchiver({ registry: after });
    await earlier.store([old(1), old(3)]);
    await earlier.archive();
    await earlier.store([old(5)]);
    await later.store([
      { ...old(2), delay: 2.5, gate: "B7" },
      { ...old(4), gate: null },
    ]);
    const expected = [
      { ...old(1), gate: null },
      { ...old(2), delay: 2.5, gate: "B7" },
      { ...old(3), gate: null },
      { ...old(4), gate: null },
      { ...old(5), gate: null },
    ];
    for (let round = 0; round < 2; round += 1) {
      for (const format of FORMATS) {
        const page = pageOf(await later.readStream({ format }));
        expect(page).toMatchObject(round === 0 ? { hot: 3, cold: 2 } : { hot: 0, cold: 5 });
        expect(await decodePage(page, format, after)).toEqual(expected);
      }
      await later.archive();
    }
    const header = readFile(await bytesOf(pageOf(await later.readStream({ format: "ocf" })))).header;
    expect(header.schema).toBe(after.newest("flights")?.json);
  });

  it("keep their place when the schema changes between two pages", async () => {
    const earlier = new TestArchiver({ registry: before });
    const later = new TestArchiver({ registry: after });
    await earlier.store(Array.from({ length: 9 }, (_, delay) => ({ ...old(1), delay })));
    const page = await earlier.read({ limit: 4 });
    const cursor = page.ok ? (page.nextCursor ?? undefined) : undefined;
    const rest = await later.readAll({ limit: 4 });
    const delays = (records: readonly TestRecord[]) => records.map((record) => Number(record["delay"]));
    const found = [...delays(recordsOf(page)), ...delays(recordsOf(await later.read({ cursor })))];
    expect(found).toEqual(delays(rest));
    expect(found.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });
});
