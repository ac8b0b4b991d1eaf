/**
 * Seeded stories of compactions and of retention that are killed, stall, fail or
 * meet each other. After each, and again when healthy ones have finished the work,
 * every record stands exactly once in hot and cold storage, and in the end there
 * is no object without a file nor a file without an object.
 */
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { DAY, EPOCH, flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import { ClockedBucket } from "../../test/clocked.ts";
import { gatedBucket, gatedDatabase, type Gate } from "../../test/faults.ts";
import { readStored, type Stored } from "../../test/stored.ts";
import { pick, type Random, randomFrom, type Trouble, troubledGate, TROUBLES } from "../../test/trouble.ts";
import type { CompactionResult } from "../contract.ts";
import { dayOf } from "../names.ts";
import { LEASE_TTL_MS } from "../manifest/index.ts";
import { retain } from "../retention/index.ts";
import { registry } from "../tables/index.ts";
import { compact } from "./index.ts";

const HOUR = 3_600_000;
const STORIES = 240;

useStorage();

/** Operations of a compaction that has two merges, and of retention that has something to remove. */
const OPERATIONS = { compact: 26, retain: 16 } as const;

const DATASETS = ["LAS", "OAK", "SFO"] as const;

/** Adds rows as the consumer would. @returns their records as `readStored` tells them */
async function seedRows(random: Random, periods: readonly string[], now: number): Promise<readonly string[]> {
  const schema = registry.newest("flights");
  if (schema === undefined) throw new Error("there is no table of flights");
  const rows = periods.map((period) => {
    const datasetId = pick(random, DATASETS);
    const records = Array.from({ length: 1 + random(4) }, () => flight(random(5), { delay: random(2) }));
    return { datasetId, period, records };
  });
  const values = rows.map(({ datasetId, period, records }) => {
    const bytes = Buffer.concat(records.map((record) => schema.type.toBuffer(record)));
    return [datasetId, period, records.length, bytes.toString("base64"), bytes.length];
  });
  await env.DB.prepare(
    `INSERT INTO buffer_logs (message_id, dataset_id, table_name, period, schema_fingerprint, record_count,
                              data, bytes, min_time, max_time, created_at)
     SELECT hex(randomblob(16)), value ->> 0, 'flights', value ->> 1, ?2, value ->> 2, value ->> 3, value ->> 4,
            ?3, ?3, ?3
     FROM json_each(?1)`,
  )
    .bind(JSON.stringify(values), schema.fingerprint, now)
    .run();
  return rows.flatMap(({ datasetId, records }) =>
    records.map((record) => `flights ${datasetId} ${JSON.stringify(record)}`),
  );
}

type Work = "archive" | "compact" | "retain";

/** What goes wrong in a story, and where. */
interface Plot {
  readonly work: "compact" | "retain";
  readonly isAt: (index: number, operation: string) => boolean;
  readonly trouble: Trouble;
}

/** The steps that meet every trouble in any case, as the gates name them. */
const STEPS = [
  ["compact", "all SELECT dataset_id AS datasetId"],
  ["compact", "all INSERT INTO archived_files"],
  ["compact", "r2 get"],
  ["compact", "r2 put"],
  ["compact", "batch"],
  ["retain", "r2 delete"],
  ["retain", "r2 list"],
  ["retain", "batch"],
] as const;

/** Every third story goes through the steps, the others through the operations by their number. */
function plotOf(seed: number): Plot {
  const turn = Math.floor(seed / 3);
  if (seed % 3 === 0) {
    const [work, step] = STEPS[turn % STEPS.length] ?? STEPS[0];
    const trouble = TROUBLES[Math.floor(turn / STEPS.length) % TROUBLES.length] ?? TROUBLES[0];
    return { work, trouble, isAt: (_, operation) => operation.startsWith(step) };
  }
  const work = seed % 3 === 1 ? "compact" : "retain";
  const at = turn % OPERATIONS[work];
  const trouble = TROUBLES[(at + Math.floor(turn / OPERATIONS[work])) % TROUBLES.length] ?? TROUBLES[0];
  return { work, trouble, isAt: (index) => index === at };
}

class Story {
  /** Every record that has been stored. */
  readonly records: string[] = [];
  readonly #seed: number;
  readonly #random: Random;
  readonly #fired: Set<string>;
  readonly #arrivals: (() => Promise<void>)[] = [];
  readonly #bucket = new ClockedBucket(() => this.#now);
  readonly #blockBytes: number;
  /** ms UTC. */
  #now = EPOCH;

  /** @param fired what went wrong where, of all stories */
  constructor(seed: number, fired: Set<string>) {
    this.#seed = seed;
    this.#random = randomFrom(seed);
    this.#fired = fired;
    this.#blockBytes = 1 + this.#random(90);
  }

  async play(): Promise<void> {
    const random = this.#random;
    // Three files that never have company, a day's and its neighbour's, each in a file of its own.
    await this.#store(["a", "b", "c", ...Array.from({ length: 3 + random(4) }, () => this.#day())]);
    await this.#archiver().archive({ rowsPerPass: 1 });
    this.#now = EPOCH + pick(random, [3 * DAY, 3 * DAY, 20 * DAY]);
    const { work, isAt, trouble } = plotOf(this.#seed);
    if (work === "retain" || random(2) === 0) await compact(this.#archiver().bindings, {});
    if (random(3) === 0) await this.#more();
    await this.#wait(work === "retain" ? pick(random, [HOUR, DAY + HOUR]) : pick(random, [0, HOUR]));
    const first = this.#troubled(1, work, isAt, trouble);
    await Promise.all(random(4) === 0 ? [first, this.#anyTrouble(1)] : [first]);
    if (random(2) === 0) await this.#wait(pick(random, [LEASE_TTL_MS, HOUR, DAY + HOUR]));
    if (random(2) === 0) await this.#anyTrouble(0);
    if (random(2) === 0) await this.#arrive();
  }

  /** Healthy runs do what is left, when everything has arrived that was on its way. */
  async end(): Promise<CompactionResult> {
    await this.#wait(2 * HOUR);
    for (const pause of [2 * HOUR, 2 * DAY, 2 * HOUR]) {
      await retain(this.#archiver().bindings);
      await this.#wait(pause);
    }
    await this.#archiver().archive();
    const compaction = await compact(this.#archiver().bindings, {});
    await this.#wait(HOUR);
    await retain(this.#archiver().bindings);
    return compaction;
  }

  #day(): string {
    return dayOf(EPOCH + this.#random(2) * DAY);
  }

  async #store(periods: readonly string[]): Promise<void> {
    this.records.push(...(await seedRows(this.#random, periods, this.#now)));
  }

  /** Records that come late, in two files. */
  async #more(): Promise<void> {
    await this.#store([this.#day(), this.#day()]);
    await this.#archiver().archive({ rowsPerPass: 1 });
  }

  #archiver(gate?: Gate): TestArchiver {
    const { bucket } = this.#bucket;
    const archiver = new TestArchiver({
      settings: { blockBytes: this.#blockBytes },
      ...(gate === undefined ? { bucket } : { db: gatedDatabase(gate), bucket: gatedBucket(gate, bucket) }),
    });
    archiver.now = this.#now;
    return archiver;
  }

  async #work(archiver: TestArchiver, work: Work): Promise<unknown> {
    switch (work) {
      case "archive":
        return archiver.archive({ rowsPerPass: 2 });
      case "compact":
        return compact(archiver.bindings, {});
      case "retain":
        return retain(archiver.bindings);
    }
  }

  /** Work in trouble; while it stalls, others may take over, themselves in trouble. */
  async #troubled(depth: number, work: Work, isAt: Plot["isAt"], trouble: Trouble): Promise<void> {
    const { gate, arrive } = troubledGate(isAt, trouble, () => this.#meanwhile(depth), this.#fired);
    this.#arrivals.push(arrive);
    await this.#work(this.#archiver(gate), work).catch(() => undefined);
  }

  #anyTrouble(depth: number): Promise<void> {
    const work = pick<Work>(this.#random, ["archive", "compact", "compact", "retain", "retain"]);
    const at = this.#random(OPERATIONS.retain);
    return this.#troubled(depth, work, (index) => index === at, pick(this.#random, TROUBLES));
  }

  async #meanwhile(depth: number): Promise<void> {
    if (this.#random(3) > 0) this.#now += LEASE_TTL_MS;
    if (this.#random(3) === 0) await this.#store([this.#day()]);
    if (depth > 0) await this.#anyTrouble(depth - 1);
    if (this.#random(2) === 0) await this.#arrive();
    const work = pick<Work>(this.#random, ["archive", "compact", "retain"]);
    if (this.#random(2) === 0) await this.#work(this.#archiver(), work).catch(() => undefined);
  }

  /** Nothing that is under way takes an hour. */
  async #wait(ms: number): Promise<void> {
    if (ms >= HOUR) await this.#arrive();
    this.#now += ms;
  }

  async #arrive(): Promise<void> {
    for (const arrive of this.#arrivals.splice(0)) await arrive();
  }
}

async function expectExactlyOnce(story: Story): Promise<Stored> {
  const stored = await readStored();
  expect(stored.faults).toEqual([]);
  expect([...stored.hot, ...stored.cold].sort()).toEqual(story.records.toSorted());
  return stored;
}

async function forgetAll(): Promise<void> {
  const tables = [
    "block_indexes",
    "archived_files",
    "archived_messages",
    "buffer_logs",
    "leases",
    "bucket_sweep",
  ];
  await env.DB.batch(tables.map((table) => env.DB.prepare(`DELETE FROM ${table}`)));
  await env.COLD.delete((await env.COLD.list()).objects.map(({ key }) => key));
}

describe("compaction and retention in trouble", () => {
  it(`leave every record exactly once, and nothing else in the end, in ${STORIES} stories`, async () => {
    for (const level of ["info", "warn", "error"] as const) vi.spyOn(console, level).mockReturnValue();
    const fired = new Set<string>();
    for (let seed = 0; seed < STORIES; seed += 1) {
      const story = new Story(seed, fired);
      try {
        await story.play();
        await expectExactlyOnce(story);
        expect(await story.end()).toMatchObject({ ran: true, remaining: 0 });
        const { hot, files } = await expectExactlyOnce(story);
        expect(hot).toEqual([]);
        const { results } = await env.DB.prepare("SELECT state FROM archived_files").all<{ state: string }>();
        expect(results).toEqual(files.map(() => ({ state: "live" })));
        const { objects } = await env.COLD.list();
        expect(objects.map(({ key }) => key)).toEqual(files.map(({ path }) => path).toSorted());
        expect(files.filter(({ level }) => level === 0).length).toBeLessThanOrEqual(5);
      } catch (cause) {
        throw new Error(`story ${seed} does not end well`, { cause });
      }
      await forgetAll();
    }
    const untried = ["killed", "failed", "late", "stalled"].flatMap((kind) =>
      STEPS.map(([, step]) => `${kind} at ${step}`).filter(
        (name) => ![...fired].some((text) => text.startsWith(name)),
      ),
    );
    expect(untried).toEqual([]);
  }, 600_000);
});
