/**
 * 1,000 seeded stories of runs that are killed, stall, fail or meet each other.
 * After each, and again when a healthy run has finished the work, every record
 * stands exactly once in hot and cold storage, and the objects hold exactly the
 * rows that they say they hold.
 */
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { EPOCH, flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import { type Gate, gatedBucket, gatedDatabase } from "../../test/faults.ts";
import { readStored, type Stored } from "../../test/stored.ts";
import { pick, type Random, randomFrom, type Trouble, troubledGate, TROUBLES } from "../../test/trouble.ts";
import { countOf, type RowRange, rowsOf, unionRows } from "../cold/index.ts";
import type { ArchiveRunResult } from "../contract.ts";
import { LEASE_TTL_MS, withLease } from "../manifest/index.ts";
import type { Settings } from "../settings.ts";
import { registry } from "../tables/index.ts";
import type { RunBounds } from "./run.ts";

useStorage();
afterEach(() => void vi.restoreAllMocks());

const STORIES = 1_000;

/** Rows of a version that is not released yet stay hot. */
const FUTURE = "f".repeat(64);
const DATASETS = ["LAS", "OAK", "SFO"] as const;
const PERIODS = ["2026_11_20", "2026_11_21"] as const;

interface SeedRow {
  readonly datasetId: string;
  readonly table: string;
  readonly period: string;
  readonly fingerprint: string;
  readonly records: readonly Buffer[];
  /** The records as `readStored` tells them. */
  readonly texts: readonly string[];
}

function flightsRow(random: Random): SeedRow {
  const schema = registry.newest("flights");
  if (schema === undefined) throw new Error("there is no table of flights");
  const datasetId = pick(random, DATASETS);
  const known = random(12) > 0;
  const values = Array.from({ length: 1 + random(3) }, () => flight(random(4), { delay: random(2) }));
  return {
    datasetId,
    table: "flights",
    period: random(4) === 0 ? PERIODS[1] : PERIODS[0],
    fingerprint: known ? schema.fingerprint : FUTURE,
    records: values.map((value) => schema.type.toBuffer(value)),
    texts: known
      ? values.map((value) => `flights ${datasetId} ${JSON.stringify(value)}`)
      : [`flights ${datasetId} ${FUTURE}`],
  };
}

function notesRow(random: Random): SeedRow {
  const schema = registry.generic("notes");
  if (schema === undefined) throw new Error("there is no generic envelope");
  const datasetId = pick(random, DATASETS);
  const values = Array.from({ length: 1 + random(3) }, () => ({ time: EPOCH + random(3), note: random(2) }));
  return {
    datasetId,
    table: "notes",
    period: PERIODS[0],
    fingerprint: schema.fingerprint,
    records: values.map(({ time, note }) => schema.type.toBuffer({ time, body: JSON.stringify({ note }) })),
    texts: values.map((value) => `notes ${datasetId} ${JSON.stringify(value)}`),
  };
}

/** Adds rows as the consumer would. @returns their records */
async function seedRows(random: Random, count: number): Promise<readonly string[]> {
  const rows = Array.from({ length: count }, () => (random(6) === 0 ? notesRow(random) : flightsRow(random)));
  const values = rows.map(({ datasetId, table, period, fingerprint, records }) => {
    const bytes = Buffer.concat(records);
    return [datasetId, table, period, fingerprint, records.length, bytes.toString("base64"), bytes.length];
  });
  await env.DB.prepare(
    `INSERT INTO buffer_logs (message_id, dataset_id, table_name, period, schema_fingerprint, record_count,
                              data, bytes, min_time, max_time, created_at)
     SELECT hex(randomblob(16)), value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
            value ->> 6, ?2, ?2, ?2
     FROM json_each(?1)`,
  )
    .bind(JSON.stringify(values), EPOCH)
    .run();
  return rows.flatMap(({ texts }) => texts);
}

/** Operations of a run that has three passes, and some more. */
const OPERATIONS = 16;

class Story {
  /** Every record that has been stored. */
  readonly records: string[] = [];
  readonly #random: Random;
  readonly #bounds: Partial<RunBounds>;
  readonly #settings: Pick<Settings, "blockBytes" | "fileBytes">;
  readonly #arrivals: (() => Promise<void>)[] = [];
  readonly #seed: number;
  readonly #fired: Set<string>;
  /** ms UTC, for runs that begin. */
  #now = EPOCH;

  /** @param fired where what went wrong, of all stories */
  constructor(seed: number, fired: Set<string>) {
    const random = randomFrom(seed);
    this.#seed = seed;
    this.#random = random;
    this.#fired = fired;
    this.#bounds = { rowsPerPass: 2 + random(6), filesPerCommit: 1 + random(3) };
    this.#settings = { blockBytes: 1 + random(60), fileBytes: 100 + random(300) };
  }

  async play(): Promise<void> {
    await this.#store(3 + this.#random(5));
    // Each trouble meets each operation; the rest is chance.
    const trouble = TROUBLES[Math.floor(this.#seed / OPERATIONS) % TROUBLES.length] ?? TROUBLES[0];
    const first = this.#troubled(1, this.#seed % OPERATIONS, trouble);
    await Promise.all(this.#random(4) === 0 ? [first, this.#anyTrouble(1)] : [first]);
    if (this.#random(2) === 0) await this.#sweep();
    if (this.#random(2) === 0) await this.#anyTrouble(0);
    if (this.#random(2) === 0) await this.#arrive();
  }

  /** Healthy runs do what is left, and everything arrives that is still on its way. */
  async end(): Promise<ArchiveRunResult> {
    this.#now += LEASE_TTL_MS;
    await this.#archiver().archive();
    await this.#arrive();
    return this.#archiver().archive();
  }

  async #store(count: number): Promise<void> {
    this.records.push(...(await seedRows(this.#random, count)));
  }

  #archiver(gate?: Gate): TestArchiver {
    const small = { settings: this.#settings };
    const archiver = new TestArchiver(
      gate === undefined ? {} : { ...small, db: gatedDatabase(gate), bucket: gatedBucket(gate) },
    );
    archiver.now = this.#now;
    return archiver;
  }

  /** A run in trouble; while it stalls, others may take over, themselves in trouble. */
  async #troubled(depth: number, at: number, trouble: Trouble): Promise<void> {
    const { gate, arrive } = troubledGate(
      (index) => index === at,
      trouble,
      () => this.#meanwhile(depth),
      this.#fired,
    );
    this.#arrivals.push(arrive);
    await this.#archiver(gate)
      .archive(this.#bounds)
      .catch(() => undefined);
  }

  #anyTrouble(depth: number): Promise<void> {
    return this.#troubled(depth, this.#random(OPERATIONS), pick(this.#random, TROUBLES));
  }

  /** A clearing finds objects that no file of the manifest names, and stalls before it deletes them. */
  async #sweep(): Promise<void> {
    this.#now += LEASE_TTL_MS;
    const { bindings, bucket, db } = this.#archiver();
    const orphans = await withLease(bindings, async () => {
      const { objects } = await bucket.list();
      const { results } = await db
        .prepare("SELECT file_path AS key FROM archived_files")
        .all<{ key: string }>();
      const named = new Set(results.map(({ key }) => key));
      return objects.map(({ key }) => key).filter((key) => !named.has(key));
    });
    this.#arrivals.push(() => bucket.delete(orphans ?? []));
  }

  async #meanwhile(depth: number): Promise<void> {
    if (this.#random(3) > 0) this.#now += LEASE_TTL_MS;
    if (this.#random(4) === 0) await this.#sweep();
    if (this.#random(3) === 0) await this.#store(1 + this.#random(2));
    if (depth > 0) await this.#anyTrouble(depth - 1);
    if (this.#random(2) === 0) await this.#arrive();
    if (this.#random(2) === 0) await this.#archiver().archive();
  }

  async #arrive(): Promise<void> {
    for (const arrive of this.#arrivals.splice(0)) await arrive();
  }
}

async function lastRowId(): Promise<number> {
  const row = await env.DB.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'buffer_logs'").first<{
    seq: number;
  }>();
  return row?.seq ?? 0;
}

/** Rows that stand nowhere, or in two places, by the ids in D1 and in the objects' headers. */
function misplaced({ hotRows, files }: Stored, [first, last]: RowRange): readonly string[] {
  const places = [rowsOf(hotRows), ...files.map(({ rows }) => rows)];
  const union = unionRows(...places);
  const standing = places.reduce((sum, rows) => sum + countOf(rows), 0);
  return [
    ...(standing > countOf(union) ? ["a row stands twice"] : []),
    ...(JSON.stringify(union) === JSON.stringify([[first, last]])
      ? []
      : [`rows ${first} to ${last} became ${union.join(" ")}`]),
  ];
}

async function expectExactlyOnce(story: Story, first: number): Promise<Stored> {
  const stored = await readStored();
  expect(stored.faults).toEqual([]);
  expect([...stored.hot, ...stored.cold].sort()).toEqual(story.records.toSorted());
  expect(misplaced(stored, [first, await lastRowId()])).toEqual([]);
  return stored;
}

async function forget(): Promise<void> {
  const tables = ["block_indexes", "archived_files", "archived_messages", "buffer_logs", "leases"];
  await env.DB.batch(tables.map((table) => env.DB.prepare(`DELETE FROM ${table}`)));
  const { objects } = await env.COLD.list();
  await env.COLD.delete(objects.map(({ key }) => key));
}

/** Lease, watermark, pick, upload, commit, release: as the gates name them. */
const OPERATION_NAMES = [
  "INSERT INTO leases",
  "SELECT id FROM",
  "WITH candidate",
  "r2 put",
  "batch",
  "UPDATE leases",
];

describe("an archive run in trouble", () => {
  it("leaves every record exactly once in hot and cold storage, in 1,000 stories", async () => {
    for (const level of ["info", "warn", "error"] as const) vi.spyOn(console, level).mockReturnValue();
    const fired = new Set<string>();
    for (let seed = 0; seed < STORIES; seed += 1) {
      const first = (await lastRowId()) + 1;
      const story = new Story(seed, fired);
      try {
        await story.play();
        await expectExactlyOnce(story, first);
        expect(await story.end()).toMatchObject({ ran: true, remaining: 0 });
        const { hot } = await expectExactlyOnce(story, first);
        expect(hot.filter((text) => !text.endsWith(FUTURE))).toEqual([]);
      } catch (cause) {
        throw new Error(`story ${seed} does not end well`, { cause });
      }
      await forget();
    }
    const untried = ["killed", "failed", "late", "stalled"].flatMap((kind) =>
      OPERATION_NAMES.filter(
        (name) => ![...fired].some((text) => text.startsWith(kind) && text.includes(name)),
      ),
    );
    expect(untried).toEqual([]);
  }, 600_000);
});
