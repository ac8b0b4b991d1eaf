import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Flight, flight } from "../../test/archiver.ts";
import { readFile } from "../ocf/index.ts";
import { decodeRecord, recordBytes, registry, scanRecords, type TableSchema } from "../tables/index.ts";
import { buildFile, groupRows, type HotRow, readRows, TARGET_BLOCK_BYTES } from "./plan.ts";

function flightsSchema(): TableSchema {
  const schema = registry.newest("flights");
  if (schema === undefined) throw new Error("there is no table of flights");
  return schema;
}

const schema = flightsSchema();

function hotRow(id: number, datasetId: string, records: readonly Flight[]): HotRow {
  const data = Buffer.concat(records.map((record) => schema.type.toBuffer(record))).toString("base64");
  const { table, fingerprint } = schema;
  return { id, datasetId, table, period: "2026_11_20", fingerprint, recordCount: records.length, data };
}

const find = registry.find.bind(registry);

function build(rows: readonly HotRow[]): ReturnType<typeof buildFile> {
  const [group, ...others] = groupRows(rows, find);
  if (group === undefined || others.length > 0) throw new Error("the rows do not make one file");
  return buildFile(group, readRows(group).readable);
}

const datasetIds = fc.constantFrom("LAS", "OAK", "ü", "a", "Z");
const flights = fc.array(
  fc
    .record({ minutes: fc.nat(5), delay: fc.integer({ min: -3, max: 3 }) })
    .map(({ minutes, delay }) => flight(minutes, { delay })),
  { minLength: 1, maxLength: 5 },
);
const hotRows = fc
  .array(fc.tuple(datasetIds, flights), { minLength: 1, maxLength: 12 })
  .map((items) => items.map(([datasetId, records], index) => ({ id: index + 1, datasetId, records })));

describe("a planned file", () => {
  it("holds each dataset's records exactly, in time order, in blocks of that dataset only", () => {
    fc.assert(
      fc.property(hotRows, (rows) => {
        const file = build(rows.map(({ id, datasetId, records }) => hotRow(id, datasetId, records)));
        const stored = new Map<string, unknown[]>();
        for (const block of readFile(file.bytes).blocks) {
          const place = file.blocks.find(({ start }) => start === block.start);
          const run = scanRecords(schema, block.records, block.recordCount);
          expect(place).toMatchObject({
            length: block.length,
            minTime: run.times[0],
            maxTime: run.times.at(-1),
          });
          expect([...run.times]).toEqual([...run.times].sort((a, b) => a - b));
          const decoded = run.times.map((_, index) => decodeRecord(schema, recordBytes(run, index)));
          stored.set(place?.datasetId ?? "", [...(stored.get(place?.datasetId ?? "") ?? []), ...decoded]);
        }
        const wanted = Map.groupBy(rows, ({ datasetId }) => datasetId);
        expect([...stored.keys()].sort()).toEqual([...wanted.keys()].sort());
        for (const [datasetId, group] of wanted) {
          const text = (records: readonly unknown[]): readonly string[] =>
            records.map((r) => JSON.stringify(r)).sort();
          expect(text(stored.get(datasetId) ?? [])).toEqual(text(group.flatMap(({ records }) => records)));
        }
      }),
    );
  });

  it("is the same, byte for byte and with the same key, for the same rows in any order", () => {
    fc.assert(
      fc.property(hotRows, (rows) => {
        const planned = rows.map(({ id, datasetId, records }) => hotRow(id, datasetId, records));
        const file = build(planned);
        const again = build(planned.toReversed());
        expect(again.key).toBe(file.key);
        expect(Buffer.compare(again.bytes, file.bytes)).toBe(0);
        expect(again.blocks).toEqual(file.blocks);
      }),
    );
  });

  it("has a key of table, period, id range and content", () => {
    const file = build([hotRow(17, "LAS", [flight(1)]), hotRow(4, "OAK", [flight(2)])]);
    expect(file.key).toMatch(/^flights\/2026_11_20\/4-17-[0-9a-f]{12}\.avro$/);
    expect(build([hotRow(17, "LAS", [flight(1)]), hotRow(4, "OAK", [flight(3)])]).key).not.toBe(file.key);
  });

  it("cuts a dataset's records into blocks of the target size, and no smaller than it must", () => {
    const records = Array.from({ length: 12_000 }, (_, n) => flight(n % 1440, { delay: n % 60 }));
    const rows = Array.from({ length: 3 }, (_, n) =>
      hotRow(n + 1, "LAS", records.slice(n * 4_000, (n + 1) * 4_000)),
    );
    const { blocks } = readFile(build(rows).bytes);
    const sizes = blocks.map((block) => block.records.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(TARGET_BLOCK_BYTES);
    expect(Math.min(...sizes.slice(0, -1))).toBeGreaterThan(TARGET_BLOCK_BYTES - 64);
    expect(blocks.reduce((sum, { recordCount }) => sum + recordCount, 0)).toBe(12_000);
  });

  it("gives a record larger than a block a block of its own", () => {
    const large = flight(1, { origin: "x".repeat(100_000) });
    const file = build([hotRow(1, "LAS", [flight(0), large, flight(2)])]);
    expect(file.blocks.map(({ recordCount }) => recordCount)).toEqual([1, 1, 1]);
  });

  it("says in its header which datasets its blocks hold, so that the index can be made again", () => {
    const file = build([
      hotRow(1, "OAK", [flight(1)]),
      hotRow(2, "LAS", [flight(2)]),
      hotRow(3, "OAK", [flight(3)]),
    ]);
    const { metadata } = readFile(file.bytes).header;
    expect(Object.fromEntries(metadata)).toEqual({
      "strata.table": "flights",
      "strata.period": "2026_11_20",
      "strata.schema.sha256": schema.fingerprint,
      "strata.rows": "1-3",
      "strata.datasets": '[["LAS",1],["OAK",1]]',
    });
  });

  it("carries the writer schema with its logical types and without its documentation", () => {
    const header = readFile(build([hotRow(1, "LAS", [flight(1)])]).bytes).header;
    expect(JSON.parse(header.schema)).toMatchObject({
      name: "Flight",
      fields: [{ name: "time", type: { type: "long", logicalType: "timestamp-millis" } }, {}, {}, {}, {}],
    });
    expect(header.schema).not.toContain('"doc"');
  });
});

describe("grouping", () => {
  it("makes one group a table, period and schema, and leaves out schemas that it does not know", () => {
    const row = hotRow(1, "LAS", [flight(1)]);
    const groups = groupRows(
      [
        row,
        { ...row, id: 2, period: "other" },
        { ...row, id: 3, fingerprint: "unknown" },
        { ...row, id: 4, datasetId: "OAK" },
      ],
      find,
    );
    expect(groups.map((group) => group.rows.map(({ id }) => id))).toEqual([[1, 4], [2]]);
  });

  it("sets apart rows whose bytes are not their records", () => {
    const good = hotRow(1, "LAS", [flight(1)]);
    const rows = [
      good,
      { ...good, id: 2, data: "AAAA" },
      { ...good, id: 3, recordCount: 2 },
      { ...good, id: 4, recordCount: 0 },
    ];
    const [group] = groupRows(rows, find);
    if (group === undefined) throw new Error("there is no group");
    const { readable, unreadable } = readRows(group);
    expect([readable.map(({ row }) => row.id), unreadable.map(({ row }) => row.id)]).toEqual([
      [1],
      [2, 3, 4],
    ]);
  });
});
