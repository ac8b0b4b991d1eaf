import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { countRows, flight, TestArchiver, type TestRecord, useStorage } from "../../test/archiver.ts";
import { bucketKeys, objectBytes } from "../../test/bucket.ts";
import { compact } from "../compaction/index.ts";
import type { ReindexResult } from "../contract.ts";
import { erase, listErasures } from "../erasure/index.ts";
import { writeFile } from "../ocf/index.ts";
import { inspect, reindex, verify } from "./index.ts";
import { REINDEX_BOUNDS } from "./reindex.ts";

useStorage();

const DATASETS = ["LAS", "OAK", "SFO"] as const;

type Applied = Extract<ReindexResult, { step: "apply" }>;

function archiverNow(): TestArchiver {
  const archiver = new TestArchiver({ settings: { blockBytes: 1_024 } });
  archiver.now = Date.now();
  return archiver;
}

/** Several files with several blocks. */
async function archived(archiver: TestArchiver): Promise<void> {
  for (const [index, datasetId] of DATASETS.entries()) {
    const minutes = Array.from({ length: 120 }, (_, minute) => minute * (index + 1) * 15);
    await archiver.store(
      minutes.map((minute) => flight(minute, { delay: index })),
      { datasetId },
    );
  }
  await archiver.archive();
}

async function readEverything(archiver: TestArchiver): Promise<readonly (readonly TestRecord[])[]> {
  const all = [];
  for (const datasetId of DATASETS) all.push(await archiver.readAll({ datasetId }));
  return all;
}

/** What is left of the database when it is lost: the tables. */
async function emptyDatabase(): Promise<void> {
  const tables = [
    "block_indexes",
    "archived_files",
    "archived_messages",
    "buffer_logs",
    "leases",
    "erasure_files",
    "erasures",
    "ingest_keys",
    "dead_letters",
    "sqlite_sequence",
  ];
  await env.DB.batch(tables.map((table) => env.DB.prepare(`DELETE FROM ${table}`)));
}

