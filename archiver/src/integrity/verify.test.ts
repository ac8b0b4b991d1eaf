import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { DAY, flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import { gatedDatabase, interruptingGate } from "../../test/faults.ts";
import { compact } from "../compaction/index.ts";
import type { IntegrityFault, VerifyDepth, VerifyResult } from "../contract.ts";
import { erase, ERASURE_BOUNDS } from "../erasure/index.ts";
import { SchemaRegistry } from "../tables/index.ts";
import { inspect, verify } from "./index.ts";
import { VERIFY_BOUNDS } from "./verify.ts";

useStorage();

/** Two files: the first of two days has two datasets with several blocks each. */
async function archived(): Promise<TestArchiver> {
  const archiver = new TestArchiver({ settings: { blockBytes: 1_024 } });
  const day = Array.from({ length: 200 }, (_, minute) => flight(minute));
  await archiver.store(day, { datasetId: "LAS" });
  await archiver.store(day.slice(50), { datasetId: "OAK" });
  await archiver.store([flight(1440)], { datasetId: "LAS" });
  await archiver.archive();
  return archiver;
}

type Verified = Extract<VerifyResult, { ok: true }>;

async function check(archiver: TestArchiver, depth: VerifyDepth): Promise<Verified> {
  const result = await verify(archiver.bindings, { depth });
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result)}`);
  return result;
}

const checksOf = ({ faults }: Verified): readonly string[] =>
  faults.map((fault: IntegrityFault) => fault.check);

async function sql(statement: string): Promise<void> {
  await env.DB.prepare(statement).run();
}

async function firstKey(): Promise<string> {
  const row = await env.DB.prepare("SELECT file_path AS path FROM archived_files WHERE id = 1").first<{
    path: string;
  }>();
  return row?.path ?? "";
}

/** Stores the first file's object again after a change of its bytes. */
async function changeBytes(change: (bytes: Uint8Array) => Uint8Array): Promise<void> {
  const key = await firstKey();
  const object = await env.COLD.get(key);
  if (object === null) throw new Error("the object is gone");
  await env.COLD.put(key, change(new Uint8Array(await object.arrayBuffer())));
}

const flip =
  (offset: number) =>
  (bytes: Uint8Array): Uint8Array => {
    bytes[offset] = (bytes[offset] ?? 0) ^ 1;
    return bytes;
  };

async function secondBlock(): Promise<{ readonly start: number; readonly length: number }> {
  const row = await env.DB.prepare(
    "SELECT start_byte AS start, length FROM block_indexes WHERE file_id = 1 ORDER BY start_byte LIMIT 1 OFFSET 1",
  ).first<{ start: number; length: number }>();
  return row ?? { start: 0, length: 0 };
}

describe("verifying", () => {
  it("finds nothing in an archive as the runs, compactions and erasures leave it", async () => {
    const archiver = await archived();
    for (const depth of ["index", "full"] as const) {
      const result = await check(archiver, depth);
      expect(result).toMatchObject({ files: 2, records: 351, faults: [], faultCount: 0, nextCursor: null });
      expect(result.blocks).toBeGreaterThan(6);
      expect(result.bytes > 0).toBe(depth === "full");
    }
    await archiver.store([flight(3)], { datasetId: "SFO" });
    await archiver.archive();
    await compact(archiver.bindings, { force: true });
    expect(checksOf(await check(archiver, "full"))).toEqual([]);
    await erase(archiver.bindings, { datasetId: "OAK" });
    expect(await check(archiver, "full")).toMatchObject({ faults: [], records: 202 });
  });

  it("covers the archive page by page", async () => {
    const archiver = await archived();
    for (let day = 2; day < 7; day += 1) await archiver.store([flight(day * 1440)]);
    await archiver.archive();
    await sql("UPDATE archived_files SET sha256 = '00' WHERE id IN (1, 4, 7)");
    for (const bounds of [
      { ...VERIFY_BOUNDS, files: 2 },
      { ...VERIFY_BOUNDS, bytes: 1 },
      { ...VERIFY_BOUNDS, queries: 1 },
      { ...VERIFY_BOUNDS, runTime: 0 },
    ]) {
      let cursor: string | undefined;
      let files = 0;
      const faults: string[] = [];
      do {
        const result = await verify(archiver.bindings, { depth: "full", cursor }, bounds);
        if (!result.ok) throw new Error("refused");
        expect(result.files).toBeLessThanOrEqual(2);
        files += result.files;
        faults.push(...checksOf(result));
        cursor = result.nextCursor ?? undefined;
      } while (cursor !== undefined);
      expect(files).toBe(7);
      expect(faults).toEqual(["checksum", "checksum", "checksum"]);
    }
  });

  it("refuses a depth and a cursor that are none", async () => {
    const request = { depth: "deep" as VerifyDepth, cursor: "x" };
    expect(await verify(new TestArchiver().bindings, request)).toMatchObject({
      ok: false,
      faults: [{ path: "/depth" }, { path: "/cursor" }],
    });
  });

  it("writes nothing and takes no lease", async () => {
    const archiver = await archived();
    await sql("UPDATE leases SET expires_at = 9e15");
    const statements: string[] = [];
    const db = gatedDatabase((operation, perform) => {
      statements.push(operation);
      return perform();
    });
    await verify({ ...archiver.bindings, db }, { depth: "full" });
    expect(statements.filter((operation) => !/^(all|first) SELECT/.test(operation))).toEqual([]);
  });

  it("is not misled by a compaction or an erasure at any moment of it", async () => {
    const archiver = await archived();
    await archiver.store([flight(5)], { datasetId: "LAS" });
    await archiver.archive();
    const { log, gate: counting } = interruptingGate(-1, () => Promise.resolve());
    await verify({ ...archiver.bindings, db: gatedDatabase(counting) }, { depth: "full" });
    for (let at = 0; at < log.length; at += 1) {
      const { gate } = interruptingGate(at, async () => {
        await archiver.store([flight(5 + at)], { datasetId: `D${at}` });
        await archiver.archive();
        if (at % 2 === 0) await compact(archiver.bindings, { force: true });
        else await erase(archiver.bindings, { datasetId: `D${at - 1}` });
      });
      const result = await verify({ ...archiver.bindings, db: gatedDatabase(gate) }, { depth: "full" });
      expect(result).toMatchObject({ ok: true, faults: [] });
    }
  });

  it("leaves a file to the erasure that works on it", async () => {
    const archiver = await archived();
    await erase(archiver.bindings, { datasetId: "OAK" }, { ...ERASURE_BOUNDS, queries: 0 });
    expect(checksOf(await check(archiver, "full"))).toEqual([]);
  });

  it("does not miss an object that has expired", async () => {
    const archiver = await archived();
    await env.COLD.delete(await firstKey());
    expect(checksOf(await check(archiver, "full"))).toEqual(["object-missing"]);
    const expiring = new TestArchiver({ settings: { coldExpiryDays: 1 } });
    expiring.now = Date.now() + 2 * DAY;
    expect(checksOf(await check(expiring, "full"))).toEqual([]);
  });
});

describe("one thing that is wrong is found, and no other:", () => {
  /** What is damaged, and the checks that say so in the index and in the bytes. */
  const damages: readonly (readonly [
    what: string,
    damage: () => Promise<void>,
    index: readonly string[],
    full: readonly string[],
  ])[] = [
    [
      "a size that the blocks do not add up to",
      () => sql("UPDATE archived_files SET file_size = file_size + 1 WHERE id = 1"),
      ["header-and-blocks", "object-size"],
      ["header-and-blocks", "object-size"],
    ],
    [
      "a header size",
      () =>
        sql(
          "UPDATE archived_files SET header_size = header_size - 1, file_size = file_size - 1 WHERE id = 1",
        ),
      ["contiguous", "object-size"],
      ["contiguous", "object-size"],
    ],
    [
      "a block that overlaps the one before",
      () => sql("UPDATE block_indexes SET start_byte = start_byte - 1, length = length + 1 WHERE id = 2"),
      ["contiguous", "header-and-blocks"],
      ["contiguous", "header-and-blocks"],
    ],
    [
      "a block that the index lacks",
      () => sql("DELETE FROM block_indexes WHERE id = 2"),
      ["contiguous", "header-and-blocks", "record-count", "block-count"],
      ["contiguous", "header-and-blocks", "record-count", "block-count", "header"],
    ],
    [
      "a file's record count",
      () => sql("UPDATE archived_files SET record_count = record_count + 1 WHERE id = 1"),
      ["record-count"],
      ["record-count"],
    ],
    [
      "a block's record count",
      () => sql("UPDATE block_indexes SET record_count = record_count + 1 WHERE id = 2"),
      ["record-count"],
      ["record-count", "block", "header"],
    ],
    [
      "a file's block count",
      () => sql("UPDATE archived_files SET block_count = 1 WHERE id = 1"),
      ["block-count"],
      ["block-count"],
    ],
    [
      "a file's times",
      () => sql("UPDATE archived_files SET min_time = min_time - 1 WHERE id = 1"),
      ["time-range"],
      ["time-range"],
    ],
    [
      "a block's times",
      () => sql("UPDATE block_indexes SET end_timestamp = end_timestamp - 1 WHERE id = 2"),
      [],
      ["block"],
    ],
    [
      "whose a block is",
      () => sql("UPDATE block_indexes SET dataset_id = 'SFO' WHERE id = 2"),
      [],
      ["header"],
    ],
    [
      "an object that is gone",
      async () => env.COLD.delete(await firstKey()),
      ["object-missing"],
      ["object-missing"],
    ],
    [
      "an object that is cut",
      () => changeBytes((bytes) => bytes.subarray(0, -1)),
      ["object-size"],
      ["object-size"],
    ],
    [
      "a checksum",
      () => sql("UPDATE archived_files SET sha256 = '00' WHERE id = 1"),
      ["checksum"],
      ["checksum"],
    ],
    [
      "a byte of a block",
      async () => {
        const { start, length } = await secondBlock();
        await changeBytes(flip(start + length - 20));
      },
      ["no-checksum"],
      ["block"],
    ],
    [
      "a byte of a block's sync marker",
      async () => {
        const { start, length } = await secondBlock();
        await changeBytes(flip(start + length - 1));
      },
      ["no-checksum"],
      ["sync-marker"],
    ],
    [
      "a byte of the header's sync marker",
      async () => {
        const row = await env.DB.prepare(
          "SELECT header_size AS size FROM archived_files WHERE id = 1",
        ).first<{
          size: number;
        }>();
        await changeBytes(flip((row?.size ?? 0) - 1));
      },
      ["no-checksum"],
      ["sync-marker"],
    ],
    ["the magic of the file", () => changeBytes(flip(0)), ["no-checksum"], ["header"]],
    ["the period", () => sql("UPDATE archived_files SET period = '2026_11_21' WHERE id = 1"), [], ["header"]],
    ["the generation", () => sql("UPDATE archived_files SET generation = 3 WHERE id = 1"), [], ["header"]],
    [
      "blocks of a file that is not read",
      () => sql("UPDATE archived_files SET state = 'compacted' WHERE id = 1"),
      ["orphan-block"],
      ["orphan-block"],
    ],
    [
      "a message that is hot although it was archived",
      () =>
        sql(
          `INSERT INTO buffer_logs (message_id, dataset_id, table_name, period, schema_fingerprint, record_count, min_time, max_time, bytes, created_at, data)
           SELECT message_id, 'LAS', 'flights', 'p', 'f', 1, 1, 1, 1, 1, '' FROM archived_messages LIMIT 1`,
        ),
      ["hot-and-cold"],
      ["hot-and-cold"],
    ],
    [
      "a lost file whose object is gone",
      async () => {
        await env.COLD.delete(await firstKey());
        await sql("UPDATE archived_files SET state = 'lost' WHERE id = 1");
      },
      ["lost"],
      ["lost"],
    ],
    [
      "a lost file whose object is there",
      () => sql("UPDATE archived_files SET state = 'lost' WHERE id = 1"),
      ["lost-but-there"],
      ["lost-but-there"],
    ],
    [
      "a file that has been announced for more than a day",
      () =>
        sql(
          `INSERT INTO archived_files (file_path, table_name, period, schema_fingerprint, file_size, header_size, compression_codec, sha256, sync_marker, record_count, block_count, min_time, max_time, created_at, last_modified_at, state, state_at)
           VALUES ('x', 'flights', 'p', 'f', 0, 0, '', '', '', 0, 0, 0, 0, 0, 0, 'writing', 0)`,
        ),
      ["dead-row"],
      ["dead-row"],
    ],
  ];

  it.each(damages)("%s", async (_what, damage, index, full) => {
    const archiver = await archived();
    await damage();
    expect(checksOf(await check(archiver, "index"))).toEqual(index);
    expect(checksOf(await check(archiver, "full"))).toEqual(full);
  });

  it("a schema that this version does not know", async () => {
    await archived();
    const other = new TestArchiver({ registry: new SchemaRegistry([]) });
    expect(checksOf(await check(other, "full"))).toEqual(["header", "header"]);
  });

  it("and every fault is counted, the first hundred listed", async () => {
    const archiver = new TestArchiver({ settings: { blockBytes: 1_024 } });
    await archiver.store(Array.from({ length: 9_000 }, (_, minute) => flight(minute % 1440)));
    await archiver.archive();
    await sql("UPDATE block_indexes SET crc32 = 1");
    const result = await check(archiver, "full");
    expect(result.faults).toHaveLength(100);
    expect(result.faultCount).toBe(result.blocks);
    expect(result.faultCount).toBeGreaterThan(100);
  });
});

describe("the bucket, after the files,", () => {
  const later = (archiver: TestArchiver, minutes: number): TestArchiver => {
    archiver.now = Date.now() + minutes * 60_000;
    return archiver;
  };

  it("has no object that the index does not name, but those that a run has just uploaded", async () => {
    const archiver = await archived();
    const key = await firstKey();
    await sql("DELETE FROM block_indexes WHERE file_id = 1");
    await sql("DELETE FROM archived_files WHERE id = 1");
    expect(checksOf(await check(later(archiver, 9), "index"))).toEqual([]);
    for (const depth of ["index", "full"] as const) {
      expect((await check(later(archiver, 11), depth)).faults).toEqual([
        { check: "unindexed-object", subject: key, detail: expect.stringContaining("does not name it") },
      ]);
    }
  });

  it("may have what a compaction replaced and what retention removes", async () => {
    const archiver = await archived();
    await sql("DELETE FROM block_indexes");
    // The bucket has the machine's clock, so what happens to its objects happens by that.
    const state = "iif(id = 1, 'compacted', 'deleting')";
    await sql(`UPDATE archived_files SET state = ${state}, state_at = ${Date.now()}`);
    expect(checksOf(await check(later(archiver, 11), "index"))).toEqual([]);
  });

  it("has no object that is none of an archive's", async () => {
    const archiver = await archived();
    await env.COLD.put("notes/readme.txt", "not ours");
    expect((await check(archiver, "index")).faults).toMatchObject([
      { check: "foreign-object", subject: "notes/readme.txt" },
    ]);
  });

  it("is listed page by page, and the cursor goes on with the listing", async () => {
    const archiver = await archived();
    const keys = Array.from({ length: 5 }, (_, index) => `notes/ümlaut ${index}\n.txt`);
    for (const key of keys) await env.COLD.put(key, "not ours");
    const subjects: string[] = [];
    const counts: number[] = [];
    let cursor: string | undefined;
    do {
      const result = await verify(
        archiver.bindings,
        { depth: "index", cursor },
        { ...VERIFY_BOUNDS, objects: 2 },
      );
      if (!result.ok) throw new Error("refused");
      subjects.push(...result.faults.map(({ subject }) => subject));
      counts.push(result.files);
      cursor = result.nextCursor ?? undefined;
    } while (cursor !== undefined);
    expect(subjects).toEqual(keys);
    expect(counts).toEqual([2, 0, 0, 0]);
  });

  it("may lose an object between its listing and the index's answer", async () => {
    const archiver = await archived();
    const key = await firstKey();
    const { log, gate: counting } = interruptingGate(-1, () => Promise.resolve());
    later(archiver, 11);
    await verify({ ...archiver.bindings, db: gatedDatabase(counting) }, { depth: "index" });
    const { gate } = interruptingGate(log.length - 1, async () => {
      await env.COLD.delete(key);
      await sql("DELETE FROM block_indexes WHERE file_id = 1");
      await sql("DELETE FROM archived_files WHERE id = 1");
    });
    const bindings = { ...archiver.bindings, db: gatedDatabase(gate) };
    expect(await verify(bindings, { depth: "index" })).toMatchObject({ faults: [] });
  });
});

describe("a lost file", () => {
  async function detailOf(depth: VerifyDepth): Promise<readonly string[]> {
    const { faults } = await check(new TestArchiver(), depth);
    return faults.map((fault: IntegrityFault) => `${fault.check}: ${fault.detail}`);
  }

  const lose = (also = ""): Promise<void> =>
    sql(`UPDATE archived_files SET state = 'lost'${also} WHERE id = 1`);

  it("whose object is there again comes back by itself, and that is said", async () => {
    await archived();
    await lose();
    for (const depth of ["index", "full"] as const) {
      expect(await detailOf(depth)).toEqual([
        expect.stringMatching(/^lost-but-there: .*retention makes it live again$/),
      ]);
    }
  });

  it("under whose key lies another object does not, and that is said", async () => {
    await archived();
    await lose();
    await changeBytes(flip(0));
    expect(await detailOf("index")).toEqual([
      expect.stringMatching(/^lost-but-there: .*the full depth says$/),
    ]);
    const other = /^lost-but-there: the object is not the file: /;
    expect(await detailOf("full")).toEqual([expect.stringMatching(other)]);
    await changeBytes((bytes) => bytes.subarray(1));
    for (const depth of ["index", "full"] as const) {
      expect(await detailOf(depth)).toEqual([expect.stringMatching(other)]);
    }
  });

  it("that a reindexing has kept apart is said to be so, not to be gone", async () => {
    await archived();
    await lose(", sha256 = ''");
    const apart = expect.stringMatching(
      /^lost-but-there: a reindexing has kept it apart, 350 records unread/,
    );
    expect(await detailOf("index")).toEqual([apart]);
    expect(await detailOf("full")).toEqual([apart]);
  });
});

describe("inspecting an object", () => {
  it("says what an archive file holds, block by block", async () => {
    await archived();
    const report = await inspect(env.COLD, await firstKey());
    const { results } = await env.DB.prepare(
      `SELECT start_byte AS start, length, record_count AS records, dataset_id AS datasetId
       FROM block_indexes WHERE file_id = 1 ORDER BY start_byte`,
    ).all();
    if (report === null || "fault" in report) throw new Error("it cannot be described");
    expect(report.blocks).toEqual(results);
    const row = await env.DB.prepare("SELECT * FROM archived_files WHERE id = 1").first<
      Record<string, unknown>
    >();
    expect(report).toMatchObject({
      key: row?.["file_path"],
      size: row?.["file_size"],
      headerSize: row?.["header_size"],
      codec: "deflate",
      fingerprint: row?.["schema_fingerprint"],
      records: 350,
    });
    expect(report.metadata).toMatchObject({
      "strata.table": "flights",
      "strata.datasets": '[["LAS",200],["OAK",150]]',
    });
    expect(JSON.parse(report.schema)).toMatchObject({ type: "record" });
  });

  it("says nothing of the datasets of a file that others have written", async () => {
    const { writeFile } = await import("../ocf/index.ts");
    const { bytes } = writeFile(
      { schema: '"long"', codec: "null", metadata: new Map([["who", "others"]]), sync: new Uint8Array(16) },
      [{ recordCount: 2, records: Uint8Array.of(2, 4) }],
    );
    await env.COLD.put("foreign.avro", bytes);
    expect(await inspect(env.COLD, "foreign.avro")).toMatchObject({
      metadata: { who: "others" },
      schema: '"long"',
      records: 2,
      blocks: [{ records: 2, datasetId: null }],
    });
  });

  it("answers null for an object that is not there", async () => {
    expect(await inspect(env.COLD, "nothing")).toBeNull();
  });

  it("says in words what is wrong with an object that is no Avro file, or a damaged one", async () => {
    await env.COLD.put("notes.txt", "not ours");
    expect(await inspect(env.COLD, "notes.txt")).toEqual({
      fault: expect.stringMatching(/^it is no Avro object container file: /),
    });
    await archived();
    await changeBytes((bytes) => bytes.subarray(0, -3));
    expect(await inspect(env.COLD, await firstKey())).toEqual({
      fault: expect.stringMatching(/^it is damaged: /),
    });
  });
});
