/** A seeded story of an archive's life, and what has to hold at each page of a read and in the end. */
import { env } from "cloudflare:workers";
import { expect } from "vitest";
import type { IngestRequest, IngestResult, IntegrityFault } from "../src/contract.ts";
import { verify } from "../src/integrity/index.ts";
import { LEASE_TTL_MS } from "../src/manifest/index.ts";
import { writeFile } from "../src/ocf/index.ts";
import { readStats } from "../src/stats.ts";
import { registry } from "../src/tables/index.ts";
import { DAY, EPOCH, flight, type TestRecord } from "./archiver.ts";
import { bucketKeys } from "./bucket.ts";
import { HOUR, Life, type Plot, type Work } from "./life.ts";
import { type Bounds, broken, type Place } from "./promise.ts";
import { pick, type Random, randomFrom, TROUBLES } from "./trouble.ts";

const PLACES: readonly [Place, ...Place[]] = [
  { dataset: "a", table: "flights" },
  { dataset: "b", table: "flights" },
  { dataset: "c", table: "flights" },
  { dataset: "a", table: "notes" },
  { dataset: "b", table: "notes" },
];

const WORKS = ["archive", "archive", "archive", "compact", "retain", "erase", "continue", "reindex"] as const;

/** What an operation that gets into trouble begins with. */
const KINDS = ["batch", "batch", "run", "all", "r2 put", "r2 put", "r2 get", "r2 delete", "r2 list"] as const;

/** A read that goes on page by page while the story does. */
interface Reading extends Place {
  readonly limit: number;
  cursor: string | undefined;
  readonly found: TestRecord[];
  /** The least that every page allows, and the most that one does. */
  bounds: ReadonlyMap<string, Bounds>;
}

export class Story {
  readonly life: Life;
  readonly #random: Random;
  readonly #requests: { readonly request: IngestRequest; readonly at: number }[] = [];
  readonly #readings: Reading[] = [];
  #records = 0;
  #log: string[] = [];

