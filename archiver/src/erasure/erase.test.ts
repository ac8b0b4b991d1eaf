import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { DAY, flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import { bucketFiles, bucketKeys, databaseText, objectBytes } from "../../test/bucket.ts";
import { compact } from "../compaction/index.ts";
import type { ErasureReceipt } from "../contract.ts";
import { reindex, verify } from "../integrity/index.ts";
import { continueErasures, erase, ERASURE_BOUNDS, listErasures } from "./index.ts";

useStorage();

/** Its clock is ahead of R2's, so that what is stored before an erasure has an earlier time. */
function archiverNow(): TestArchiver {
  const archiver = new TestArchiver();
  archiver.now = Date.now() + 3_600_000;
  return archiver;
}

/** Every record of the erased tenant carries it, and nothing else does. */
const SECRET = "QQSECRETQQ";
const ERASED = "tenant-x";
const NEIGHBOUR = "tenant-y";

const secret = (minutes: number) => flight(minutes, { origin: SECRET });

async function archiveBoth(archiver: TestArchiver, minutes = 0): Promise<void> {
  await archiver.store([secret(minutes), secret(minutes + 1)], { datasetId: ERASED });
  await archiver.store([flight(minutes), flight(minutes + 2)], { datasetId: NEIGHBOUR });
  await archiver.archive();
}

async function eraseAll(archiver: TestArchiver, datasetId = ERASED): Promise<ErasureReceipt> {
  const result = await erase(archiver.bindings, { datasetId });
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result)}`);
  return result.receipt;
}

/** Nothing of the erased tenant's records is in any object or row. */
async function expectGone(): Promise<void> {
  const texts = (await bucketFiles()).flatMap(({ records }) => records.map(({ text }) => text));
  expect(texts.filter((text) => text.includes(SECRET))).toEqual([]);
  const datasets = (await bucketFiles()).flatMap(({ labels }) => labels.datasets.map(([name]) => name));
  expect(datasets).not.toContain(ERASED);
  expect(await databaseText()).not.toContain(SECRET);
}

async function fileStates(): Promise<readonly string[]> {
  const { results } = await env.DB.prepare("SELECT state FROM archived_files ORDER BY id").all<{
    state: string;
  }>();
  return results.map(({ state }) => state);
}

describe("an erasure", () => {
  it("removes every hot row, every block and every object's bytes of a dataset, and says what it removed", async () => {
    const archiver = archiverNow();
    await archiveBoth(archiver);
    await archiver.store([secret(0)], { datasetId: ERASED });
    await archiver.archive();
    await archiver.store([secret(3), secret(4)], { datasetId: ERASED });
    const neighbours = await archiver.readAll({ datasetId: NEIGHBOUR });

    const receipt = await eraseAll(archiver);
    expect(receipt).toMatchObject({
      datasetId: ERASED,
      state: "done",
      requestedAt: archiver.now,
      completedAt: archiver.now,
      hotRows: 1,
      hotRecords: 2,
      coldBlocks: 2,
      coldRecords: 3,
      deadLetters: 0,
      filesRewritten: 1,
      filesDeleted: 1,
      filesLeft: 0,
    });
    expect(receipt.bytesAfter).toBeGreaterThan(0);
    expect(receipt.bytesAfter).toBeLessThan(receipt.bytesBefore);
    expect(await archiver.readAll({ datasetId: ERASED })).toEqual([]);
    expect(await archiver.readAll({ datasetId: NEIGHBOUR })).toEqual(neighbours);
    await expectGone();
    expect(await fileStates()).toEqual(["live"]);
    expect(await listErasures(env.DB)).toEqual([receipt]);
  });

  it("copies the neighbours' blocks byte for byte and keeps what the file says of itself", async () => {
    const archiver = archiverNow();
    await archiveBoth(archiver);
    const [before] = await bucketFiles();
    await eraseAll(archiver);
    const [after, ...others] = await bucketFiles();
    expect(others).toEqual([]);
    expect(after?.blocks).toEqual(before?.blocks.filter(({ datasetId }) => datasetId === NEIGHBOUR));
    const { datasets: _before, generation, retainedFrom: _uploaded, ...kept } = before?.labels ?? {};
    expect(after?.labels).toMatchObject({ ...kept, datasets: [[NEIGHBOUR, 2]], generation: 1 });
    expect(generation).toBe(0);
    expect(after?.labels.retainedFrom).not.toBeNull();
  });

  it("writes a file of several upload parts and range reads again", async () => {
    const archiver = new TestArchiver({ settings: { codec: "null", fileBytes: 8 * 1024 * 1024 } });
    archiver.now = Date.now() + 3_600_000;
    const text = "é".repeat(10_000);
    await archiver.store([secret(1)], { datasetId: ERASED });
    for (let upload = 0; upload < 30; upload += 1) {
      const records = Array.from({ length: 11 }, (_, index) =>
        flight(upload * 11 + index, { origin: `${text}${upload}-${index}` }),
      );
      await archiver.store(records, { datasetId: NEIGHBOUR });
    }
    await archiver.archive();
    const [before] = await bucketFiles();
    expect(await eraseAll(archiver)).toMatchObject({ state: "done", filesRewritten: 1 });
    const [after] = await bucketFiles();
    expect(after?.blocks).toEqual(before?.blocks.filter(({ datasetId }) => datasetId === NEIGHBOUR));
    const checked = await verify(archiver.bindings, { depth: "full" });
    expect(checked).toMatchObject({ faults: [], files: 1, records: 330 });
    expect(checked.ok && checked.bytes).toBeGreaterThan(6 * 1024 * 1024);
    await reindex(archiver.bindings, { step: "scan" });
    expect(await reindex(archiver.bindings, { step: "apply", dryRun: false })).toMatchObject({
      records: 330,
    });
  });

  it("refuses what is no dataset, and does nothing", async () => {
    const archiver = archiverNow();
    const result = await erase(archiver.bindings, { datasetId: "a b" });
    expect(result).toMatchObject({ ok: false, reason: "invalid", faults: [{ path: "/datasetId" }] });
    expect(await listErasures(env.DB)).toEqual([]);
  });

  it("of a dataset that has nothing is done at once", async () => {
    expect(await eraseAll(archiverNow())).toMatchObject({ state: "done", coldBlocks: 0, filesDeleted: 0 });
  });

  it("removes dead letters of the dataset, also one that arrives while it runs", async () => {
    const archiver = archiverNow();
    const letter = (id: string, dataset: string) =>
      env.DB.prepare(
        `INSERT INTO dead_letters (delivery_id, reason, dataset_id, accepted_at, bytes, received_at, body)
         VALUES (?1, 'r', ?2, ?3, 1, 1, ?4)`,
      ).bind(id, dataset, archiver.now - 5, Buffer.from(SECRET).toString("base64"));
    await archiveBoth(archiver);
    await letter("first", ERASED).run();
    const begun = await erase(archiver.bindings, { datasetId: ERASED }, { ...ERASURE_BOUNDS, queries: 0 });
    expect(begun).toMatchObject({ receipt: { state: "running", deadLetters: 1 } });
    await letter("second", ERASED).run();
    await letter("other", NEIGHBOUR).run();
    expect(await eraseAll(archiver)).toMatchObject({ state: "done", deadLetters: 2 });
    const { results } = await env.DB.prepare("SELECT delivery_id AS id FROM dead_letters").all();
    expect(results).toEqual([{ id: "other" }]);
  });

  it("deletes what a compaction has replaced without waiting for its grace", async () => {
    const archiver = archiverNow();
    await archiveBoth(archiver);
    await archiveBoth(archiver, 10);
    await compact(archiver.bindings, { force: true });
    expect(await fileStates()).toEqual(["compacted", "compacted", "live"]);
    expect(await eraseAll(archiver)).toMatchObject({ state: "done", filesRewritten: 1, filesDeleted: 2 });
    await expectGone();
    expect(await fileStates()).toEqual(["live"]);
    expect(await archiver.readAll({ datasetId: NEIGHBOUR })).toHaveLength(4);
  });

  it("deletes an orphan that holds the dataset, and no other object", async () => {
    const archiver = archiverNow();
    await archiveBoth(archiver);
    await archiver.store([flight(1)], { datasetId: "tenant-z" });
    await archiver.archive();
    const [both, ...rest] = await bucketFiles();
    await env.COLD.put("flights/2026_11_20/1-2-deadbeef0000.avro", await objectBytes(both?.key ?? ""));
    await env.COLD.put("notes.txt", "not ours");
    await eraseAll(archiver);
    await expectGone();
    const keys = await bucketKeys();
    expect(keys).toContain("notes.txt");
    expect(keys).toContain(rest[0]?.key);
    expect(keys).toHaveLength(3);
  });

  it("deletes no object when the index was lost: it may be the only copy of its neighbours' records", async () => {
    const archiver = archiverNow();
    await archiveBoth(archiver);
    await env.DB.batch(
      ["block_indexes", "archived_files", "sqlite_sequence"].map((table) =>
        env.DB.prepare(`DELETE FROM ${table}`),
      ),
    );
    await expect(erase(archiver.bindings, { datasetId: ERASED })).rejects.toThrow("rebuild the index first");
    expect(await bucketKeys()).toHaveLength(1);
    expect(await listErasures(env.DB)).toMatchObject([{ state: "running" }]);
  });

  it("deletes no object when the database was replaced, whose hot rows have later ids than any before", async () => {
    const archiver = archiverNow();
    await archiveBoth(archiver);
    await env.DB.batch([
      ...["block_indexes", "archived_files"].map((table) => env.DB.prepare(`DELETE FROM ${table}`)),
      env.DB.prepare("UPDATE row_spaces SET first_row = 1000000"),
      env.DB.prepare("UPDATE sqlite_sequence SET seq = 1000000 WHERE name = 'buffer_logs'"),
    ]);
    await expect(erase(archiver.bindings, { datasetId: ERASED })).rejects.toThrow("rebuild the index first");
    expect(await bucketKeys()).toHaveLength(1);
  });

  it("goes on with one that is not done instead of beginning another, call by call", async () => {
    const archiver = archiverNow();
    for (let day = 0; day < 6; day += 1) await archiveBoth(archiver, day * 1440);
    const ids = new Set<string>();
    let calls = 0;
    for (let done = false; !done && calls < 50; calls += 1) {
      const result = await erase(
        archiver.bindings,
        { datasetId: ERASED },
        { ...ERASURE_BOUNDS, bytes: 1, queries: 80 },
      );
      if (!result.ok) throw new Error("refused");
      expect(await archiver.readAll({ datasetId: ERASED })).toEqual([]);
      expect(await archiver.readAll({ datasetId: NEIGHBOUR })).toHaveLength(12);
      ids.add(result.receipt.id);
      done = result.receipt.state === "done";
      expect(result.receipt.filesLeft).toBeLessThanOrEqual(6);
    }
    expect(calls).toBeGreaterThan(3);
    expect(ids.size).toBe(1);
    await expectGone();
    expect((await eraseAll(archiver)).id).not.toBe([...ids][0]);
  });

  it("is finished by the cron, which says how many are left", async () => {
    const archiver = archiverNow();
    await archiveBoth(archiver);
    expect(await continueErasures(archiver.bindings)).toBe(0);
    for (const datasetId of [ERASED, NEIGHBOUR]) {
      await erase(archiver.bindings, { datasetId }, { ...ERASURE_BOUNDS, queries: 0 });
    }
    expect(await continueErasures(archiver.bindings, { ...ERASURE_BOUNDS, queries: 0 })).toBe(2);
    expect(await continueErasures(archiver.bindings)).toBe(0);
    expect(await bucketKeys()).toEqual([]);
    expect((await listErasures(env.DB)).map(({ state }) => state)).toEqual(["done", "done"]);
  });

  it("does nothing while another works on the archive", async () => {
    const archiver = archiverNow();
    await archiveBoth(archiver);
    await env.DB.prepare("UPDATE leases SET expires_at = ?1")
      .bind(archiver.now + 1_000)
      .run();
    expect(await erase(archiver.bindings, { datasetId: ERASED })).toMatchObject({
      ok: false,
      reason: "archive-busy",
    });
    expect(await archiver.readAll({ datasetId: ERASED })).toHaveLength(2);
  });

  it("stays running while a neighbour's damaged block cannot be copied, and does the rest", async () => {
    const archiver = archiverNow();
    await archiveBoth(archiver);
    await archiveBoth(archiver, 1440);
    await env.DB.prepare("UPDATE block_indexes SET crc32 = 1 WHERE dataset_id = ?1 AND file_id = 1")
      .bind(NEIGHBOUR)
      .run();
    expect(await eraseAll(archiver)).toMatchObject({ state: "running", filesRewritten: 1, filesLeft: 1 });
    await env.DB.prepare("UPDATE block_indexes SET crc32 = 1 WHERE dataset_id = ?1").bind(NEIGHBOUR).run();
    expect(await archiver.readAll({ datasetId: ERASED })).toEqual([]);
  });

  it("erases what came since another one of the dataset began, which cannot be done", async () => {
    const archiver = archiverNow();
    await archiveBoth(archiver);
    await env.DB.prepare("UPDATE block_indexes SET crc32 = 1 WHERE dataset_id = ?1").bind(NEIGHBOUR).run();
    const first = await eraseAll(archiver);
    expect(first.state).toBe("running");
    archiver.now += DAY;
    await archiver.store([secret(7)], { datasetId: ERASED });
    const second = await eraseAll(archiver);
    expect(second).toMatchObject({ requestedAt: archiver.now, hotRecords: 1, state: "done" });
    expect(await archiver.readAll({ datasetId: ERASED })).toEqual([]);
    expect(await eraseAll(archiver)).toMatchObject({ id: first.id, state: "running" });
  });

  it("crosses off a file whose object is gone, and reads of its neighbours say what they miss", async () => {
    const archiver = archiverNow();
    await archiveBoth(archiver);
    const [key] = await bucketKeys();
    await env.COLD.delete(key ?? "");
    expect(await eraseAll(archiver)).toMatchObject({ state: "done", filesRewritten: 0 });
    expect(await fileStates()).toEqual(["lost"]);
    expect(await archiver.read({ datasetId: NEIGHBOUR })).toMatchObject({ lostBlocks: 1, records: [] });
  });
});

describe("after an erasure", () => {
  const upload = { datasetId: ERASED, table: "flights", idempotencyKey: "upload-1", records: [secret(1)] };

  it("an upload that is repeated brings nothing back", async () => {
    const archiver = archiverNow();
    await archiver.ingest(upload);
    await archiver.deliver();
    await eraseAll(archiver);
    archiver.now += 1_000;
    expect(await archiver.ingest(upload)).toMatchObject({ ok: true, accepted: 1, replayed: true });
    await archiver.deliver();
    expect(await archiver.readAll({ datasetId: ERASED })).toEqual([]);
  });

  it("a message that still waited in the queue, or is delivered again, is not stored", async () => {
    const archiver = archiverNow();
    await archiver.ingest(upload);
    const [waiting] = archiver.waiting;
    archiver.now += 1_000;
    await eraseAll(archiver);
    expect((await archiver.deliver()).acked).toEqual([waiting?.id]);
    expect(await archiver.readAll({ datasetId: ERASED })).toEqual([]);
    await expectGone();
  });

  it("a new upload is stored, archived and read, and a second erasure removes it, too", async () => {
    const archiver = archiverNow();
    await archiveBoth(archiver);
    await eraseAll(archiver);
    archiver.now += 1_000;
    await archiver.store([flight(7)], { datasetId: ERASED });
    expect(await archiver.readAll({ datasetId: ERASED })).toHaveLength(1);
    await archiver.archive();
    expect(await archiver.readAll({ datasetId: ERASED })).toHaveLength(1);
    archiver.now += DAY;
    expect(await eraseAll(archiver)).toMatchObject({ state: "done", coldRecords: 1 });
    await expectGone();
    expect(await listErasures(env.DB)).toHaveLength(2);
  });
});
