/** Defects that archives of this kind have had, each by its name. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { countRows, EPOCH, type Flight, flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import { gatedDatabase, type Gate } from "../../test/faults.ts";
import { readStored } from "../../test/stored.ts";
import { strictDatabase } from "../../test/strict.ts";
import { openBlock } from "../cold/index.ts";
import { LEASE_TTL_MS } from "../manifest/index.ts";
import { decodeRecord, recordBytes, registry } from "../tables/index.ts";

useStorage();

const dataset = (n: number): string => `user-${String(n).padStart(4, "0")}-${"x".repeat(100)}`;

/** Hot rows of many datasets, one record each, without the way through the queue. */
async function seedDatasets(count: number): Promise<void> {
  await new TestArchiver().store([flight(1)]);
  await env.DB.prepare(
    `INSERT INTO buffer_logs (message_id, dataset_id, table_name, period, schema_fingerprint, record_count,
                              min_time, max_time, bytes, created_at, data)
     SELECT 'm' || n.key, n.value, b.table_name, b.period, b.schema_fingerprint, b.record_count,
            b.min_time, b.max_time, b.bytes, b.created_at, b.data
     FROM buffer_logs b, json_each(?) n WHERE b.id = 1`,
  )
    .bind(JSON.stringify(Array.from({ length: count - 1 }, (_, n) => dataset(n))))
    .run();
}

const bytesOf = async (key: string): Promise<Buffer> =>
  Buffer.from((await (await env.COLD.get(key))?.arrayBuffer()) ?? new ArrayBuffer());

/** What of each dataset a reader finds by nothing but the index: a range request a block. */
async function readByIndex(): Promise<ReadonlyMap<string, readonly unknown[]>> {
  const { results } = await env.DB.prepare(
    `SELECT b.dataset_id AS datasetId, b.start_byte AS start, b.length, b.crc32, b.record_count AS recordCount,
            b.start_timestamp AS minTime, f.file_path AS filePath, f.compression_codec AS codec,
            f.sync_marker AS sync, f.schema_fingerprint AS fingerprint
     FROM block_indexes b JOIN archived_files f ON f.id = b.file_id ORDER BY b.id`,
  ).all<Parameters<typeof openBlock>[0] & { readonly datasetId: string }>();
  const found = new Map<string, unknown[]>();
  for (const block of results) {
    const object = await env.COLD.get(block.filePath, {
      range: { offset: block.start, length: block.length },
    });
    const bytes = new Uint8Array((await object?.arrayBuffer()) ?? new ArrayBuffer());
    const run = openBlock(block, bytes, "flights", registry);
    const records = run.times.map((_, index) => decodeRecord(run.schema, recordBytes(run, index)));
    found.set(block.datasetId, [...(found.get(block.datasetId) ?? []), ...records]);
  }
  return found;
}

describe("a path that every run of a period uses again", () => {
  it("is not there: what a period's earlier runs wrote stays as it is, and stays in the index", async () => {
    const archiver = new TestArchiver();
    const objects = new Map<string, Buffer>();
    for (let run = 1; run <= 3; run += 1) {
      await archiver.store([flight(run)]);
      expect(await archiver.archive()).toMatchObject({ files: 1 });
      for (const { path } of (await readStored()).files) {
        const bytes = await bytesOf(path);
        expect(bytes).toEqual(objects.get(path) ?? bytes);
        objects.set(path, bytes);
      }
      expect(objects.size).toBe(run);
    }
    expect(await archiver.readAll()).toEqual([flight(1), flight(2), flight(3)]);
  });
});

