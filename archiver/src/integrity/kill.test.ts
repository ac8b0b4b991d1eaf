/** A reindexing that dies or stalls at every operation of it, and the archive that goes on beside it. */
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { expect, it } from "vitest";
import { flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import { pictureStorage, restoreStorage, type StoragePicture } from "../../test/bucket.ts";
import { type Gate, gatedBucket, gatedDatabase, interruptingGate, killingGate } from "../../test/faults.ts";
import { compact } from "../compaction/index.ts";
import { erase } from "../erasure/index.ts";
import { LEASE_TTL_MS } from "../manifest/index.ts";
import { reindex, verify } from "./index.ts";
import { REINDEX_BOUNDS } from "./reindex.ts";

useStorage();

const DATASETS = ["LAS", "OAK"] as const;

async function storeAll(archiver: TestArchiver, minutes: number): Promise<void> {
  for (const datasetId of DATASETS) {
    await archiver.store([flight(minutes), flight(minutes + 1)], { datasetId });
  }
  await archiver.archive();
}

async function loseIndex(): Promise<void> {
  const tables = ["block_indexes", "archived_files", "archived_messages", "sqlite_sequence"];
  await env.DB.batch(tables.map((table) => env.DB.prepare(`DELETE FROM ${table}`)));
}

/** Files of three days, of which one is merged with its sources beside it; no index. */
async function prepare(archiver: TestArchiver): Promise<StoragePicture> {
  archiver.now = Date.now();
  for (const minutes of [0, 5, 1440, 2880]) await storeAll(archiver, minutes);
  await compact(archiver.bindings, { force: true });
  await loseIndex();
  return pictureStorage();
}

function gated(archiver: TestArchiver, gate: Gate): TestArchiver {
  const twin = new TestArchiver({ db: gatedDatabase(gate), bucket: gatedBucket(gate) });
  twin.now = archiver.now;
  return twin;
}

/** Scans in several calls, and applies. */
async function reindexAll(archiver: TestArchiver): Promise<void> {
  let cursor: string | undefined;
  do {
    const result = await reindex(
      archiver.bindings,
      { step: "scan", cursor },
      { ...REINDEX_BOUNDS, objects: 3 },
    );
    if (!result.ok || result.step !== "scan") throw new Error("refused");
    cursor = result.nextCursor ?? undefined;
  } while (cursor !== undefined);
  const result = await reindex(archiver.bindings, { step: "apply", dryRun: false });
  expect(result).toMatchObject({ ok: true, applied: true, conflicts: [] });
}

/** Both datasets' records, each once, and nothing that a check would find. */
async function expectWhole(archiver: TestArchiver, records: number): Promise<void> {
  for (const datasetId of DATASETS) {
    const read = (await archiver.readAll({ datasetId })).map((record) => JSON.stringify(record));
    expect(read).toHaveLength(records);
    expect(new Set(read).size).toBe(records);
  }
  expect(await verify(archiver.bindings, { depth: "full" })).toMatchObject({ ok: true, faults: [] });
}

async function operations(archiver: TestArchiver): Promise<number> {
  const { gate, log } = interruptingGate(-1, () => Promise.resolve());
  await reindexAll(gated(archiver, gate));
  return log.length;
}

it("a reindexing that is killed at any operation shows all of the archive or nothing, and the next one all", async () => {
  const archiver = new TestArchiver();
  const picture = await prepare(archiver);
  const start = archiver.now;
  const count = await operations(archiver);
  expect(count).toBeGreaterThan(15);
  for (let at = 0; at < count; at += 1) {
    for (const moment of ["before", "after"] as const) {
      await restoreStorage(picture);
      archiver.now = start;
      const { gate } = killingGate(at, moment);
      await reindexAll(gated(archiver, gate)).catch(() => undefined);
      const seen = (await archiver.readAll({ datasetId: "LAS" })).length;
      expect([0, 8]).toContain(seen);
      expect(await archiver.readAll({ datasetId: "OAK" })).toHaveLength(seen);
      archiver.now += LEASE_TTL_MS;
      await reindexAll(archiver);
      await expectWhole(archiver, 8);
    }
  }
}, 240_000);

it("a reindexing beside an archive that goes on, at any operation of it, loses and doubles nothing", async () => {
  const archiver = new TestArchiver();
  await prepare(archiver);
  await reindexAll(archiver);
  const picture = await pictureStorage();
  const start = archiver.now;
  const count = await operations(archiver);
  for (let at = 0; at < count; at += 1) {
    await restoreStorage(picture);
    archiver.now = start;
    const { gate } = interruptingGate(at, async () => {
      // Where the reindexing holds the lease, the run waits for its turn.
      archiver.now += at % 3 === 0 ? LEASE_TTL_MS : 1;
      await storeAll(archiver, 30);
      if (at % 2 === 0) await compact(archiver.bindings, { force: true });
    });
    await reindexAll(gated(archiver, gate)).catch(() => undefined);
    archiver.now += LEASE_TTL_MS;
    await archiver.archive();
    expect(await archiver.readAll({ datasetId: "LAS" })).toHaveLength(10);
    await reindexAll(archiver);
    await expectWhole(archiver, 10);
  }
}, 240_000);

type Step = "store" | "archive" | "compact" | "erase" | "lose" | "reindex" | { readonly killed: number };

const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom<Step>("store", "archive") },
    { weight: 2, arbitrary: fc.constantFrom<Step>("compact", "reindex", "lose") },
    { weight: 1, arbitrary: fc.constant<Step>("erase") },
    { weight: 2, arbitrary: fc.record({ killed: fc.nat(30) }) },
  ),
  { minLength: 4, maxLength: 12 },
);

