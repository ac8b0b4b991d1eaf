import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { useStorage } from "../../test/archiver.ts";
import { GENERIC_FINGERPRINT } from "../tables/index.ts";
import { countHotRows, FIRST_PLACE, hotWatermark, pickHotRows, type Place, type Scope } from "./store.ts";

useStorage();

interface Seed {
  readonly table: string;
  readonly period: string;
  readonly fingerprint: string;
  readonly records: number;
  readonly bytes: number;
  readonly createdAt: number;
}

const SEED: Seed = {
  table: "flights",
  period: "p",
  fingerprint: "known",
  records: 1,
  bytes: 10,
  createdAt: 1,
};

async function seed(rows: readonly Partial<Seed>[]): Promise<void> {
  const values = rows.map((row) => ({ ...SEED, ...row }));
  await env.DB.batch([
    env.DB.prepare("DELETE FROM buffer_logs"),
    env.DB.prepare("DELETE FROM sqlite_sequence"),
    env.DB.prepare(
      `INSERT INTO buffer_logs (message_id, dataset_id, table_name, period, schema_fingerprint, record_count,
                                min_time, max_time, bytes, created_at, data)
       SELECT key, 'LAS', value ->> 'table', value ->> 'period', value ->> 'fingerprint', value ->> 'records',
              0, 0, value ->> 'bytes', value ->> 'createdAt', 'AA=='
       FROM json_each(?) ORDER BY key`,
    ).bind(JSON.stringify(values)),
  ]);
}

const SCOPE: Scope = { watermark: 1_000, schemas: ["flights/known", "quakes/known"], after: FIRST_PLACE };
const NO_BOUNDS = { maxRows: 1_000, maxRecords: 1_000, maxBytes: 1_000_000 };

async function pickIds(
  scope: Partial<Scope>,
  bounds: Partial<typeof NO_BOUNDS> = {},
): Promise<readonly number[]> {
  const rows = await pickHotRows(env.DB, { ...SCOPE, ...scope }, { ...NO_BOUNDS, ...bounds });
  return rows.map(({ id }) => id);
}

const seeds = fc.array(
  fc.record({
    table: fc.constantFrom("flights", "quakes", "notes"),
    period: fc.constantFrom("a", "b", "ä"),
    fingerprint: fc.constantFrom("known", GENERIC_FINGERPRINT, "future"),
    records: fc.integer({ min: 1, max: 4 }),
    bytes: fc.integer({ min: 1, max: 40 }),
  }),
  { maxLength: 25 },
);

describe("picking", () => {
  it("goes through the rows of known schemas, period by period, each row once, within its bounds", async () => {
    await fc.assert(
      fc.asyncProperty(
        seeds,
        fc.record({
          maxRows: fc.integer({ min: 1, max: 6 }),
          maxRecords: fc.integer({ min: 1, max: 8 }),
          maxBytes: fc.integer({ min: 1, max: 90 }),
        }),
        fc.nat(30),
        async (rows, bounds, watermark) => {
          await seed(rows);
          const wanted = rows
            .map((row, index) => ({ ...row, id: index + 1 }))
            .filter(({ id }) => id <= watermark)
            .filter(
              ({ table, fingerprint }) =>
                fingerprint === GENERIC_FINGERPRINT || SCOPE.schemas.includes(`${table}/${fingerprint}`),
            )
            .sort(
              (a, b) =>
                Buffer.compare(
                  Buffer.from(`${a.table}\n${a.period}`),
                  Buffer.from(`${b.table}\n${b.period}`),
                ) || a.id - b.id,
            );
          const picked: number[] = [];
          let after: Place = FIRST_PLACE;
          for (;;) {
            const scope = { ...SCOPE, watermark, after };
            expect(await countHotRows(env.DB, scope)).toBe(wanted.length - picked.length);
            const pass = await pickHotRows(env.DB, scope, bounds);
            const last = pass.at(-1);
            if (last === undefined) break;
            const of = pass.map(({ id }) => rows[id - 1]);
            const sum = (count: (row: (typeof rows)[number]) => number): number =>
              of.reduce((total, row) => total + (row === undefined ? 0 : count(row)), 0);
            const within =
              sum(({ records }) => records) <= bounds.maxRecords &&
              sum(({ bytes }) => bytes) <= bounds.maxBytes;
            expect(pass.length === 1 || (within && pass.length <= bounds.maxRows)).toBe(true);
            picked.push(...pass.map(({ id }) => id));
            after = last;
          }
          expect(picked).toEqual(wanted.map(({ id }) => id));
        },
      ),
      { numRuns: 40 },
    );
  });

  it("answers what a file needs of a row", async () => {
    await seed([{ records: 3 }]);
    expect(await pickHotRows(env.DB, SCOPE, NO_BOUNDS)).toEqual([
      {
        id: 1,
        datasetId: "LAS",
        table: "flights",
        period: "p",
        fingerprint: "known",
        recordCount: 3,
        data: "AA==",
      },
    ]);
  });

  it("takes a first row that is larger than the bounds, alone", async () => {
    await seed([{ bytes: 500, records: 500 }, {}, {}]);
    expect(await pickIds({}, { maxBytes: 20, maxRecords: 20 })).toEqual([1]);
    expect(await pickIds({ after: { table: "flights", period: "p", id: 1 } }, { maxBytes: 20 })).toEqual([
      2, 3,
    ]);
  });

  it("goes past rows of no known schema, however many", async () => {
    await seed([...Array.from({ length: 500 }, () => ({ fingerprint: "future" })), {}, {}, {}]);
    expect(await pickIds({}, { maxRows: 1 })).toEqual([501]);
    expect(await pickIds({ after: { table: "flights", period: "p", id: 501 } }, { maxRows: 9 })).toEqual([
      502, 503,
    ]);
  });
});

describe("the watermark", () => {
  it("is the newest row that is older than the hot window, or none", async () => {
    await seed([{ createdAt: 10 }, { createdAt: 20 }, { createdAt: 20 }, { createdAt: 30 }]);
    const found = await Promise.all(
      [9, 10, 19, 20, 29, 30, 99].map((before) => hotWatermark(env.DB, before)),
    );
    expect(found).toEqual([0, 1, 1, 3, 3, 4, 4]);
  });
});
