import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EPOCH, type Flight, flight } from "../../test/archiver.ts";
import { decodeRecord, registry, scanRecords, type TableSchema } from "../tables/index.ts";
import {
  type Candidate,
  compareCandidates,
  FirstRecords,
  type PageSize,
  type Position,
  positionAfter,
} from "./order.ts";

const TO = EPOCH + 86_400_000;
const MANY: PageSize = { records: 100, bytes: 1_000_000 };
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
  size: PageSize,
): ReturnType<FirstRecords["take"]> {
  const first = new FirstRecords(position, TO, size);
  for (const run of runs) first.offer(runOf(run), "hot");
  return first.take(Number.POSITIVE_INFINITY);
}

const record = fc
  .record({ minutes: fc.integer({ min: 0, max: 3 }), delay: fc.integer({ min: 0, max: 2 }) })
  .map(({ minutes, delay }) => flight(minutes, { delay }));
const runs = fc.array(fc.array(record, { maxLength: 12 }), { maxLength: 5 });
const texts = (items: readonly unknown[]): readonly string[] =>
  items.map((item) => JSON.stringify(item)).sort();

const size = fc.record({ records: fc.integer({ min: 1, max: 5 }), bytes: fc.integer({ min: 1, max: 100 }) });
const bytesOf = (records: readonly Candidate[]): number =>
  records.reduce((sum, candidate) => sum + candidate.size, 0);

describe("the first records after a position", () => {
  it("are a page after page of the whole sorted list, however the records are spread over runs", () => {
    fc.assert(
      fc.property(runs, size, (spread, pageSize) => {
        const pages: unknown[] = [];
        let position = START;
        for (let goOn = true; goOn && pages.length <= spread.flat().length;) {
          const { page, more } = firstAfter(position, spread, pageSize);
          expect([...page].sort(compareCandidates)).toEqual(page);
          pages.push(...page.map(valueOf));
          goOn = more;
          position = positionAfter(page, position);
          spread.reverse();
        }
        expect(texts(pages)).toEqual(texts(spread.flat()));
      }),
    );
  });

  it("are a page that is full by number or by bytes, or all there is", () => {
    fc.assert(
      fc.property(runs, size, (spread, pageSize) => {
        const { page, more } = firstAfter(START, spread, pageSize);
        expect(more).toBe(page.length < spread.flat().length);
        const next = firstAfter(positionAfter(page, START), spread, MANY).page[0];
        const isFull = page.length === pageSize.records;
        const isHeavy = next !== undefined && bytesOf(page) + next.size > pageSize.bytes;
        expect(isFull || isHeavy || next === undefined).toBe(true);
        expect(page.length).toBeLessThanOrEqual(pageSize.records);
        expect(page.length <= 1 || bytesOf(page) <= pageSize.bytes).toBe(true);
      }),
    );
  });

  it("leave out what lies at or after the end", () => {
    const { page } = firstAfter(START, [[flight(0), flight(1440), flight(1439)]], MANY);
    expect(page.map(valueOf)).toEqual([flight(0), flight(1439)]);
  });

  it("end before what is not known yet", () => {
    const first = new FirstRecords(START, TO, MANY);
    first.offer(runOf([flight(0), flight(1), flight(2)]), "cold");
    expect(first.take(flight(2).time)).toMatchObject({ page: { length: 2 }, more: false });
  });

  it("keep their bytes when they let go of the runs that they came in", () => {
    const first = new FirstRecords(START, TO, MANY);
    const run = runOf([flight(0), flight(1)]);
    first.offer(run, "hot");
    const { page } = first.take(Number.POSITIVE_INFINITY);
    run.bytes.fill(0xff);
    expect(page.map(valueOf)).toEqual([flight(0), flight(1)]);
  });
});