/** What the archive must hold, and the archive. */
class World {
  readonly archiver = new TestArchiver();
  readonly expected = { LAS: 0, OAK: 0 };
  #minutes = 0;
  /** Since the index was lost only a reindexing comes: a run would give ids of rows again. */
  #isLost = false;

  constructor() {
    this.archiver.now = Date.now();
  }

  /** R2 says by the real clock when it took an object: all have the same. */
  #tick(): void {
    this.archiver.now = Math.max(Date.now(), this.archiver.now + 1);
  }

  async take(step: Step): Promise<void> {
    this.#tick();
    if (typeof step === "object") return this.#killed(step.killed);
    if (this.#isLost && step !== "reindex") return;
    switch (step) {
      case "store":
        for (const datasetId of DATASETS) {
          await this.archiver.store([flight(this.#minutes)], { datasetId });
          this.expected[datasetId] += 1;
        }
        this.#minutes += 400;
        return;
      case "archive":
        await this.archiver.archive();
        return;
      case "compact":
        await compact(this.archiver.bindings, { force: true });
        return;
      case "erase":
        await erase(this.archiver.bindings, { datasetId: "OAK" });
        this.expected.OAK = 0;
        return;
      case "lose":
        await env.DB.batch(
          ["block_indexes", "archived_files"].map((table) => env.DB.prepare(`DELETE FROM ${table}`)),
        );
        this.#isLost = true;
        return;
      case "reindex":
        await reindexAll(this.archiver);
        this.#isLost = false;
    }
  }

  async #killed(at: number): Promise<void> {
    const { gate } = killingGate(at, at % 2 === 0 ? "before" : "after");
    await reindexAll(gated(this.archiver, gate)).catch(() => undefined);
    await env.DB.prepare("UPDATE leases SET expires_at = 0").run();
  }
}

it("whatever is archived, merged, erased, lost and reindexed, each record is read once", async () => {
  const empty = await pictureStorage();
  await fc.assert(
    fc.asyncProperty(steps, async (taken) => {
      await restoreStorage(empty);
      const world = new World();
      for (const step of taken) await world.take(step);
      await world.take("reindex");
      for (const datasetId of DATASETS) {
        const read = (await world.archiver.readAll({ datasetId })).map((record) => JSON.stringify(record));
        expect(read).toHaveLength(world.expected[datasetId]);
        expect(new Set(read).size).toBe(read.length);
      }
      expect(await verify(world.archiver.bindings, { depth: "full" })).toMatchObject({ faults: [] });
    }),
    { numRuns: 50 },
  );
}, 240_000);
