import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Flight, flight } from "../../test/archiver.ts";
import { type Codec, readFile } from "../ocf/index.ts";
import { decodeRecord, recordBytes, registry, scanRecords, type TableSchema } from "../tables/index.ts";
import { decodeRows } from "../cold/index.ts";
import { type ArchiveFile, buildFile, fileKey, groupRows, type HotRow, readRows } from "./plan.ts";

const BLOCK_BYTES = 64 * 1024;

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

function build(rows: readonly HotRow[], codec: Codec = "deflate"): Promise<ArchiveFile> {
  const [group, ...others] = groupRows(rows, find);
  if (group === undefined || others.length > 0) throw new Error("the rows do not make one file");
  return buildFile(group, readRows(group).readable, { codec, blockBytes: BLOCK_BYTES });
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
  it("holds each dataset's records exactly, in time order, in blocks of that dataset only", async () => {
    await fc.assert(
      fc.asyncProperty(hotRows, fc.constantFrom<Codec>("null", "deflate"), async (rows, codec) => {
        const {
          bytes,
          file,
          recordBytes: size,
        } = await build(
          rows.map(({ id, datasetId, records }) => hotRow(id, datasetId, records)),
          codec,
        );
        const stored = new Map<string, unknown[]>();
        const { blocks } = readFile(bytes);
        expect(blocks.reduce((sum, block) => sum + block.records.length, 0)).toBe(size);
        for (const [index, block] of blocks.entries()) {
          const place = file.blocks[index];
          const run = scanRecords(schema, block.records, block.recordCount);
          expect(place).toMatchObject({
            start: block.start,
            length: block.length,
            recordCount: block.recordCount,
            minTime: run.times[0],
            maxTime: run.times.at(-1),
          });
          expect([...run.times]).toEqual([...run.times].sort((a, b) => a - b));
          const decoded = run.times.map((_, record) => decodeRecord(schema, recordBytes(run, record)));
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

  it("is the same, byte for byte and with the same key, for the same rows in any order", async () => {
    await fc.assert(
      fc.asyncProperty(hotRows, async (rows) => {
        const planned = rows.map(({ id, datasetId, records }) => hotRow(id, datasetId, records));
        const built = await build(planned);
        const again = await build(planned.toReversed());
        expect(fileKey(again, 1)).toBe(fileKey(built, 1));
        expect(Buffer.compare(again.bytes, built.bytes)).toBe(0);
        expect(again).toEqual(built);
      }),
    );
  });

  it("has a key of table, period, id range, the run's fence and content", async () => {
    const built = await build([hotRow(17, "LAS", [flight(1)]), hotRow(4, "OAK", [flight(2)])]);
    const other = await build([hotRow(17, "LAS", [flight(1)]), hotRow(4, "OAK", [flight(3)])]);
    expect(fileKey(built, 3)).toMatch(/^flights\/2026_11_20\/4-17-3-[0-9a-f]{12}\.avro$/);
    expect(fileKey(built, 3)).toContain(built.file.sha256.slice(0, 12));
    expect(new Set([fileKey(built, 3), fileKey(built, 4), fileKey(other, 3)]).size).toBe(3);
  });

  it("cuts a dataset's records into blocks of the target size, and no smaller than it must", async () => {
    const records = Array.from({ length: 12_000 }, (_, n) => flight(n % 1440, { delay: n % 60 }));
    const rows = Array.from({ length: 3 }, (_, n) =>
      hotRow(n + 1, "LAS", records.slice(n * 4_000, (n + 1) * 4_000)),
    );
    const { blocks } = readFile((await build(rows)).bytes);
    const sizes = blocks.map((block) => block.records.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(BLOCK_BYTES);
    expect(Math.min(...sizes.slice(0, -1))).toBeGreaterThan(BLOCK_BYTES - 64);
    expect(blocks.reduce((sum, { recordCount }) => sum + recordCount, 0)).toBe(12_000);
  });

  it("gives a record larger than a block a block of its own", async () => {
    const large = flight(1, { origin: "x".repeat(100_000) });
    const { file } = await build([hotRow(1, "LAS", [flight(0), large, flight(2)])]);
    expect(file.blocks.map(({ recordCount }) => recordCount)).toEqual([1, 1, 1]);
  });

  it("says in its header what it holds, so that the index can be made again", async () => {
    const built = await build([
      hotRow(1, "OAK", [flight(1)]),
      hotRow(2, "LAS", [flight(2), flight(7)]),
      hotRow(5, "OAK", [flight(3)]),
    ]);
    const { "strata.rows": rows, ...others } = Object.fromEntries(readFile(built.bytes).header.metadata);
    expect(others).toEqual({
      "strata.table": "flights",
      "strata.period": "2026_11_20",
      "strata.schema.sha256": schema.fingerprint,
      "strata.level": "0",
      "strata.generation": "0",
      "strata.datasets": '[["LAS",2],["OAK",2]]',
    });
    expect(decodeRows(rows ?? "")).toEqual([
      [1, 2],
      [5, 5],
    ]);
    expect(built.rowIds).toEqual([1, 2, 5]);
  });

  it("carries the writer schema with its logical types and without its documentation", async () => {
    const { header } = readFile((await build([hotRow(1, "LAS", [flight(1)])])).bytes);
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
      { ...good, id: 5, recordCount: 0, data: "" },
    ];
    const [group] = groupRows(rows, find);
    if (group === undefined) throw new Error("there is no group");
    const { readable, unreadable } = readRows(group);
    expect([readable.map(({ row }) => row.id), unreadable.map(({ id }) => id)]).toEqual([[1], [2, 3, 4, 5]]);
  });
});
