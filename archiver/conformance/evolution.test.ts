import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readFile, SYNC_BYTES, writeFile } from "../src/ocf/index.ts";
import {
  decodeRecord,
  recordBytes,
  scanRecords,
  SchemaRegistry,
  type TableSchema,
} from "../src/tables/index.ts";
import { valueOf } from "./arbitrary.ts";
import { Evolution, rounded, tableSchemaOf } from "./evolution.ts";
import { Random } from "./random.ts";

const TIME = { name: "time", type: { type: "long", logicalType: "timestamp-millis" } };
const seeds = fc.noShrink(fc.nat());

function versionOf(registry: SchemaRegistry, table: string, version: number): TableSchema {
  const schema = registry.known
    .map(({ fingerprint }) => registry.find(table, fingerprint))
    .find((found) => found?.version === version);
  if (schema === undefined) throw new Error(`there is no version ${version} of ${table}`);
  return schema;
}

/** Writes records to a file in one version, and reads them back as the archive does. */
function throughFile(schema: TableSchema, records: readonly object[]): readonly unknown[] {
  const bytes = Buffer.concat(records.map((record) => schema.type.toBuffer(record)));
  const header = {
    schema: schema.json,
    codec: "deflate",
    metadata: new Map(),
    sync: new Uint8Array(SYNC_BYTES),
  };
  const file = writeFile({ ...header, codec: "deflate" }, [{ recordCount: records.length, records: bytes }]);
  return readFile(file.bytes).blocks.flatMap((block) => {
    const run = scanRecords(schema, block.records, block.recordCount);
    return run.times.map((_, index) => decodeRecord(schema, recordBytes(run, index)));
  });
}

const reading = (version: number, ...fields: readonly unknown[]) => ({
  table: "readings",
  version,
  schema: { type: "record", name: "Reading", fields: [TIME, ...fields] },
});

describe("blocks of an older version", () => {
  const registry = new SchemaRegistry([
    reading(1, { name: "count", type: "int" }, { name: "old", type: "string" }),
    reading(2, { name: "count", type: "long" }, { name: "unit", type: "string", default: "m" }),
    reading(
      3,
      { name: "unit", type: ["null", "string"], default: null },
      { name: "total", type: "double", aliases: ["count"] },
    ),
  ]);

  it("are read as the newest: fields added, dropped, promoted and renamed", () => {
    expect(throughFile(versionOf(registry, "readings", 1), [{ time: 1, count: 7, old: "gone" }])).toEqual([
      { time: 1, total: 7, unit: null },
    ]);
    expect(
      throughFile(versionOf(registry, "readings", 2), [{ time: 2, count: 2 ** 40, unit: "km" }]),
    ).toEqual([{ time: 2, total: 2 ** 40, unit: "km" }]);
    expect(throughFile(versionOf(registry, "readings", 3), [{ time: 3, unit: "s", total: 0.1 }])).toEqual([
      { time: 3, unit: "s", total: 0.1 },
    ]);
  });

  it("an int that becomes a float is rounded as a float, in JSON and in bytes alike", () => {
    const floats = new SchemaRegistry([
      reading(1, { name: "x", type: "int" }),
      reading(2, { name: "x", type: "float" }),
    ]);
    const [record] = throughFile(versionOf(floats, "readings", 1), [{ time: 1, x: 16_777_217 }]);
    expect(record).toEqual({ time: 1, x: 16_777_216 });
  });
});

describe("any table that changes twice in any way that keeps old records readable", () => {
  it("gives every record of every version as the newest, value for value and in the newest's bytes", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = new Random(seed);
        const evolution = new Evolution(random);
        const first = evolution.record(3);
        const second = evolution.change(first);
        const third = evolution.change(second.shape);
        const sources = [first, second.shape, third.shape].map((shape, index) => ({
          table: "readings",
          version: index + 1,
          schema: tableSchemaOf(shape),
        }));
        let registry: SchemaRegistry;
        try {
          registry = new SchemaRegistry(sources);
        } catch (error) {
          // Aliases and order are not part of the canonical form.
          if (error instanceof Error && error.message.includes("repeats an earlier version")) return;
          throw error;
        }
        const migrations = [
          (value: unknown) => third.migrate(second.migrate(value)),
          third.migrate,
          (value: unknown) => value,
        ];
        const newest = versionOf(registry, "readings", 3);
        for (const [index, migrate] of migrations.entries()) {
          const schema = versionOf(registry, "readings", index + 1);
          const values = random
            .list(4, () => valueOf(random, schema.type))
            .filter((value) => value instanceof Object);
          const expected = values.map((value) => rounded(third.shape, migrate(value)));
          expect(throughFile(schema, values)).toEqual(expected);
          const bytes = values.map((value) => registry.newestBytes(schema, schema.type.toBuffer(value)));
          const run = scanRecords(newest, Buffer.concat(bytes), bytes.length);
          expect(bytes.map((_, at) => decodeRecord(newest, recordBytes(run, at)))).toEqual(expected);
        }
      }),
      { numRuns: 500 },
    );
  });
});