  constructor(seed: number, fired: Set<string>) {
    this.#random = randomFrom(seed);
    this.life = new Life(this.#random, fired);
  }

  get log(): readonly string[] {
    return this.#log;
  }

  async play(): Promise<void> {
    const { life } = this;
    for (let request = 4 + this.#random(4); request > 0; request -= 1) {
      await this.#ingest(undefined);
      if (this.#random(3) > 0) await life.deliver(4);
      if (this.#random(2) === 0) await life.work("archive", "");
    }
    for (let step = 10 + this.#random(10); step > 0; step -= 1) await this.#step(1);
  }

  /** One step; while it stalls, others do theirs. */
  async #step(depth: number): Promise<void> {
    const roll = this.#random(20);
    const plot = this.#random(3) > 0 ? this.#plot(depth) : undefined;
    if (roll < 3) await this.#ingest(plot);
    else if (roll < 5) await this.#deliver(plot);
    else if (roll < 12) await this.#work(plot);
    else if (roll < 14) await this.#read();
    else if (roll < 15) await this.#letters(this.#near(plot));
    else if (roll < 16) this.life.redeliver();
    else if (roll < 17) await this.#note("arrive", undefined, () => this.life.arrive());
    else if (depth > 0) await this.#time();
    else await this.#work(plot);
  }

  async #note<T>(what: string, plot: Plot | undefined, act: () => Promise<T>): Promise<T> {
    const at = this.#log.push("") - 1;
    const began = `${((this.life.now - EPOCH) / DAY).toFixed(4)} ${what}${plot === undefined ? "" : ` (${JSON.stringify(plot.trouble)})`}`;
    this.#log[at] = `${began} …`;
    const result = await act();
    this.#log[at] = `${began} ${JSON.stringify(result) ?? ""}`.slice(0, 300);
    return result;
  }

  #plot(depth: number): Plot {
    return {
      trouble: pick(this.#random, TROUBLES),
      isAt: this.#place(),
      meanwhile: async () => {
        if (this.#random(3) > 0) this.life.now += LEASE_TTL_MS;
        if (depth === 0) return;
        for (let step = this.#random(3); step >= 0; step -= 1) await this.#step(0);
        if (this.#random(2) === 0) await this.#work(undefined);
      },
    };
  }

  /** Where trouble is: at an operation by its number, or at one of its kind. */
  #place(): Plot["isAt"] {
    let at = this.#random(pick(this.#random, [3, 6, 12, 30]));
    if (this.#random(3) === 0) return (index) => index === at;
    const kind = pick(this.#random, KINDS);
    at = this.#random(3);
    return (_, operation) => {
      if (!operation.startsWith(kind)) return false;
      at -= 1;
      return at < 0;
    };
  }

  async #deliver(plot: Plot | undefined): Promise<void> {
    const near = this.#near(plot);
    await this.#note("deliver", near, () => this.life.deliver(1 + this.#random(4), near));
  }

  /** The same trouble, at the first or second operation of what has few of them. */
  #near(plot: Plot | undefined): Plot | undefined {
    const at = this.#random(2);
    return plot === undefined ? undefined : { ...plot, isAt: (index) => index === at };
  }

  async #ingest(plot: Plot | undefined): Promise<void> {
    const old = this.#requests[this.#random(Math.max(this.#requests.length, 1))];
    const isRepeated = old !== undefined && old.at > this.life.now - 20 * DAY && this.#random(3) === 0;
    const request = isRepeated ? old.request : this.#request();
    if (request.idempotencyKey !== undefined && !isRepeated) {
      this.#requests.push({ request, at: this.life.now });
    }
    const refused = this.#random(6) === 0 ? { at: this.#random(2), taken: this.#random(2) === 0 } : null;
    const near = this.#near(plot);
    const what = `ingest ${request.datasetId} ${request.table} ${request.idempotencyKey ?? ""}`;
    const { result, pushed } = await this.#note(what, near, () => this.life.ingest(request, refused, near));
    if (this.#random(10) === 0) this.life.garble();
    if (result === null) return;
    expectAccepted(result, pushed, recordsOf(request));
  }

  #request(): IngestRequest {
    const random = this.#random;
    const { dataset: datasetId, table } = pick(random, PLACES);
    const key = random(2) === 0 ? { idempotencyKey: `key-${random(1_000_000)}` } : {};
    const tag = random(8) === 0 ? { periodTag: "tagged" } : {};
    const target = { datasetId, table, ...key, ...tag };
    const isLarge = random(40) === 0;
    const records = Array.from({ length: isLarge ? 3 : 1 + random(4) }, () => {
      // Some records are equal.
      if (random(5) > 0) this.#records += 1;
      const minutes = random(3) * 1_440 + random(4);
      const { time } = flight(minutes);
      return table === "flights"
        ? flight(minutes, { delay: this.#records })
        : { time, number: this.#records, ...(isLarge ? { text: "x".repeat(100_000) } : {}) };
    });
    if (table !== "flights" || random(4) > 0) return { ...target, records };
    return { ...target, container: containerOf(records) };
  }

  async #work(plot: Plot | undefined): Promise<void> {
    const work: Work = pick(this.#random, WORKS);
    const { dataset } = pick(this.#random, PLACES);
    if (plot !== undefined && this.#random(4) > 0) await this.#material(work);
    await this.#note(`${work}${work === "erase" ? ` ${dataset}` : ""}`, plot, () =>
      this.life.work(work, dataset, plot),
    );
  }

  /** Something that the work can be done with. */
  async #material(work: Work): Promise<void> {
    const { life } = this;
    await this.#ingest(undefined);
    await life.deliver(3);
    if (work === "archive") return;
    await life.work("archive", "");
    if (work === "retain") await life.work("compact", "");
    if (work === "retain" || work === "compact") await life.wait(HOUR);
    if (work === "continue") await life.work("erase", "c", this.#plot(0));
  }

  async #letters(plot: Plot | undefined): Promise<void> {
    switch (this.#random(4)) {
      case 0:
        return this.life.giveUp();
      case 1:
        return this.#note("storeLetters", plot, () => this.life.storeLetters(plot));
      case 2:
        return this.#note("replayLetters", plot, () => this.life.replayLetters(plot));
      default:
        await this.life.storeLetters();
    }
  }

  async #time(): Promise<void> {
    const random = this.#random;
    const days = random(8) === 0 ? 31 : random(3);
    switch (random(6)) {
      case 0:
        return this.#note(`wait ${days} d`, undefined, async () => {
          if (days > 3) await this.life.deliver(Number.POSITIVE_INFINITY);
          await this.life.wait(days * DAY + HOUR);
        });
      case 1:
        return this.#note("remove expired", undefined, () => this.life.removeExpired());
      case 2: {
        const keep = pick<number | null>(random, [null, 3, 30]);
        return this.#note(`keep ${keep}`, undefined, () => this.life.keepFor(keep));
      }
      default:
        return this.#note("wait", undefined, () =>
          this.life.wait(pick(random, [1, 1_000, LEASE_TTL_MS, LEASE_TTL_MS, HOUR, 25 * HOUR])),
        );
    }
  }

  /** Reads one page, of a read that goes on or of a new one. */
  async #read(): Promise<void> {
    if (this.#readings.length < 3 && this.#random(2) === 0) {
      const place = pick(this.#random, PLACES);
      this.#readings.push({
        ...place,
        limit: 1 + this.#random(5),
        cursor: undefined,
        found: [],
        bounds: new Map(),
      });
    }
    const reading = this.#readings[this.#random(Math.max(this.#readings.length, 1))];
    if (reading !== undefined) await this.page(reading);
  }

