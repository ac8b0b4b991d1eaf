import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EPOCH, type Flight, flight } from "../../test/archiver.ts";
import { decodeRecord, registry, scanRecords, type TableSchema } from "../tables/index.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { coalesce, MAX_RANGE_BYTES } from "./fetch.ts";
import { type Candidate, compareCandidates, FirstRecords, type Position, positionAfter } from "./order.ts";
import type { ColdBlock } from "./store.ts";

const SCOPE = { datasetId: "LAS", table: "flights", from: EPOCH, to: EPOCH + 86_400_000 };
const START: Position = { time: EPOCH, digest: "", copies: 0 };

function flightsSchema(): TableSchema {
  const schema = registry.newest("flights");
  if (schema === undefined) throw new Error("there is no table of flights");
  return schema;
}

const schema = flightsSchema();
const runOf = (records: readonly Flight[]) =>
  scanRecords(schema, Buffer.concat(records.map((record) => schema.type.toBuffer(record))), records.length);
const valueOf = ({ bytes }: Candidate): unknown => decodeRecord(schema, bytes);

function firstAfter(
  position: Position,
  runs: readonly (readonly Flight[])[],
  size: number,
): readonly Candidate[] {
  const first = new FirstRecords(position, SCOPE.to, size);
  for (const run of runs) first.offer(runOf(run), "hot");
  return first.take(Number.POSITIVE_INFINITY);
}

const record = fc
  .record({ minutes: fc.integer({ min: 0, max: 3 }), delay: fc.integer({ min: 0, max: 2 }) })
  .map(({ minutes, delay }) => flight(minutes, { delay }));
const runs = fc.array(fc.array(record, { maxLength: 12 }), { maxLength: 5 });
const texts = (items: readonly unknown[]): readonly string[] =>
  items.map((item) => JSON.stringify(item)).sort();

describe("the first records after a position", () => {
  it("are a page after page of the whole sorted list, however the records are spread over runs", () => {
    fc.assert(
      fc.property(runs, fc.integer({ min: 1, max: 5 }), (spread, size) => {
        const pages: unknown[] = [];
        let position = START;
        for (let more = true; more && pages.length <= spread.flat().length;) {
          const found = firstAfter(position, spread, size);
          const page = found.slice(0, size);
          expect([...page].sort(compareCandidates)).toEqual(page);
          pages.push(...page.map(valueOf));
          more = found.length > size;
          position = positionAfter(page, position);
          spread.reverse();
        }
        expect(texts(pages)).toEqual(texts(spread.flat()));
      }),
    );
  });

  it("leave out what lies at or after the end", () => {
    const found = firstAfter(START, [[flight(0), flight(1440), flight(1439)]], 10);
    expect(found.map(valueOf)).toEqual([flight(0), flight(1439)]);
  });
});

describe("a cursor", () => {
  const position = fc.record({
    time: fc.integer({ min: SCOPE.from, max: SCOPE.to }),
    digest: fc.oneof(fc.constant(""), fc.stringMatching(/^[0-9a-f]{32}$/)),
    copies: fc.nat(),
  });

  it("brings back its position in its own query and in no other", () => {
    fc.assert(
      fc.property(position, (place) => {
        const cursor = encodeCursor(SCOPE, place);
        expect(cursor).toMatch(/^[A-Za-z0-9_-]+$/);
        expect(decodeCursor(SCOPE, cursor)).toEqual(place);
        expect(decodeCursor({ ...SCOPE, datasetId: "OAK" }, cursor)).toBeNull();
        expect(decodeCursor({ ...SCOPE, from: SCOPE.from - 1 }, cursor)).toBeNull();
      }),
    );
  });

  it("outside of its query's time, or with parts of another kind, is none", () => {
    for (const time of [SCOPE.from - 1, SCOPE.to + 1, 0.5, Number.NaN]) {
      expect(decodeCursor(SCOPE, encodeCursor(SCOPE, { time, digest: "", copies: 0 }))).toBeNull();
    }
    expect(decodeCursor(SCOPE, encodeCursor(SCOPE, { ...START, digest: "xyz" }))).toBeNull();
    expect(decodeCursor(SCOPE, encodeCursor(SCOPE, { ...START, copies: -1 }))).toBeNull();
  });
});

describe("coalescing", () => {
  const block = (filePath: string, start: number, length: number): ColdBlock => ({
    filePath,
    start,
    length,
    codec: "deflate",
    sync: "",
    fingerprint: "",
    crc32: 0,
    recordCount: 1,
    minTime: 0,
  });

  it("joins neighbours of one file, and only them, in any order", () => {
    const blocks = [
      block("b", 30, 10),
      block("a", 110, 20),
      block("a", 100, 10),
      block("a", 140, 5),
      block("b", 20, 10),
    ];
    expect(coalesce(blocks).map(({ filePath, offset, length }) => [filePath, offset, length])).toEqual([
      ["a", 100, 30],
      ["a", 140, 5],
      ["b", 20, 20],
    ]);
  });

  it("covers every block once, byte for byte", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 50 }), fc.boolean()), { maxLength: 20 }),
        (parts) => {
          let offset = 100;
          const blocks = parts.flatMap(([length, wanted]) => {
            const start = offset;
            offset += length;
            return wanted ? [block("a", start, length)] : [];
          });
          const ranges = coalesce(blocks);
          expect(ranges.flatMap((range) => range.blocks)).toEqual(blocks);
          for (const range of ranges) {
            expect(range.offset).toBe(range.blocks[0]?.start);
            expect(range.length).toBe(range.blocks.reduce((sum, { length }) => sum + length, 0));
          }
        },
      ),
    );
  });

  it("keeps a request within its bound", () => {
    const half = MAX_RANGE_BYTES / 2;
    const ranges = coalesce([block("a", 0, half), block("a", half, half), block("a", 2 * half, half)]);
    expect(ranges.map(({ length }) => length)).toEqual([MAX_RANGE_BYTES, half]);
  });
});
