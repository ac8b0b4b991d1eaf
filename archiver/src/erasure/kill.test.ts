/** An erasure that dies, stalls or is watched, at every operation of it. */
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { expect, it } from "vitest";
import { flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import {
  bucketFiles,
  bucketKeys,
  databaseText,
  objectBytes,
  pictureStorage,
  restoreStorage,
  type StoragePicture,
} from "../../test/bucket.ts";
import { gatedBucket, gatedDatabase, interruptingGate, killingGate } from "../../test/faults.ts";
import type { Gate } from "../../test/faults.ts";
import { compact } from "../compaction/index.ts";
import { LEASE_TTL_MS } from "../manifest/index.ts";
import { erase, ERASURE_BOUNDS, listErasures } from "./index.ts";

useStorage();

/** Its clock is ahead of R2's, so that what is stored before an erasure has an earlier time. */
function archiverNow(): TestArchiver {
  const archiver = new TestArchiver();
  archiver.now = Date.now() + 3_600_000;
  return archiver;
}

const SECRET = "QQSECRETQQ";
const ERASED = "tenant-x";
const NEIGHBOUR = "tenant-y";

const secret = (minutes: number) => flight(minutes, { origin: SECRET });

/** Hot rows, a file of both tenants, one of each, a merged one with its sources, and an orphan. */
async function prepare(archiver: TestArchiver): Promise<StoragePicture> {
  for (const minutes of [0, 5]) {
    await archiver.store([secret(minutes)], { datasetId: ERASED });
    await archiver.store([flight(minutes)], { datasetId: NEIGHBOUR });
    await archiver.archive();
  }
  await compact(archiver.bindings, { force: true });
  await archiver.store([secret(1440)], { datasetId: ERASED });
  await archiver.store([flight(1440), flight(1441)], { datasetId: NEIGHBOUR });
  await archiver.store([secret(2880)], { datasetId: ERASED });
  await archiver.store([flight(4320)], { datasetId: NEIGHBOUR });
  await archiver.archive();
  await archiver.store([secret(6)], { datasetId: ERASED });
  await archiver.store([flight(6)], { datasetId: NEIGHBOUR });
  const [source = ""] = await bucketKeys();
  await env.COLD.put("flights/2026_11_20/1-2-deadbeef0000.avro", await objectBytes(source));
  return pictureStorage();
}

function gated(archiver: TestArchiver, gate: Gate): TestArchiver {
  const twin = new TestArchiver({ db: gatedDatabase(gate), bucket: gatedBucket(gate) });
  twin.now = archiver.now;
  return twin;
}

async function operations(archiver: TestArchiver): Promise<number> {
  const { gate, log } = interruptingGate(-1, () => Promise.resolve());
  await erase(gated(archiver, gate).bindings, { datasetId: ERASED });
  return log.length;
}

async function expectDone(archiver: TestArchiver, neighbours: readonly unknown[]): Promise<void> {
  expect(await erase(archiver.bindings, { datasetId: ERASED })).toMatchObject({ receipt: { state: "done" } });
  expect((await listErasures(env.DB)).every(({ state }) => state === "done")).toBe(true);
  expect(await archiver.readAll({ datasetId: ERASED })).toEqual([]);
  expect(await archiver.readAll({ datasetId: NEIGHBOUR })).toEqual(neighbours);
  const files = await bucketFiles();
  expect(files.flatMap(({ records }) => records).filter(({ text }) => text.includes(SECRET))).toEqual([]);
  expect(await databaseText()).not.toContain(SECRET);
  const { results } = await env.DB.prepare(
    "SELECT file_path AS path, state FROM archived_files ORDER BY file_path",
  ).all<{ path: string; state: string }>();
  expect(await bucketKeys()).toEqual(
    expect.arrayContaining(results.filter(({ state }) => state === "live").map(({ path }) => path)),
  );
  expect(results.filter(({ state }) => state !== "live" && state !== "writing")).toEqual([]);
}

it("an erasure that is killed at any operation is finished by the next call, and nobody else loses anything", async () => {
  const archiver = archiverNow();
  const picture = await prepare(archiver);
  const start = archiver.now;
  const neighbours = await archiver.readAll({ datasetId: NEIGHBOUR });
  const count = await operations(archiver);
  expect(count).toBeGreaterThan(25);
  for (let at = 0; at < count; at += 1) {
    for (const moment of ["before", "after"] as const) {
      await restoreStorage(picture);
      archiver.now = start;
      const { gate } = killingGate(at, moment);
      // Only the lease's release may fail without a word.
      await erase(gated(archiver, gate).bindings, { datasetId: ERASED }).catch(() => undefined);
      const begun = (await listErasures(env.DB)).length > 0;
      expect(await archiver.readAll({ datasetId: ERASED })).toHaveLength(begun ? 0 : 5);
      expect(await archiver.readAll({ datasetId: NEIGHBOUR })).toEqual(neighbours);
      archiver.now += LEASE_TTL_MS;
      await expectDone(archiver, neighbours);
    }
  }
}, 240_000);

it("an erasure that stalls at any operation, while another one finishes its work, does no harm when it wakes", async () => {
  const archiver = archiverNow();
  const picture = await prepare(archiver);
  const start = archiver.now;
  const neighbours = await archiver.readAll({ datasetId: NEIGHBOUR });
  const count = await operations(archiver);
  for (let at = 1; at < count; at += 1) {
    await restoreStorage(picture);
    archiver.now = start;
    const { gate } = interruptingGate(at, async () => {
      archiver.now += LEASE_TTL_MS;
      await erase(archiver.bindings, { datasetId: ERASED });
    });
    await erase(gated(archiver, gate).bindings, { datasetId: ERASED }).catch(() => undefined);
    archiver.now += LEASE_TTL_MS;
    expect(await archiver.readAll({ datasetId: NEIGHBOUR })).toEqual(neighbours);
    await expectDone(archiver, neighbours);
  }
}, 240_000);

it("readers see all of the neighbours' records at every operation, and from the first commit on nothing of the erased", async () => {
  const archiver = archiverNow();
  const picture = await prepare(archiver);
  const neighbours = await archiver.readAll({ datasetId: NEIGHBOUR });
  const count = await operations(archiver);
  for (let at = 0; at < count; at += 1) {
    await restoreStorage(picture);
    const { gate } = interruptingGate(at, async () => {
      const begun = (await listErasures(env.DB)).length > 0;
      expect(await archiver.readAll({ datasetId: NEIGHBOUR })).toEqual(neighbours);
      expect(await archiver.readAll({ datasetId: ERASED })).toHaveLength(begun ? 0 : 5);
    });
    await erase(gated(archiver, gate).bindings, { datasetId: ERASED });
  }
}, 240_000);

it("an erasure of any bounds that is killed again and again comes to its end", async () => {
  const archiver = archiverNow();
  const picture = await prepare(archiver);
  const start = archiver.now;
  const neighbours = await archiver.readAll({ datasetId: NEIGHBOUR });
  const chain = fc.array(
    fc.record({
      at: fc.nat(25),
      moment: fc.constantFrom("before", "after"),
      queries: fc.constantFrom(0, 45, 60, 600),
    }),
    { minLength: 2, maxLength: 6 },
  );
  await fc.assert(
    fc.asyncProperty(chain, async (deaths) => {
      await restoreStorage(picture);
      archiver.now = start;
      for (const { at, moment, queries } of deaths) {
        const { gate } = killingGate(at, moment);
        const { bindings } = gated(archiver, gate);
        await erase(bindings, { datasetId: ERASED }, { ...ERASURE_BOUNDS, queries }).catch(() => undefined);
        expect(await archiver.readAll({ datasetId: NEIGHBOUR })).toEqual(neighbours);
        archiver.now += LEASE_TTL_MS;
      }
      await expectDone(archiver, neighbours);
    }),
    { numRuns: 40 },
  );
}, 240_000);