  /** @returns whether it was the last */
  async page(reading: Reading): Promise<boolean> {
    const { life } = this;
    await life.observe();
    const { dataset, table, limit, cursor, found } = reading;
    const now = life.promises.bounds(reading, await life.expired());
    const page = await life.archiver().read({ datasetId: dataset, table, limit, cursor });
    if (!page.ok) throw new Error(JSON.stringify(page));
    expectEqual(page.lostBlocks, 0);
    reading.bounds = cursor === undefined ? now : joined(reading.bounds, now);
    const allowed = new Map([...now].map(([text, { most }]) => [text, { least: 0, most }]));
    expectEqual(broken(allowed, textsOf(page.records)), []);
    found.push(...page.records);
    const times = found.map((record) => Number(record["time"]));
    expectEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
    reading.cursor = page.nextCursor ?? undefined;
    if (page.nextCursor !== null) return false;
    expectEqual(broken(reading.bounds, textsOf(found)), []);
    const place = this.#readings.indexOf(reading);
    if (place >= 0) this.#readings.splice(place, 1);
    return true;
  }

  /** Every read that was begun comes to its end, and every dataset is read. @returns how many records there are */
  async readAll(): Promise<number> {
    for (const reading of this.#readings.splice(0)) while (!(await this.page(reading)));
    let records = 0;
    for (const place of PLACES) {
      const reading: Reading = { ...place, limit: 4, cursor: undefined, found: [], bounds: new Map() };
      while (!(await this.page(reading)));
      records += reading.found.length;
    }
    return records;
  }

  /** Healthy work comes to its end: nothing is left that has to be done. */
  async end(): Promise<void> {
    const { life } = this;
    await life.settle();
    await this.#ballast();
    await life.work("archive", "");
    while ((await life.work("continue", "")) !== 0);
    await life.work("compact", "");
    for (const pause of [25 * HOUR, 2 * HOUR, 0]) {
      await life.work("retain", "");
      await life.wait(pause);
    }
  }

  /** Files of somebody else, each in a month of its own, so that a few orphans are not most of the bucket. */
  async #ballast(): Promise<void> {
    const records = Array.from({ length: 8 }, (_, month) => flight(month * 45_000));
    await this.life.ingest({ datasetId: "ballast", table: "flights", records }, null);
    await this.life.deliver(Number.POSITIVE_INFINITY);
  }
}