async function scanAll(archiver: TestArchiver, bounds = REINDEX_BOUNDS): Promise<readonly string[]> {
  let cursor: string | undefined;
  const faults: string[] = [];
  do {
    const result = await reindex(archiver.bindings, { step: "scan", cursor }, bounds);
    if (!result.ok || result.step !== "scan") throw new Error(`refused: ${JSON.stringify(result)}`);
    faults.push(...result.faults.map(({ check, subject }) => `${check} ${subject}`));
    cursor = result.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return faults;
}

async function apply(archiver: TestArchiver, dryRun = false): Promise<Applied> {
  const result = await reindex(archiver.bindings, { step: "apply", dryRun });
  if (!result.ok || result.step !== "apply") throw new Error(`refused: ${JSON.stringify(result)}`);
  return result;
}

async function faultsOf(archiver: TestArchiver): Promise<readonly string[]> {
  const result = await verify(archiver.bindings, { depth: "full" });
  if (!result.ok) throw new Error("refused");
  return result.faults.map(({ check }) => check);
}

const INDEX = `
  SELECT f.*, (SELECT json_group_array(json_array(dataset_id, start_byte, length, crc32, record_count, start_timestamp, end_timestamp))
               FROM (SELECT * FROM block_indexes WHERE file_id = f.id ORDER BY start_byte)) AS blocks
  FROM archived_files f WHERE state IN ('live', 'lost') ORDER BY file_path`;

async function indexRows(): Promise<readonly Record<string, unknown>[]> {
  const { results } = await env.DB.prepare(INDEX).all<Record<string, unknown>>();
  return results;
}

/** Without what an index made again cannot know. */
const said = (rows: readonly Record<string, unknown>[]) =>
  rows.map(({ id: _id, created_at: _at, last_modified_at: _modified, state_at: _since, ...row }) => row);

describe("an index made again from the bucket", () => {
  it("is the one that was lost, and every cold record is read exactly once", async () => {
    const archiver = archiverNow();
    await archived(archiver);
    const before = await readEverything(archiver);
    const index = said(await indexRows());
    expect(index.length).toBeGreaterThan(3);
    await emptyDatabase();
    expect(await readEverything(archiver)).toEqual([[], [], []]);

    expect(await scanAll(archiver)).toEqual([]);
    const applied = await apply(archiver);
    expect(applied).toMatchObject({
      applied: true,
      files: index.length,
      records: 360,
      superseded: [],
      conflicts: [],
    });
    expect(said(await indexRows())).toEqual(index);
    expect(await readEverything(archiver)).toEqual(before);
    expect(await faultsOf(archiver)).toEqual([]);
  });

  it("goes on with ids of hot rows that no file has used", async () => {
    const archiver = archiverNow();
    await archived(archiver);
    await emptyDatabase();
    await scanAll(archiver);
    await apply(archiver);
    expect(await countRows("buffer_logs")).toBe(0);
    await archiver.store([flight(1)]);
    const row = await env.DB.prepare("SELECT id FROM buffer_logs").first<{ id: number }>();
    expect(row?.id).toBeGreaterThan(360 / 120);
    await archiver.archive();
    expect(await readEverything(archiver)).toMatchObject({ 0: { length: 121 } });
    await scanAll(archiver);
    expect(await apply(archiver)).toMatchObject({ records: 361, conflicts: [], superseded: [] });
  });

  it("takes merged files and not their sources, which lie beside them", async () => {
    const archiver = archiverNow();
    await archived(archiver);
    await archived(archiver);
    const before = await readEverything(archiver);
    await compact(archiver.bindings, { force: true });
    await emptyDatabase();
    await scanAll(archiver);
    const { superseded, conflicts } = await apply(archiver);
    expect(superseded.length).toBeGreaterThan(3);
    expect(conflicts).toEqual([]);
    expect(await readEverything(archiver)).toEqual(before);
    expect(await faultsOf(archiver)).toEqual([]);
  });

  it("leaves out the object of a run that died before its commit: its rows are still hot", async () => {
    const archiver = archiverNow();
    await archived(archiver);
    await archiver.store([flight(3)]);
    const before = await readEverything(archiver);
    const db = new Proxy(env.DB, {
      get: (target, name) =>
        name === "batch"
          ? () => Promise.reject(new Error("D1 is down"))
          : Reflect.get(target, name).bind(target),
    });
    const dying = new TestArchiver({ db });
    dying.now = archiver.now;
    await expect(dying.archive()).rejects.toThrow("D1 is down");
    await env.DB.batch(
      ["block_indexes", "archived_files"].map((table) => env.DB.prepare(`DELETE FROM ${table}`)),
    );
    await scanAll(archiver);
    expect((await apply(archiver)).superseded).toHaveLength(1);
    expect(await readEverything(archiver)).toEqual(before);
    await archiver.archive();
    expect(await readEverything(archiver)).toEqual(before);
  });

  it("does not bring back what an erasure took out, while the file from before it is still there", async () => {
    const archiver = archiverNow();
    await archived(archiver);
    const [key = ""] = await bucketKeys();
    const bytes = await objectBytes(key);
    await erase(archiver.bindings, { datasetId: "OAK" });
    const [las, , sfo] = await readEverything(archiver);
    await env.COLD.put(key, bytes);
    await emptyDatabase();
    await scanAll(archiver);
    expect((await apply(archiver)).superseded).toEqual([key]);
    expect(await readEverything(archiver)).toEqual([las, [], sfo]);
  });

  it("is not touched where it is right, and a file keeps its id", async () => {
    const archiver = archiverNow();
    await archived(archiver);
    const index = await indexRows();
    const { results: blocks } = await env.DB.prepare("SELECT * FROM block_indexes ORDER BY id").all();
    await env.DB.prepare("UPDATE archived_files SET min_time = 0 WHERE id = 2").run();
    await env.DB.prepare("DELETE FROM block_indexes WHERE file_id = 3").run();
    await scanAll(archiver);
    archiver.now += 1;
    await apply(archiver);
    const modified = (await indexRows()).filter((row) => row["last_modified_at"] === archiver.now);
    expect(modified.map((row) => row["id"]).sort()).toEqual([2, 3]);
    expect(said(await indexRows())).toEqual(said(index));
    expect((await indexRows()).map((row) => row["id"])).toEqual(index.map((row) => row["id"]));
    const { results: after } = await env.DB.prepare("SELECT * FROM block_indexes ORDER BY id").all();
    expect(after).toEqual(expect.arrayContaining(blocks.filter((row) => Number(row["file_id"]) > 3)));
    expect(await faultsOf(archiver)).toEqual([]);
  });

  it("says which files' objects are gone, and keeps their blocks, so that reads say what they miss", async () => {
    const archiver = archiverNow();
    await archived(archiver);
    const [key = ""] = await bucketKeys();
    await env.COLD.delete(key);
    await scanAll(archiver);
    await apply(archiver);
    const row = await env.DB.prepare("SELECT state FROM archived_files WHERE file_path = ?1")
      .bind(key)
      .first();
    expect(row).toEqual({ state: "lost" });
    const page = await archiver.read({ datasetId: "LAS" });
    expect(page).toMatchObject({ ok: true });
    expect(page.ok && page.lostBlocks).toBeGreaterThan(0);
  });

  it("keeps apart, unread and undeleted, a file that has rows of others and some that are nowhere else", async () => {
    const archiver = archiverNow();
    await archiver.store([flight(1), flight(2)]);
    await archiver.store([flight(3)]);
    await archiver.archive();
    const [large = ""] = await bucketKeys();
    await emptyDatabase();
    await archiver.store([flight(2)]);
    await scanAll(archiver);
    const { conflicts } = await apply(archiver);
    expect(conflicts).toMatchObject([{ check: "overlap", subject: large }]);
    expect(await archiver.read()).toMatchObject({ records: [{ time: flight(2).time }], lostBlocks: 1 });
    expect(await env.DB.prepare("SELECT state FROM archived_files").first()).toEqual({ state: "lost" });
  });

  it("has nothing of objects that are foreign, damaged or of an unknown schema, and the scan reports them", async () => {
    const archiver = archiverNow();
    await archived(archiver);
    const [first = "", second = ""] = await bucketKeys();
    const bytes = await objectBytes(first);
    bytes[bytes.length - 20] = (bytes[bytes.length - 20] ?? 0) ^ 1;
    await env.COLD.put(first, bytes);
    await env.COLD.put("notes.txt", "not ours");
    const foreign = writeFile(
      { schema: '"long"', codec: "null", metadata: new Map(), sync: new Uint8Array(16) },
      [],
    );
    await env.COLD.put("other.avro", foreign.bytes);
    const report = await inspect(env.COLD, second);
    const metadata = report !== null && "metadata" in report ? report.metadata : {};
    const unknown = writeFile(
      {
        schema: '"long"',
        codec: "null",
        metadata: new Map(Object.entries(metadata)),
        sync: new Uint8Array(16),
      },
      [],
    );
    await env.COLD.put("unknown.avro", unknown.bytes);
    expect(await scanAll(archiver)).toEqual([
      `damaged-object ${first}`,
      "foreign-object notes.txt",
      "foreign-object other.avro",
      "unknown-schema unknown.avro",
    ]);
    const count = (await bucketKeys()).length;
    // The damaged file stays as it was: what can be read of it is read.
    expect(await apply(archiver)).toMatchObject({ files: count - 4 });
    expect(await countRows("archived_files")).toBe(count - 3);
    await emptyDatabase();
    await scanAll(archiver);
    await apply(archiver);
    expect(await countRows("archived_files")).toBe(count - 4);
  });
});

describe("after the database was emptied, ids of rows come again:", () => {
  const read = async (archiver: TestArchiver): Promise<number> =>
    (await readEverything(archiver)).reduce((sum, { length }) => sum + length, 0);

  /** Three rows at the same ids as those that are archived: other datasets and days, or only other times. */
  const others: readonly (readonly [string, readonly (readonly [string, number])[]])[] = [
    [
      "of other datasets and another period",
      [
        ["OAK", 1441],
        ["SFO", 1442],
        ["LAS", 1443],
      ],
    ],
    [
      "of the same datasets and another period",
      [
        ["LAS", 1441],
        ["OAK", 1442],
        ["SFO", 1443],
      ],
    ],
    [
      "of other datasets and the same period",
      [
        ["SFO", 11],
        ["SFO", 12],
        ["SFO", 13],
      ],
    ],
    [
      "of the same datasets and counts, at other times",
      [
        ["LAS", 11],
        ["OAK", 12],
        ["SFO", 13],
      ],
    ],
  ];

  it.each(others)("three records %s are read, and so are the three archived ones", async (_what, rows) => {
    const archiver = archiverNow();
    for (const [minute, datasetId] of DATASETS.entries()) {
      await archiver.store([flight(minute)], { datasetId });
    }
    await archiver.archive();
    expect(await bucketKeys()).toHaveLength(1);
    await emptyDatabase();
    for (const [datasetId, minute] of rows) await archiver.store([flight(minute)], { datasetId });
    expect(await env.DB.prepare("SELECT min(id) AS first, max(id) AS last FROM buffer_logs").first()).toEqual(
      {
        first: 1,
        last: 3,
      },
    );
    await scanAll(archiver);
    expect(await apply(archiver)).toMatchObject({ records: 3, superseded: [], conflicts: [] });
    expect(await read(archiver)).toBe(6);
    await archiver.archive();
    expect(await read(archiver)).toBe(6);
    await scanAll(archiver);
    expect(await apply(archiver)).toMatchObject({ records: 6, superseded: [], conflicts: [] });
    expect(await read(archiver)).toBe(6);
    expect(await faultsOf(archiver)).toEqual([]);
  });
});

describe("what an apply answers", () => {
  it("is what the index has now, what it will have, and what will be lost, also in a dry run", async () => {
    const archiver = archiverNow();
    await archived(archiver);
    const [key = ""] = await bucketKeys();
    const index = await indexRows();
    const sum = (name: string): number => index.reduce((all, row) => all + Number(row[name]), 0);
    const gone = index.find((row) => row["file_path"] === key);
    await env.COLD.delete(key);
    await scanAll(archiver);
    const now = { files: index.length, blocks: sum("block_count"), records: 360 };
    const lost = { files: 1, records: gone?.["record_count"] };
    for (const dryRun of [true, false]) {
      expect(await apply(archiver, dryRun)).toMatchObject({ now, lost, files: index.length - 1 });
    }
    const after = await apply(archiver);
    expect(after).toMatchObject({ now: { files: index.length - 1, records: after.records }, lost });
    const row = await env.DB.prepare(
      "SELECT count(*) AS files, sum(record_count) AS records FROM archived_files WHERE state = 'lost'",
    ).first();
    expect(row).toEqual(lost);
  });

  it("counts what is kept apart as lost", async () => {
    const archiver = archiverNow();
    await archiver.store([flight(1), flight(2)]);
    await archiver.store([flight(3)]);
    await archiver.archive();
    await emptyDatabase();
    await archiver.store([flight(2)]);
    await scanAll(archiver);
    expect(await apply(archiver)).toMatchObject({
      now: { files: 0, blocks: 0, records: 0 },
      lost: { files: 1, records: 3 },
    });
  });
});

describe("a reindexing", () => {
  it("reports and changes nothing in a dry run", async () => {
    const archiver = archiverNow();
    await archived(archiver);
    await emptyDatabase();
    await scanAll(archiver);
    expect(await apply(archiver, true)).toMatchObject({ applied: false, records: 360 });
    expect(await countRows("archived_files")).toBe(0);
  });

  it("goes through the bucket page by page, each call at least one object", async () => {
    const archiver = archiverNow();
    await archived(archiver);
    await emptyDatabase();
    await env.DB.prepare("INSERT INTO reindex_files VALUES ('old', '{}', '', 1)").run();
    for (const bounds of [{ objects: 2 }, { bytes: 1 }, { runTime: 0 }]) {
      expect(await scanAll(archiver, { ...REINDEX_BOUNDS, ...bounds })).toEqual([]);
      expect(await countRows("reindex_files")).toBe((await bucketKeys()).length);
    }
    expect(await apply(archiver)).toMatchObject({ records: 360 });
  });

  it("knows what was archived, merged and erased between its scan and its end", async () => {
    const archiver = archiverNow();
    await archived(archiver);
    await archived(archiver);
    await scanAll(archiver);
    await archiver.store([flight(9)], { datasetId: "SFO" });
    await archiver.archive();
    await compact(archiver.bindings, { force: true });
    archiver.now = Date.now() + 1_000;
    await erase(archiver.bindings, { datasetId: "OAK" });
    const before = await readEverything(archiver);
    const { conflicts } = await apply(archiver);
    expect(conflicts).toEqual([]);
    expect(await readEverything(archiver)).toEqual(before);
    expect(await faultsOf(archiver)).toEqual([]);
  });

  it("wants another scan when more has changed than one call can read", async () => {
    const archiver = archiverNow();
    await archived(archiver);
    const result = await reindex(
      archiver.bindings,
      { step: "apply", dryRun: false },
      { ...REINDEX_BOUNDS, objects: 2 },
    );
    expect(result).toMatchObject({ ok: false, reason: "invalid", faults: [{ path: "/step" }] });
  });

  it("does not bring back a dataset whose erasure is not done, or whose old object is there again", async () => {
    const archiver = archiverNow();
    await archived(archiver);
    const [key = ""] = await bucketKeys();
    const bytes = await objectBytes(key);
    archiver.now = Date.now() + 3_600_000;
    await erase(archiver.bindings, { datasetId: "OAK" });
    const before = await readEverything(archiver);
    for (const path of await bucketKeys()) await env.COLD.delete(path);
    await env.COLD.put(key, bytes);
    await scanAll(archiver);
    await apply(archiver);
    expect(await archiver.readAll({ datasetId: "OAK" })).toEqual([]);
    expect(await listErasures(env.DB)).toMatchObject([{ state: "running", filesLeft: 1 }]);
    expect(await faultsOf(archiver)).toEqual(expect.not.arrayContaining(["header-and-blocks"]));
    expect(await erase(archiver.bindings, { datasetId: "OAK" })).toMatchObject({
      receipt: { state: "done" },
    });
    expect(before[1]).toEqual([]);
    const again = await Promise.all((await bucketKeys()).map((path) => env.COLD.get(path)));
    expect(again).toHaveLength(1);
  });

  it("does nothing while another works on the archive", async () => {
    const archiver = archiverNow();
    await archived(archiver);
    await env.DB.prepare("UPDATE leases SET expires_at = 9e15").run();
    expect(await reindex(archiver.bindings, { step: "apply", dryRun: false })).toMatchObject({
      reason: "archive-busy",
    });
  });

  it("refuses a step that is none", async () => {
    const request = { step: "all" } as unknown as { readonly step: "scan" };
    expect(await reindex(archiverNow().bindings, request)).toMatchObject({
      ok: false,
      faults: [{ path: "/step" }],
    });
  });
});
