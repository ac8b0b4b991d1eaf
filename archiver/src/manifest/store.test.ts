import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { countRows, useStorage } from "../../test/archiver.ts";
import { strictDatabase } from "../../test/strict.ts";
import type { FileBlock, WrittenFile } from "../cold/index.ts";
import { acquireLease, ARCHIVE_LEASE, type Lease } from "./lease.ts";
import { announceFile, type Commit, COMMIT_QUERIES, commitChange, type NewFile } from "./store.ts";

useStorage();

let lease: Lease = { name: ARCHIVE_LEASE, fence: 0 };

beforeEach(async () => {
  const granted = await acquireLease(env.DB, { name: ARCHIVE_LEASE, holder: "test", now: 0, ttl: 10 });
  if (granted === null) throw new Error("the lease was not granted");
  lease = granted;
});

function fileBlock(fields: Partial<FileBlock> = {}): FileBlock {
  return {
    datasetId: "LAS",
    start: 100,
    length: 40,
    crc32: 7,
    recordCount: 2,
    minTime: 1,
    maxTime: 2,
    ...fields,
  };
}

function newFile(
  key: string,
  blocks: readonly FileBlock[] = [fileBlock()],
  fields: Partial<WrittenFile> = {},
): NewFile {
  return {
    key,
    retainedFrom: 55,
    file: {
      table: "flights",
      period: "2026_11_20",
      fingerprint: "ab",
      level: 0,
      generation: 0,
      codec: "deflate",
      size: 140,
      headerSize: 100,
      sha256: "cd",
      sync: "ef",
      recordCount: 2,
      minTime: 1,
      maxTime: 2,
      blocks,
      ...fields,
    },
  };
}

const change = (fields: Partial<Commit> = {}): Commit => ({
  lease,
  now: 1_000,
  leaseExpiresAt: 61_000,
  files: [],
  hotRowIds: [],
  replaced: [],
  replacedState: "compacted",
  ...fields,
});

/** Hot rows of the ids 1 to `count`. */
async function seedHot(count: number): Promise<void> {
  await env.DB.prepare(
    `INSERT INTO buffer_logs (id, message_id, dataset_id, table_name, period, schema_fingerprint, record_count,
                              min_time, max_time, bytes, created_at, data)
     SELECT value, 'm' || value, 'LAS', 'flights', '2026_11_20', 'ab', 1, 1, 1, 1, 1, '' FROM json_each(?)`,
  )
    .bind(JSON.stringify(Array.from({ length: count }, (_, n) => n + 1)))
    .run();
}

async function rows(sql: string): Promise<readonly Record<string, unknown>[]> {
  return (await env.DB.prepare(sql).all()).results;
}

/** Everything that a change could change. */
async function everything(): Promise<unknown> {
  const tables = ["buffer_logs", "archived_messages", "archived_files", "block_indexes", "leases"];
  return Promise.all(tables.map((table) => rows(`SELECT * FROM ${table} ORDER BY 1`)));
}

