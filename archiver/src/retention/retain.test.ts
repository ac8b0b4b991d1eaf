import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { countRows, DAY, EPOCH, flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import { ClockedBucket } from "../../test/clocked.ts";
import { deliverLetters, replay } from "../../test/letters.ts";
import { readStored } from "../../test/stored.ts";
import { compact } from "../compaction/index.ts";
import { continueErasures, erase, listErasures } from "../erasure/index.ts";
import { LEASE_TTL_MS } from "../manifest/index.ts";
import type { Settings } from "../settings.ts";
import { DEFAULT_RETENTION_BOUNDS, GRACE_MS, retain, type RetentionBounds } from "./index.ts";

const HOUR = 3_600_000;

useStorage();

const retainNow = (
  archiver: TestArchiver,
  bounds: Partial<RetentionBounds> = {},
): ReturnType<typeof retain> => retain(archiver.bindings, { ...DEFAULT_RETENTION_BOUNDS, ...bounds });

/** An archiver whose bucket keeps the archiver's time. */
function clocked(settings: Partial<Settings> = {}): {
  readonly archiver: TestArchiver;
  readonly store: ClockedBucket;
} {
  const store: ClockedBucket = new ClockedBucket(() => archiver.now);
  const archiver: TestArchiver = new TestArchiver({ bucket: store.bucket, settings });
  return { archiver, store };
}

/** A file with one flight. */
async function storeFile(archiver: TestArchiver, minutes: number): Promise<string> {
  await archiver.store([flight(minutes)]);
  await archiver.archive();
  const row = await env.DB.prepare(
    "SELECT file_path AS path FROM archived_files ORDER BY id DESC LIMIT 1",
  ).first<{ path: string }>();
  return row?.path ?? "";
}

async function stateOf(path: string): Promise<string | undefined> {
  const row = await env.DB.prepare("SELECT state FROM archived_files WHERE file_path = ?1")
    .bind(path)
    .first<{ state: string }>();
  return row?.state;
}

const isStored = async (path: string): Promise<boolean> => (await env.COLD.head(path)) !== null;

async function keysOf(): Promise<readonly string[]> {
  return (await env.COLD.list()).objects.map(({ key }) => key);
}

/** Announces a file as a writer that dies next, with or without its object. */
async function announce(path: string): Promise<void> {
  await env.DB.prepare(
    `INSERT INTO archived_files (file_path, table_name, period, schema_fingerprint, file_size, header_size,
                                 compression_codec, sha256, sync_marker, record_count, block_count, min_time,
                                 max_time, created_at, last_modified_at, state, state_at)
     VALUES (?1, 'flights', '2026_11_20', 'f', 0, 0, '', '', '', 0, 0, 0, 0, ?2, ?2, 'writing', ?2)`,
  )
    .bind(path, EPOCH)
    .run();
}

describe("retention", () => {
  it("does nothing to an archive in which nothing is over", async () => {
    const { archiver } = clocked({ coldExpiryDays: 30 });
    await storeFile(archiver, 1);
    const before = await readStored();
    expect(await retainNow(archiver)).toMatchObject({
      ran: true,
      expiredFiles: 0,
      replacedFiles: 0,
      deletedBytes: 0,
      orphans: 0,
      lostFiles: 0,
      forgotten: 0,
    });
    expect(await readStored()).toEqual(before);
  });

  it("does nothing while another holds the archive's lease", async () => {
    const { archiver } = clocked({ coldExpiryDays: 30 });
    await storeFile(archiver, 1);
    archiver.now += 31 * DAY;
    await env.DB.prepare("UPDATE leases SET expires_at = ?1")
      .bind(archiver.now + LEASE_TTL_MS)
      .run();
    expect(await retainNow(archiver)).toMatchObject({ ran: false, expiredFiles: 0 });
    expect(await countRows("archived_files")).toBe(1);
  });

  it("stays within its queries, and goes on in the next call", async () => {
    const { archiver } = clocked({ coldExpiryDays: 30 });
    for (const minutes of [1, 2, 3]) await storeFile(archiver, minutes);
    archiver.now += 31 * DAY;
    const first = await retainNow(archiver, { queries: 12 });
    expect(first.spent.d1Queries).toBeLessThanOrEqual(12);
    for (let call = 0; call < 5; call += 1) await retainNow(archiver, { queries: 20 });
    expect(await keysOf()).toEqual([]);
    expect(await countRows("archived_files")).toBe(0);
  });
});

describe("a file of an older version of the Worker, which does not say from when it is retained,", () => {
  it("is not expired for that, and is retained from when it was stored", async () => {
    const { archiver } = clocked({ coldExpiryDays: 30 });
    await storeFile(archiver, 1);
    await env.DB.prepare(
      `INSERT INTO archived_files (file_path, table_name, period, file_size, header_size, compression_codec, sha256,
                                   sync_marker, schema_fingerprint, record_count, block_count, min_time, max_time,
                                   created_at, last_modified_at)
       SELECT 'old', table_name, period, file_size, header_size, compression_codec, sha256, sync_marker,
              schema_fingerprint, record_count, block_count, min_time, max_time, ?1, ?1 FROM archived_files`,
    )
      .bind(archiver.now)
      .run();
    expect(await retainNow(archiver, { sweepPages: 0 })).toMatchObject({ expiredFiles: 0 });
    const row = await env.DB.prepare(
      "SELECT state, retained_from, created_at FROM archived_files WHERE file_path = 'old'",
    ).first<{ state: string; retained_from: number; created_at: number }>();
    expect(row).toEqual({ state: "live", retained_from: row?.created_at, created_at: archiver.now });
  });
});

describe("a file that a compaction replaced", () => {
  it("is removed when its grace of an hour is over, object and row", async () => {
    const { archiver } = clocked();
    const sources = [await storeFile(archiver, 1), await storeFile(archiver, 2)];
    archiver.now = EPOCH + 5 * DAY;
    await compact(archiver.bindings, {});
    archiver.now += GRACE_MS - 1;
    expect(await retainNow(archiver)).toMatchObject({ replacedFiles: 0, deletedBytes: 0 });
    for (const path of sources) expect(await isStored(path)).toBe(true);
    archiver.now += 1;
    const { deletedBytes, replacedFiles } = await retainNow(archiver);
    expect(replacedFiles).toBe(2);
    expect(deletedBytes).toBeGreaterThan(0);
    for (const path of sources) {
      expect([await isStored(path), await stateOf(path)]).toEqual([false, undefined]);
    }
    const { cold, faults } = await readStored();
    expect([cold.length, faults]).toEqual([2, []]);
  });
});

describe("a file that was announced by a writer that died", () => {
  it("is removed, and its path stays taken for an hour, so that no late upload stays", async () => {
    const { archiver } = clocked();
    await announce("flights/2026_11_20/l1-dead.avro");
    await env.COLD.put("flights/2026_11_20/l1-dead.avro", "half");
    await retainNow(archiver);
    expect(await keysOf()).toEqual([]);
    expect(await stateOf("flights/2026_11_20/l1-dead.avro")).toBe("deleting");
    await env.COLD.put("flights/2026_11_20/l1-dead.avro", "late");
    archiver.now += GRACE_MS;
    await retainNow(archiver);
    expect([await keysOf(), await countRows("archived_files")]).toEqual([[], 0]);
  });
});

describe("expiry", () => {
  it("takes a file from the index before the bucket's rule removes its object", async () => {
    const { archiver, store } = clocked({ coldExpiryDays: 30 });
    const path = await storeFile(archiver, 1);
    archiver.now += 30 * DAY - 1;
    expect(await store.expire(30)).toEqual([]);
    await retainNow(archiver);
    expect([await isStored(path), await stateOf(path)]).toEqual([true, "live"]);
    archiver.now += 1;
    expect(await retainNow(archiver)).toMatchObject({ expiredFiles: 1, expiredRecords: 1 });
    expect([await keysOf(), await countRows("archived_files"), await countRows("block_indexes")]).toEqual([
      [],
      0,
      0,
    ]);
  });

  it("counts from the youngest source of a merged file", async () => {
    const { archiver } = clocked({ coldExpiryDays: 30 });
    const begin = archiver.now;
    await storeFile(archiver, 1);
    archiver.now = begin + 3 * DAY;
    await storeFile(archiver, 2);
    archiver.now = begin + 4 * DAY;
    await compact(archiver.bindings, {});
    archiver.now = begin + 33 * DAY - 1;
    expect(await retainNow(archiver)).toMatchObject({ expiredFiles: 0, replacedFiles: 2 });
    archiver.now = begin + 33 * DAY;
    expect(await retainNow(archiver)).toMatchObject({ expiredFiles: 1, expiredRecords: 2 });
  });

  it("leaves the files of a running erasure to it", async () => {
    const { archiver } = clocked({ coldExpiryDays: 30 });
    const path = await storeFile(archiver, 1);
    await env.DB.prepare("INSERT INTO erasure_files (erasure_id, file_path) VALUES ('e', ?1)")
      .bind(path)
      .run();
    archiver.now += 31 * DAY;
    expect(await retainNow(archiver)).toMatchObject({ expiredFiles: 0 });
    expect(await isStored(path)).toBe(true);
  });

  it("never comes to a stack that keeps its records for ever", async () => {
    const { archiver } = clocked();
    const path = await storeFile(archiver, 1);
    archiver.now += 100 * 365 * DAY;
    expect(await retainNow(archiver)).toMatchObject({ expiredFiles: 0, deletedBytes: 0 });
    expect(await isStored(path)).toBe(true);
  });

  it("follows the setting of today: what was to be kept for 60 days goes after 30, and no read meets it", async () => {
    const { archiver: sixty, store } = clocked({ coldExpiryDays: 60 });
    const begin = sixty.now;
    for (let day = 0; day < 40; day += 8) {
      sixty.now = begin + day * DAY;
      await storeFile(sixty, day * 1440);
    }
    sixty.now = begin + 40 * DAY;
    const thirty = new TestArchiver({ bucket: store.bucket, settings: { coldExpiryDays: 30 } });
    thirty.now = sixty.now;
    await store.expire(30);
    expect(await thirty.readAll()).toEqual([16, 24, 32].map((day) => flight(day * 1440)));
    expect(await retainNow(thirty)).toMatchObject({ expiredFiles: 2, lostFiles: 0 });
    expect((await readStored()).faults).toEqual([]);
  });
});

describe("the bucket's lifecycle rule", () => {
  it.each([30, 60])(
    "of %i days removes no object that a read would want",
    async (days) => {
      const { archiver, store } = clocked({ coldExpiryDays: days });
      const begin = archiver.now;
      const stored: number[] = [];
      for (let hour = 0; hour < (days + 8) * 24; hour += 18) {
        archiver.now = begin + hour * HOUR;
        if (hour < 8 * 24) {
          await storeFile(archiver, hour * 60);
          stored.push(hour);
        }
        if (hour % 72 === 0) await compact(archiver.bindings, {});
        await store.expire(days);
        if (hour % 36 === 0) await retainNow(archiver);
        const page = await archiver.read();
        expect(page).toMatchObject({ ok: true, lostBlocks: 0 });
        const kept = stored.filter((at) => begin + (at - 1) * HOUR + days * DAY > archiver.now);
        const found = page.ok ? page.records.length : 0;
        expect(found).toBeGreaterThanOrEqual(kept.length);
      }
      archiver.now += 8 * DAY;
      await retainNow(archiver);
      expect((await readStored()).cold).toEqual([]);
    },
    60_000,
  );
});

describe("the sweep", () => {
  const ORPHAN = "flights/2026_11_20/1-2-0123456789ab.avro";

  it("removes an object that nothing names when it is a day old", async () => {
    const { archiver, store } = clocked();
    await storeFile(archiver, 1);
    await store.bucket.put(ORPHAN, "an uncommitted run's");
    archiver.now += DAY - 1;
    expect(await retainNow(archiver)).toMatchObject({ orphans: 0 });
    expect(await isStored(ORPHAN)).toBe(true);
    archiver.now += 1;
    expect(await retainNow(archiver)).toMatchObject({ orphans: 1, lostFiles: 0 });
    expect(await isStored(ORPHAN)).toBe(false);
    archiver.now += GRACE_MS;
    await retainNow(archiver);
    expect(await countRows("archived_files")).toBe(1);
    expect(await keysOf()).toHaveLength(1);
  });

  it("removes nothing where the index names fewer objects than it does not", async () => {
    const { archiver } = clocked();
    for (const minutes of [1, 2, 3, 4]) await storeFile(archiver, minutes);
    const keys = await keysOf();
    await env.DB.batch(
      ["block_indexes", "archived_files"].map((table) => env.DB.prepare(`DELETE FROM ${table}`)),
    );
    archiver.now += 3 * DAY;
    await storeFile(archiver, 5);
    expect(await retainNow(archiver)).toMatchObject({ orphans: 0 });
    expect(await keysOf()).toEqual(expect.arrayContaining([...keys]));
  });

  it("says that a file is lost whose object is gone, and keeps its index", async () => {
    const { archiver } = clocked();
    const [gone] = [await storeFile(archiver, 1), await storeFile(archiver, 2)];
    await env.COLD.delete(gone);
    expect(await retainNow(archiver)).toMatchObject({ lostFiles: 1 });
    expect(await stateOf(gone)).toBe("lost");
    expect(await countRows("block_indexes")).toBe(2);
    expect(await retainNow(archiver)).toMatchObject({ lostFiles: 0 });
  });

  it("gives a lost file back to the readers when its object is there again, byte for byte", async () => {
    const { archiver } = clocked();
    const path = await storeFile(archiver, 1);
    const bytes = new Uint8Array((await (await env.COLD.get(path))?.arrayBuffer()) ?? []);
    await env.COLD.delete(path);
    await retainNow(archiver);
    await env.COLD.put(path, bytes.slice().fill(1));
    await retainNow(archiver);
    expect(await stateOf(path)).toBe("lost");
    await env.COLD.put(path, bytes);
    await retainNow(archiver);
    expect(await stateOf(path)).toBe("live");
    expect((await readStored()).faults).toEqual([]);
  });

  it("lets an erasure go on that was done, when the object that is there again holds what was erased", async () => {
    const { archiver, store } = clocked();
    await archiver.store([flight(1)], { datasetId: "erased" });
    await archiver.store([flight(2)], { datasetId: "neighbour" });
    await archiver.archive();
    const [path = ""] = await keysOf();
    const bytes = new Uint8Array((await (await env.COLD.get(path))?.arrayBuffer()) ?? []);
    await env.COLD.delete(path);
    await retainNow(archiver);
    expect(await erase(archiver.bindings, { datasetId: "erased" })).toMatchObject({
      receipt: { state: "done" },
    });
    await store.bucket.put(path, bytes);
    await retainNow(archiver);
    expect(await listErasures(env.DB)).toMatchObject([{ state: "running", filesLeft: 1 }]);
    expect(await continueErasures(archiver.bindings)).toBe(0);
    expect(await keysOf()).not.toContain(path);
    const { cold, faults } = await readStored();
    expect(faults).toEqual([]);
    expect(cold).toEqual([`flights neighbour ${JSON.stringify(flight(2))}`]);
  });

  it("looks at every object and every file, a page a call, whatever the pages hold", async () => {
    const { archiver, store } = clocked();
    const paths: string[] = [];
    for (let minutes = 1; minutes <= 12; minutes += 1) paths.push(await storeFile(archiver, minutes));
    for (const path of paths.slice(8)) await env.COLD.delete(path);
    await store.bucket.put("zzz", "an orphan at the end");
    const small = new Proxy(store.bucket, {
      get: (target, name) => {
        if (name === "list") return (options: R2ListOptions) => target.list({ ...options, limit: 3 });
        const member: unknown = Reflect.get(target, name);
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
    const paging = new TestArchiver({ bucket: small });
    paging.now = archiver.now + 2 * DAY;
    let lost = 0;
    let orphans = 0;
    for (let call = 0; call < 4; call += 1) {
      const result = await retainNow(paging);
      lost += result.lostFiles;
      orphans += result.orphans;
    }
    expect([lost, orphans]).toEqual([4, 1]);
    expect((await keysOf()).toSorted()).toEqual(paths.slice(0, 8).toSorted());
  });
});

describe("ids", () => {
  it("of archived messages and of idempotent requests are forgotten after 30 days", async () => {
    const { archiver } = clocked();
    await archiver.store([flight(1)], { idempotencyKey: "once" });
    await archiver.archive();
    archiver.now += 30 * DAY;
    expect(await retainNow(archiver)).toMatchObject({ forgotten: 0 });
    archiver.now += 1;
    expect(await retainNow(archiver)).toMatchObject({ forgotten: 2 });
    expect(await countRows("archived_messages")).toBe(0);
  });

  it("of archived messages are kept for as long as a dead letter may be one of them", async () => {
    const { archiver } = clocked();
    await archiver.ingest({ datasetId: "LAS", table: "flights", records: [flight(1)] });
    const messages = archiver.waiting.splice(0);
    await archiver.deliver(messages);
    // D1's answer was lost every time, and the queue gave the message up.
    await deliverLetters(archiver, messages);
    archiver.now += HOUR;
    await archiver.store([flight(2)]);
    await archiver.archive();
    archiver.now += 31 * DAY;
    expect(await retainNow(archiver)).toMatchObject({ forgotten: 0 });
    await replay(archiver, { all: true });
    await archiver.deliver();
    expect(await archiver.readAll()).toEqual([flight(1), flight(2)]);
    expect(await retainNow(archiver)).toMatchObject({ forgotten: 2 });
  });
});
