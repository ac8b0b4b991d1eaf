import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { countRows, DAY, EPOCH, type Flight, flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import { gatedBucket, gatedDatabase, interruptingGate } from "../../test/faults.ts";
import { readStored } from "../../test/stored.ts";
import { decodeRows, rowsOf } from "../cold/index.ts";
import type { CompactionRequest } from "../contract.ts";
import { LEASE_TTL_MS } from "../manifest/index.ts";
import { parseHeader, readFile } from "../ocf/index.ts";
import { compact, type CompactionBounds, DEFAULT_COMPACTION_BOUNDS } from "./index.ts";

useStorage();

/** The days that the tests store are over. */
const LATER = EPOCH + 5 * DAY;

const NOBODY = "nobody's";

function compactNow(
  archiver: TestArchiver,
  request: CompactionRequest = {},
  bounds: Partial<CompactionBounds> = {},
): ReturnType<typeof compact> {
  return compact(archiver.bindings, request, { ...DEFAULT_COMPACTION_BOUNDS, ...bounds });
}

type Batch = readonly [datasetId: string, records: readonly Flight[]];

/** Stores each list of batches as a file of its own. */
async function storeFiles(archiver: TestArchiver, files: readonly (readonly Batch[])[]): Promise<void> {
  for (const batches of files) {
    for (const [datasetId, records] of batches) await archiver.store(records, { datasetId });
    await archiver.archive();
  }
  archiver.now = LATER;
}

const hourly = (files: number, datasetId = "LAS"): readonly (readonly Batch[])[] =>
  Array.from({ length: files }, (_, hour): readonly Batch[] => [
    [datasetId, Array.from({ length: 10 }, (_, n) => flight(60 * hour + n))],
  ]);

interface FileState {
  readonly path: string;
  readonly state: string;
  readonly level: number;
  readonly generation: number;
  readonly period: string;
  readonly retained_from: number;
}

async function fileStates(): Promise<readonly FileState[]> {
  const { results } = await env.DB.prepare(
    `SELECT file_path AS path, state, level, generation, period, retained_from FROM archived_files ORDER BY id`,
  ).all<FileState>();
  return results;
}

async function liveFiles(): Promise<readonly FileState[]> {
  return (await fileStates()).filter(({ state }) => state === "live");
}

async function bytesOf(path: string): Promise<Uint8Array> {
  const object = await env.COLD.get(path);
  if (object === null) throw new Error(`${path} is not there`);
  return new Uint8Array(await object.arrayBuffer());
}

async function onlyLiveBytes(): Promise<Uint8Array> {
  const [file, ...others] = await liveFiles();
  if (file === undefined || others.length > 0) throw new Error("there is not one live file");
  return bytesOf(file.path);
}

/** Two files that together have more than one part's bytes. */
async function storeLarge(): Promise<TestArchiver> {
  const archiver = new TestArchiver({ settings: { codec: "null", genericTables: true } });
  const body = "x".repeat(20_000);
  for (const half of [0, 1]) {
    for (let part = 0; part < 15; part += 1) {
      const records = Array.from({ length: 10 }, (_, n) => ({ time: EPOCH + 100 * part + n, half, body }));
      await archiver.store(records, { table: "notes" });
    }
    await archiver.archive();
  }
  archiver.now = LATER;
  return archiver;
}

/** A bucket that refuses every part of an upload. @param aborted gets the keys of those that are given up */
function failingParts(aborted: string[]): R2Bucket {
  return new Proxy(env.COLD, {
    get: (target, name) => {
      if (name === "createMultipartUpload") {
        return async (key: string): Promise<R2MultipartUpload> => {
          const upload = await target.createMultipartUpload(key);
          return {
            key,
            uploadId: upload.uploadId,
            uploadPart: () => Promise.reject(new Error("part refused")),
            complete: (parts) => upload.complete(parts),
            abort: () => {
              aborted.push(key);
              return upload.abort();
            },
          };
        };
      }
      const member: unknown = Reflect.get(target, name);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

describe("a compaction", () => {
  it("makes one file of a day's, with every record once, and says what became of files and bytes", async () => {
    const archiver = new TestArchiver();
    await storeFiles(archiver, hourly(5));
    const before = await readStored();
    const result = await compactNow(archiver);
    const after = await readStored();
    expect(result).toMatchObject({ ran: true, merges: 1, remaining: 0, records: 50 });
    expect(result).toMatchObject({ filesBefore: 5, filesAfter: 1, blocksBefore: 5, blocksAfter: 1 });
    expect(result.bytesAfter).toBeLessThan(result.bytesBefore / 2);
    expect(after.faults).toEqual([]);
    expect(after.files).toHaveLength(1);
    expect(after.cold).toEqual(before.cold);
  });

  it("keeps the sources' objects for readers that are just at them, and takes them from the index", async () => {
    const archiver = new TestArchiver();
    await storeFiles(archiver, hourly(3));
    const sources = (await liveFiles()).map(({ path }) => path);
    await compactNow(archiver);
    const files = await fileStates();
    expect(files.filter(({ path }) => sources.includes(path)).map(({ state }) => state)).toEqual(
      sources.map(() => "compacted"),
    );
    for (const path of sources) expect(await env.COLD.head(path)).not.toBeNull();
    expect(await countRows("block_indexes")).toBe(1);
  });

  it("writes into the header whose rows they are and from when their retention counts", async () => {
    const archiver = new TestArchiver();
    await storeFiles(archiver, hourly(3));
    const retained = Math.max(...(await liveFiles()).map(({ retained_from }) => retained_from));
    await compactNow(archiver);
    const [file] = await liveFiles();
    expect(file).toMatchObject({ level: 1, generation: 1, period: "2026_11_20", retained_from: retained });
    expect(file?.path).toMatch(/^flights\/2026_11_20\/l1-[0-9a-f-]+\.avro$/);
    const { metadata } = parseHeader(await onlyLiveBytes());
    expect(decodeRows(metadata.get("strata.rows") ?? "")).toEqual(rowsOf([1, 2, 3]));
    expect(metadata.get("strata.retained_from")).toBe(String(retained));
    expect(metadata.get("strata.datasets")).toBe('[["LAS",30]]');
  });

  it("puts the records of all sources in order of time, keeps equal ones, and never mixes datasets", async () => {
    const archiver = new TestArchiver({ settings: { blockBytes: 200 } });
    const spread = [0, 1, 2].map((file): readonly Batch[] => [
      ["LAS", Array.from({ length: 20 }, (_, n) => flight(3 * n + file))],
      ["OAK", [flight(7), flight(7), flight(file)]],
      ...(file === 1 ? ([["SFO", [flight(9)]]] as const) : []),
    ]);
    await storeFiles(archiver, spread);
    const before = await readStored();
    await compactNow(archiver);
    const after = await readStored();
    expect(after.faults).toEqual([]);
    expect(after.cold).toEqual(before.cold);
    const [file] = after.files;
    const las = (file?.records ?? []).filter((text) => text.startsWith("flights LAS "));
    expect(las).toEqual(Array.from({ length: 60 }, (_, n) => `flights LAS ${JSON.stringify(flight(n))}`));
  });

  it("cuts blocks anew where sources share a dataset, and copies those that one source has alone", async () => {
    const archiver = new TestArchiver({ settings: { blockBytes: 300 } });
    const alone = Array.from({ length: 40 }, (_, n) => flight(n));
    await storeFiles(archiver, [
      [
        ["LAS", [flight(1)]],
        ["OAK", alone],
      ],
      [["LAS", [flight(2)]]],
    ]);
    const [first] = await liveFiles();
    const source = readFile(await bytesOf(first?.path ?? "")).blocks.slice(1);
    const result = await compactNow(archiver);
    const merged = readFile(await onlyLiveBytes());
    expect(merged.blocks[0]?.recordCount).toBe(2);
    expect(merged.blocks.slice(1).map(({ records }) => records)).toEqual(
      source.map(({ records }) => records),
    );
    expect(result.spent.compressedBytes).toBe(merged.blocks[0]?.records.length);
  });

  it("cuts a dataset anew whose blocks are much smaller than they should be", async () => {
    const small = new TestArchiver({ settings: { blockBytes: 100 } });
    const records = Array.from({ length: 40 }, (_, n) => flight(n));
    await storeFiles(small, [[["OAK", records]], [["LAS", [flight(1)]]]]);
    const archiver = new TestArchiver();
    archiver.now = LATER;
    const result = await compactNow(archiver);
    expect(result.blocksBefore).toBeGreaterThan(8);
    expect(result.blocksAfter).toBe(2);
    expect((await readStored()).faults).toEqual([]);
  });

  it("merges the days of a month that is over", async () => {
    const archiver = new TestArchiver();
    for (const day of [0, 1, 2]) {
      for (const hour of [1, 2]) {
        await archiver.store([flight(1440 * day + 60 * hour)]);
        await archiver.archive();
      }
    }
    archiver.now = Date.UTC(2026, 11, 3);
    const result = await compactNow(archiver);
    expect(result).toMatchObject({ merges: 4, filesBefore: 9, filesAfter: 4, remaining: 0 });
    expect(await liveFiles()).toMatchObject([{ period: "2026_11", level: 2, generation: 2 }]);
    const { faults, cold } = await readStored();
    expect(faults).toEqual([]);
    expect(cold).toHaveLength(6);
  });

  it("writes an object above five mebibytes in parts", async () => {
    const archiver = await storeLarge();
    const before = await readStored();
    const result = await compactNow(archiver);
    expect(result.bytesAfter).toBeGreaterThan(5 * 1024 * 1024);
    const after = await readStored();
    expect(after.faults).toEqual([]);
    expect(after.cold).toEqual(before.cold);
  });

  it("that fails in the middle of an upload gives the upload up, and can be repeated", async () => {
    const archiver = await storeLarge();
    const aborted: string[] = [];
    const failing = new TestArchiver({ bucket: failingParts(aborted), settings: archiver.settings });
    failing.now = archiver.now;
    await expect(compactNow(failing)).rejects.toThrow("part refused");
    expect(aborted).toEqual([expect.stringMatching(/^notes\/2026_11_20\/l1-/)]);
    expect(await liveFiles()).toHaveLength(2);
    expect(await compactNow(archiver)).toMatchObject({ filesBefore: 2, filesAfter: 1 });
  });

  it("leaves an archive alone that has nothing to merge", async () => {
    const archiver = new TestArchiver();
    await storeFiles(archiver, hourly(1));
    expect(await compactNow(archiver)).toMatchObject({ ran: true, merges: 0, remaining: 0 });
    await archiver.store([flight(20)]);
    await archiver.archive();
    await compactNow(archiver);
    const files = await fileStates();
    expect(await compactNow(archiver)).toMatchObject({ merges: 0, spent: { r2ClassA: 0 } });
    expect(await fileStates()).toEqual(files);
  });

  it("does nothing while another holds the archive's lease", async () => {
    const archiver = new TestArchiver();
    await storeFiles(archiver, hourly(2));
    await env.DB.prepare("UPDATE leases SET expires_at = ?1, fence = fence + 1")
      .bind(LATER + 1)
      .run();
    expect(await compactNow(archiver)).toMatchObject({ ran: false, merges: 0 });
    archiver.now = LATER + 1;
    expect(await compactNow(archiver)).toMatchObject({ ran: true, merges: 1 });
  });

  it("leaves the files of a running erasure to it", async () => {
    const archiver = new TestArchiver();
    await storeFiles(archiver, hourly(3));
    const [first] = await liveFiles();
    await env.DB.prepare("INSERT INTO erasure_files (erasure_id, file_path) VALUES (?1, ?2)")
      .bind(NOBODY, first?.path)
      .run();
    expect(await compactNow(archiver)).toMatchObject({ filesBefore: 2, filesAfter: 1 });
  });

  it.each([
    ["is missing", (path: string) => env.COLD.delete(path)],
    [
      "is damaged",
      async (path: string) => {
        const bytes = await bytesOf(path);
        bytes[bytes.length - 20] = (bytes[bytes.length - 20] ?? 0) ^ 1;
        await env.COLD.put(path, bytes);
      },
    ],
  ])("leaves a source alone whose object %s, and merges the others", async (_, damage) => {
    const archiver = new TestArchiver();
    await storeFiles(archiver, hourly(4));
    const [, second] = await liveFiles();
    await damage(second?.path ?? "");
    expect(await compactNow(archiver)).toMatchObject({ filesBefore: 3, filesAfter: 1, records: 30 });
    expect((await liveFiles()).map(({ path }) => path)).toContain(second?.path);
  });

  it("leaves files alone whose schema this version does not have", async () => {
    const archiver = new TestArchiver();
    await storeFiles(archiver, hourly(2));
    await env.DB.prepare("UPDATE archived_files SET schema_fingerprint = 'unknown'").run();
    expect(await compactNow(archiver)).toMatchObject({ merges: 0, remaining: 0 });
  });
});

describe("the bounds of a compaction", () => {
  async function storeDays(archiver: TestArchiver, days: number): Promise<void> {
    const day = (n: number): readonly Batch[] => [["LAS", [flight(1440 * n)]]];
    await storeFiles(archiver, Array.from({ length: days }, (_, n) => [day(n), day(n)]).flat());
  }

  it("say how many merges were left, which the next one does", async () => {
    const archiver = new TestArchiver();
    await storeDays(archiver, 4);
    expect(await compactNow(archiver, {}, { recordBytes: 0 })).toMatchObject({ merges: 1, remaining: 3 });
    expect(await compactNow(archiver, {}, { runTime: 0 })).toMatchObject({ merges: 0, remaining: 3 });
    const bounded = await compactNow(archiver, {}, { queries: 60 });
    expect(bounded.merges).toBeGreaterThan(0);
    expect(bounded.spent.d1Queries).toBeLessThanOrEqual(60);
    expect(await compactNow(archiver)).toMatchObject({ remaining: 0 });
    expect(await liveFiles()).toHaveLength(4);
  });

  it("let no file name more ranges of rows than a merge has memory for, and leave out what names too many", async () => {
    const archiver = new TestArchiver({ settings: { genericTables: true } });
    const note = { table: "notes", records: [{ time: EPOCH }] };
    // Two tables take turns, so that every row is a range of its own.
    for (const rows of [1, 3, 1, 3, 1]) {
      for (let row = 0; row < rows; row += 1) {
        await archiver.store([flight(row)]);
        await archiver.store([], note);
      }
      await archiver.archive();
    }
    archiver.now = LATER;
    expect(await compactNow(archiver, {}, { rowRanges: 4 })).toMatchObject({ remaining: 0 });
    const { files, faults } = await readStored();
    expect(faults).toEqual([]);
    const ranges = files.flatMap(({ path, rows }) => (path.startsWith("flights") ? [rows.length] : []));
    expect(ranges.sort()).toEqual([3, 3, 3]);
    expect(await compactNow(archiver, {}, { rowRanges: 4 })).toMatchObject({ merges: 0, remaining: 0 });
    expect(await compactNow(archiver)).toMatchObject({ merges: 2 });
    expect(await archiver.readAll()).toHaveLength(9);
  });

  it("are not passed by a merge of as many sources as there may be", async () => {
    const archiver = new TestArchiver();
    await archiver.store([flight(1)]);
    await env.DB.prepare(
      `INSERT INTO buffer_logs (message_id, dataset_id, table_name, period, schema_fingerprint, record_count,
                                min_time, max_time, data, bytes, created_at)
       SELECT 'copy ' || value, dataset_id, table_name, period, schema_fingerprint, record_count, min_time,
              max_time, data, bytes, created_at
       FROM buffer_logs, (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT 69)
                          SELECT value FROM n)`,
    ).run();
    await archiver.archive({ rowsPerPass: 1 });
    archiver.now = LATER;
    const result = await compactNow(archiver);
    expect(result).toMatchObject({ filesBefore: 70 + 2, filesAfter: 3 });
    expect(await liveFiles()).toHaveLength(1);
    expect(result.spent.d1Queries).toBeLessThanOrEqual(DEFAULT_COMPACTION_BOUNDS.queries);
  });
});

describe("the lease of a long merge", () => {
  /** A compaction on whose every operation the clock takes a step. */
  function slow(archiver: TestArchiver, step: number): TestArchiver {
    const gate = <T>(_operation: string, perform: () => Promise<T>): Promise<T> => {
      archiver.now += step;
      running.now = archiver.now;
      return perform();
    };
    const running: TestArchiver = new TestArchiver({ db: gatedDatabase(gate), bucket: gatedBucket(gate) });
    running.now = archiver.now;
    return running;
  }

  it("is renewed, so that none else comes between however long it takes", async () => {
    const archiver = new TestArchiver();
    await storeFiles(archiver, hourly(12));
    const merged = await compact(
      slow(archiver, LEASE_TTL_MS / 3).bindings,
      {},
      { ...DEFAULT_COMPACTION_BOUNDS, runTime: DAY },
    );
    expect(merged).toMatchObject({ merges: 1, remaining: 0 });
    expect(archiver.now - LATER).toBeGreaterThan(5 * LEASE_TTL_MS);
  });

  it("when it is lost ends the merge, and nothing of it is seen", async () => {
    const archiver = new TestArchiver();
    await storeFiles(archiver, hourly(3));
    const before = await readStored();
    for (let at = 1; ; at += 1) {
      const robbed = interruptingGate(at, async () => {
        await env.DB.prepare("UPDATE leases SET fence = fence + 1, expires_at = 0").run();
      });
      const victim = new TestArchiver({ db: gatedDatabase(robbed.gate), bucket: gatedBucket(robbed.gate) });
      victim.now = LATER;
      const result = await compact(victim.bindings, {});
      const isOver = robbed.log.length <= at || result.merges === 1;
      if (isOver) break;
      expect(result).toMatchObject({ ran: true, merges: 0 });
      expect((await readStored()).cold).toEqual(before.cold);
      expect(await liveFiles()).toHaveLength(3);
    }
    expect(await liveFiles()).toHaveLength(1);
  });
});