describe("a change of the archive", () => {
  it("makes files live, blocks found, rows vanish and their messages remembered, and renews the lease", async () => {
    await seedHot(3);
    const blocks = [
      fileBlock(),
      fileBlock({ datasetId: "OAK", start: 140, crc32: 4_294_967_295, maxTime: 9 }),
    ];
    await commitChange(env.DB, change({ files: [newFile("a", blocks), newFile("b")], hotRowIds: [1, 3] }));
    expect(await rows("SELECT id FROM buffer_logs")).toEqual([{ id: 2 }]);
    expect(await rows("SELECT * FROM archived_messages ORDER BY 1")).toEqual([
      { message_id: "m1", archived_at: 1_000 },
      { message_id: "m3", archived_at: 1_000 },
    ]);
    expect(await rows("SELECT * FROM archived_files WHERE file_path = 'a'")).toEqual([
      {
        id: 1,
        file_path: "a",
        table_name: "flights",
        period: "2026_11_20",
        file_size: 140,
        header_size: 100,
        compression_codec: "deflate",
        sha256: "cd",
        sync_marker: "ef",
        schema_fingerprint: "ab",
        record_count: 2,
        block_count: 2,
        min_time: 1,
        max_time: 2,
        created_at: 1_000,
        last_modified_at: 1_000,
        state: "live",
        state_at: 1_000,
        level: 0,
        generation: 0,
        retained_from: 55,
      },
    ]);
    const block = { table_name: "flights", length: 40, record_count: 2, start_timestamp: 1 };
    expect(await rows("SELECT * FROM block_indexes ORDER BY id")).toEqual([
      { id: 1, file_id: 1, dataset_id: "LAS", start_byte: 100, crc32: 7, end_timestamp: 2, ...block },
      {
        id: 2,
        file_id: 1,
        dataset_id: "OAK",
        start_byte: 140,
        crc32: 4_294_967_295,
        end_timestamp: 9,
        ...block,
      },
      { id: 3, file_id: 2, dataset_id: "LAS", start_byte: 100, crc32: 7, end_timestamp: 2, ...block },
    ]);
    expect(await rows("SELECT * FROM leases")).toEqual([
      { name: ARCHIVE_LEASE, holder: "test", fence: 1, expires_at: 61_000 },
    ]);
  });

  it.each(["compacted", "deleting"] as const)(
    "takes replaced files' blocks away and makes them %s",
    async (state) => {
      await commitChange(env.DB, change({ files: [newFile("a"), newFile("b"), newFile("c")] }));
      await commitChange(
        env.DB,
        change({ now: 2_000, files: [newFile("d")], replaced: [1, 3], replacedState: state }),
      );
      expect(await rows("SELECT id, state, state_at FROM archived_files ORDER BY id")).toEqual([
        { id: 1, state, state_at: 2_000 },
        { id: 2, state: "live", state_at: 1_000 },
        { id: 3, state, state_at: 2_000 },
        { id: 4, state: "live", state_at: 2_000 },
      ]);
      expect(await rows("SELECT file_id FROM block_indexes ORDER BY 1")).toEqual([
        { file_id: 2 },
        { file_id: 4 },
      ]);
    },
  );

  it("replaces a lost file as well", async () => {
    await commitChange(env.DB, change({ files: [newFile("a")] }));
    await env.DB.prepare("UPDATE archived_files SET state = 'lost'").run();
    await commitChange(env.DB, change({ replaced: [1], replacedState: "deleting" }));
    expect(await rows("SELECT state FROM archived_files")).toEqual([{ state: "deleting" }]);
  });

  it("does not mind a message that is remembered already", async () => {
    await seedHot(1);
    await env.DB.prepare("INSERT INTO archived_messages VALUES ('m1', 5)").run();
    await commitChange(env.DB, change({ files: [newFile("a")], hotRowIds: [1] }));
    expect(await rows("SELECT * FROM archived_messages")).toEqual([{ message_id: "m1", archived_at: 5 }]);
  });
});

describe("a change changes nothing at all", () => {
  it.each<[string, (given: Commit) => Promise<Commit>]>([
    [
      "the lease is another's",
      async (given) => {
        await env.DB.prepare("UPDATE leases SET fence = fence + 1").run();
        return given;
      },
    ],
    [
      "there is no lease at all",
      async (given) => {
        await env.DB.prepare("DELETE FROM leases").run();
        return given;
      },
    ],
    ["a row is gone", async (given) => ({ ...given, hotRowIds: [1, 2, 99] })],
    ["a replaced file is gone", async (given) => ({ ...given, replaced: [1, 99] })],
    ...(["writing", "compacted", "deleting"] as const).map(
      (state): [string, (given: Commit) => Promise<Commit>] => [
        `a replaced file is ${state}`,
        async (given) => {
          await env.DB.prepare("UPDATE archived_files SET state = ? WHERE id = 1").bind(state).run();
          return given;
        },
      ],
    ),
    ...(["live", "compacted", "deleting", "lost"] as const).map(
      (state): [string, (given: Commit) => Promise<Commit>] => [
        `a ${state} file has the path`,
        async (given) => {
          await env.DB.prepare("UPDATE archived_files SET state = ? WHERE id = 2").bind(state).run();
          return { ...given, files: [newFile("b")] };
        },
      ],
    ),
    [
      "a statement of its transaction fails",
      async (given) => ({
        ...given,
        also: [env.DB.prepare("INSERT INTO archived_messages VALUES ('m1', NULL)")],
      }),
    ],
  ])("when %s", async (_, given) => {
    await seedHot(2);
    await commitChange(env.DB, change({ files: [newFile("a"), newFile("b")] }));
    const commit = await given(
      change({ now: 2_000, leaseExpiresAt: 62_000, files: [newFile("c")], hotRowIds: [1, 2], replaced: [1] }),
    );
    const before = await everything();
    await expect(commitChange(env.DB, commit)).rejects.toThrow("NOT NULL constraint failed");
    expect(await everything()).toEqual(before);
  });

  it("when it was made before, and only its answer was lost", async () => {
    await seedHot(2);
    const commit = change({ files: [newFile("a")], hotRowIds: [1, 2] });
    await commitChange(env.DB, commit);
    const before = await everything();
    await expect(commitChange(env.DB, commit)).rejects.toThrow("NOT NULL constraint failed");
    expect(await everything()).toEqual(before);
  });
});