describe("a UNIQUE error that leaves the buffer full", () => {
  it("does not come when a commit took effect and its answer was lost", async () => {
    const healthy = new TestArchiver();
    await healthy.store([flight(1)]);
    const gate: Gate = async (operation, perform) => {
      const result = await perform();
      if (operation === "batch") throw new Error("D1_ERROR: Network connection lost.");
      return result;
    };
    await expect(new TestArchiver({ db: gatedDatabase(gate) }).archive()).rejects.toThrow(
      "Network connection lost",
    );
    await healthy.store([flight(2)]);
    healthy.now += LEASE_TTL_MS;
    expect(await healthy.archive()).toMatchObject({ hotRows: 1, remaining: 0 });
    expect(await countRows("buffer_logs")).toBe(0);
    expect(await healthy.readAll()).toEqual([flight(1), flight(2)]);
  });

  it("does not come when a message is remembered already", async () => {
    const archiver = new TestArchiver();
    await archiver.store([flight(1)]);
    await env.DB.prepare("INSERT INTO archived_messages SELECT message_id, 1 FROM buffer_logs").run();
    expect(await archiver.archive()).toMatchObject({ hotRows: 1, remaining: 0 });
    expect(await countRows("buffer_logs")).toBe(0);
  });

  it("does not come when a file of the manifest has the path: the next run writes another", async () => {
    const archiver = new TestArchiver();
    await archiver.store([flight(1)]);
    const gate: Gate = async (operation, perform) => {
      if (operation === "batch") {
        const { objects } = await env.COLD.list();
        await env.DB.prepare(
          `INSERT INTO archived_files (file_path, table_name, period, file_size, header_size, compression_codec,
             sha256, sync_marker, schema_fingerprint, record_count, block_count, min_time, max_time, created_at,
             last_modified_at, state)
           SELECT ?, 'flights', 'p', 0, 0, '', '', '', '', 0, 0, 0, 0, 0, 0, 'deleting'`,
        )
          .bind(objects[0]?.key)
          .run();
      }
      return perform();
    };
    await expect(new TestArchiver({ db: gatedDatabase(gate) }).archive()).rejects.toThrow("NOT NULL");
    expect(await archiver.archive()).toMatchObject({ hotRows: 1, remaining: 0 });
    expect(await countRows("buffer_logs")).toBe(0);
  });
});

describe("wrong offsets in the block index", () => {
  it("are not there: each block's range gives exactly its dataset's records, in files of many blocks", async () => {
    const archiver = new TestArchiver({ settings: { blockBytes: 300 } });
    const expected = new Map<string, readonly Flight[]>();
    for (let n = 0; n < 12; n += 1) {
      // Blocks of less and of more than 64 and 8,192 bytes: their sizes take one, two and three bytes.
      const records = Array.from({ length: 1 + n * 7 }, (_, minute) =>
        flight(minute, { delay: n, origin: minute === 0 && n === 5 ? "é".repeat(20_000) : "LAS" }),
      );
      await archiver.store(records, { datasetId: dataset(n) });
      expected.set(dataset(n), records);
    }
    const { blocks } = await archiver.archive();
    expect(blocks).toBeGreaterThan(30);
    expect(await readByIndex()).toEqual(expected);
  });
});

describe("a bulk insert too large for D1, and 999 parameters", () => {
  it("are not there: a run of 2,000 datasets in one file keeps to D1's limits", async () => {
    await seedDatasets(2_000);
    const batches: number[] = [];
    const db = strictDatabase((statements) => void batches.push(statements));
    expect(await new TestArchiver({ db }).archive()).toMatchObject({ files: 1, blocks: 2_000, remaining: 0 });
    expect(batches).toEqual([5]);
    expect((await readStored()).faults).toEqual([]);
  });

  it("are not there: the largest index of a pass, one block a KiB, keeps to them as well", async () => {
    await seedDatasets(500);
    const long = flight(2, { origin: "y".repeat(1_000) });
    for (let n = 0; n < 6; n += 1) {
      await new TestArchiver().store(
        Array.from({ length: 100 }, () => long),
        { datasetId: dataset(n) },
      );
    }
    const archiver = new TestArchiver({ db: strictDatabase(), settings: { blockBytes: 1_024 } });
    expect(await archiver.archive()).toMatchObject({ blocks: 500 + 600, remaining: 0 });
    expect((await readStored()).faults).toEqual([]);
  });
});

describe("a byteOffset that is ignored", () => {
  it("is not: a block opens as a view into a larger buffer, wherever it begins", async () => {
    const archiver = new TestArchiver({ settings: { blockBytes: 100 } });
    await archiver.store(Array.from({ length: 40 }, (_, n) => flight(n)));
    await archiver.archive();
    const [file] = (await readStored()).files;
    const bytes = await bytesOf(file?.path ?? "");
    const { results } = await env.DB.prepare(
      `SELECT b.start_byte AS start, b.length, b.crc32, b.record_count AS recordCount, b.start_timestamp AS minTime,
              f.file_path AS filePath, f.compression_codec AS codec, f.sync_marker AS sync,
              f.schema_fingerprint AS fingerprint
       FROM block_indexes b JOIN archived_files f ON f.id = b.file_id ORDER BY b.id`,
    ).all<Parameters<typeof openBlock>[0]>();
    const times = results.flatMap((block) => {
      const larger = new Uint8Array(bytes.length + 7);
      larger.set(bytes, 7);
      const view = larger.subarray(7 + block.start, 7 + block.start + block.length);
      return openBlock(block, view, "flights", registry).times;
    });
    expect(times).toEqual(Array.from({ length: 40 }, (_, n) => EPOCH + n * 60_000));
  });
});