function expectEqual(found: unknown, expected: unknown): void {
  expect(found).toEqual(expected);
}

/** What the answer says of a request is what has become of it. @param pushed records that the queue was given now */
function expectAccepted(result: IngestResult, pushed: readonly string[], records: readonly string[]): void {
  if (result.ok) {
    expect(pushed.toSorted()).toEqual(result.replayed ? [] : records.toSorted());
    return;
  }
  if (result.reason !== "queue-unavailable") throw new Error(`refused: ${JSON.stringify(result)}`);
  const { accepted } = result;
  const left = [...pushed];
  for (const record of records.slice(0, accepted)) {
    const place = left.indexOf(record);
    expect(place).toBeGreaterThanOrEqual(0);
    left.splice(place, 1);
  }
}

const textsOf = (records: readonly unknown[]): readonly string[] =>
  records.map((record) => JSON.stringify(record));

function joined(a: ReadonlyMap<string, Bounds>, b: ReadonlyMap<string, Bounds>): ReadonlyMap<string, Bounds> {
  const none = { least: 0, most: 0 };
  return new Map(
    [...new Set([...a.keys(), ...b.keys()])].map((text) => {
      const [x, y] = [a.get(text) ?? none, b.get(text) ?? none];
      return [text, { least: Math.min(x.least, y.least), most: Math.max(x.most, y.most) }];
    }),
  );
}

const contents = new WeakMap<Uint8Array, readonly unknown[]>();

function containerOf(records: readonly unknown[]): Uint8Array {
  const schema = registry.newest("flights");
  if (schema === undefined) throw new Error("there is no table of flights");
  const block = {
    recordCount: records.length,
    records: Buffer.concat(records.map((record) => schema.type.toBuffer(record))),
  };
  const header = {
    schema: schema.json,
    codec: "deflate",
    metadata: new Map(),
    sync: new Uint8Array(16),
  } as const;
  const { bytes } = writeFile(header, [block]);
  contents.set(bytes, records);
  return bytes;
}

function recordsOf(request: IngestRequest): readonly string[] {
  return textsOf("records" in request ? request.records : (contents.get(request.container) ?? []));
}

export async function faultsOf(story: Story): Promise<readonly IntegrityFault[]> {
  const faults: IntegrityFault[] = [];
  let cursor: string | undefined;
  do {
    const page = await verify(story.life.archiver().bindings, { depth: "full", cursor });
    if (!page.ok) throw new Error(JSON.stringify(page));
    faults.push(...page.faults);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return faults;
}

export async function index(): Promise<readonly unknown[]> {
  const [files, blocks] = await env.DB.batch([
    env.DB.prepare(
      `SELECT file_path, state, file_size, sha256, record_count, block_count, level, generation, retained_from
       FROM archived_files ORDER BY file_path`,
    ),
    env.DB.prepare(
      `SELECT f.file_path, b.dataset_id, b.start_byte, b.length, b.crc32, b.record_count
       FROM block_indexes b JOIN archived_files f ON f.id = b.file_id ORDER BY 1, 3`,
    ),
  ]);
  return [files?.results, blocks?.results];
}

export async function expectSound(story: Story): Promise<void> {
  expect(story.life.promises.unsettled).toEqual([]);
  expect(await faultsOf(story)).toEqual([]);
  const { results } = await env.DB.prepare(
    "SELECT file_path AS path, state FROM archived_files ORDER BY file_path",
  ).all<{ path: string; state: string }>();
  expect(results.filter(({ state }) => state !== "live")).toEqual([]);
  expect(await bucketKeys()).toEqual(results.map(({ path }) => path));
  const records = await story.readAll();
  const ballast = await story.life.archiver().readAll({ datasetId: "ballast" });
  expect(await readStats(env.DB)).toMatchObject({
    hot: { rows: 0, records: 0 },
    cold: { files: results.length, records: records + ballast.length },
    replaced: { files: 0 },
    lost: { files: 0 },
    deadLetters: 0,
  });
}