describe("an announced file", () => {
  const announcement = { now: 500, key: "a", table: "flights", period: "2026_11_20", fingerprint: "ab" };

  it("is no file of readers, and becomes one, of the same id, with its blocks", async () => {
    expect(await announceFile(env.DB, { ...announcement, lease })).toBe(true);
    expect(await rows("SELECT id, state, state_at, record_count FROM archived_files")).toEqual([
      { id: 1, state: "writing", state_at: 500, record_count: 0 },
    ]);
    await commitChange(env.DB, change({ files: [newFile("a", [fileBlock()], { level: 1, generation: 3 })] }));
    expect(await rows("SELECT * FROM archived_files")).toMatchObject([
      {
        id: 1,
        state: "live",
        state_at: 1_000,
        created_at: 500,
        last_modified_at: 1_000,
        file_size: 140,
        header_size: 100,
        sha256: "cd",
        sync_marker: "ef",
        record_count: 2,
        block_count: 1,
        min_time: 1,
        max_time: 2,
        level: 1,
        generation: 3,
        retained_from: 55,
        compression_codec: "deflate",
      },
    ]);
    expect(await rows("SELECT file_id FROM block_indexes")).toEqual([{ file_id: 1 }]);
  });

  it("is not announced by one whose lease is gone", async () => {
    expect(await announceFile(env.DB, { ...announcement, lease: { ...lease, fence: lease.fence - 1 } })).toBe(
      false,
    );
    expect(await countRows("archived_files")).toBe(0);
  });

  it("has a path that no other file has", async () => {
    await announceFile(env.DB, { ...announcement, lease });
    await expect(announceFile(env.DB, { ...announcement, lease })).rejects.toThrow(
      "UNIQUE constraint failed",
    );
  });
});

describe("a large change", () => {
  it("of 12,000 blocks with the longest names goes in few statements, none of them too large for D1", async () => {
    await seedHot(5_000);
    const key = `flights/${"p".repeat(64)}/1-5000-1-0123456789ab.avro`;
    const blocks = Array.from({ length: 12_000 }, (_, n) =>
      fileBlock({ datasetId: "ü".repeat(64), start: 4_000_000 + n, minTime: 1_766_500_000_123 }),
    );
    const statements: number[] = [];
    const hotRowIds = Array.from({ length: 5_000 }, (_, n) => n + 1);
    await commitChange(
      strictDatabase((count) => void statements.push(count)),
      change({ files: [newFile(key, blocks)], hotRowIds }),
    );
    expect(await countRows("block_indexes")).toBe(12_000);
    expect(await countRows("buffer_logs")).toBe(0);
    expect(
      await rows("SELECT count(DISTINCT start_byte) AS n, min(file_id) AS file FROM block_indexes"),
    ).toEqual([{ n: 12_000, file: 1 }]);
    expect(statements).toEqual([4 + Math.ceil((12_000 * 270) / 1_000_000)]);
  });

  it("of a usual size takes no more statements than is said", async () => {
    await commitChange(env.DB, change({ files: [newFile("a")] }));
    await seedHot(1);
    const statements: number[] = [];
    const commit = change({ files: [newFile("b")], hotRowIds: [1], replaced: [1] });
    await commitChange(
      strictDatabase((count) => void statements.push(count)),
      commit,
    );
    expect(statements).toEqual([COMMIT_QUERIES]);
  });
});
