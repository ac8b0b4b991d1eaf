import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { countRows, EPOCH, flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import { gatedBucket, gatedDatabase, interruptingGate } from "../../test/faults.ts";
import { expectExactlyOnce, fill } from "../../test/filled.ts";
import { readStored } from "../../test/stored.ts";
import { Meter, meteredBucket, meteredDatabase, NO_SPEND } from "../cost/index.ts";
import { readFile } from "../ocf/index.ts";
import { scanRecords, registry } from "../tables/index.ts";
import { ARCHIVE_LEASE } from "../manifest/index.ts";

useStorage();

interface FileRow {
  readonly id: number;
  readonly file_path: string;
  readonly file_size: number;
  readonly header_size: number;
  readonly sha256: string;
  readonly record_count: number;
  readonly block_count: number;
  readonly schema_fingerprint: string;
  readonly sync_marker: string;
}

async function files(): Promise<readonly FileRow[]> {
  return (await env.DB.prepare("SELECT * FROM archived_files ORDER BY file_path").all<FileRow>()).results;
}

/** Makes `count` rows of one, each of a dataset of its own. */
async function repeatRow(id: number, count: number): Promise<void> {
  await env.DB.prepare(
    `INSERT INTO buffer_logs (message_id, dataset_id, table_name, period, schema_fingerprint, record_count,
                              min_time, max_time, bytes, created_at, data)
     SELECT 'm' || n.value, 'user-' || n.value, b.table_name, b.period, b.schema_fingerprint, b.record_count,
            b.min_time, b.max_time, b.bytes, b.created_at, b.data
     FROM buffer_logs b, json_each(?2) n WHERE b.id = ?1`,
  )
    .bind(id, JSON.stringify(Array.from({ length: count - 1 }, (_, n) => n)))
    .run();
}

describe("an archive run", () => {
  it("writes one file a table and period, one dataset a block, and empties what it moved", async () => {
    const archiver = new TestArchiver();
    await fill(archiver);
    expect(await archiver.archive()).toMatchObject({
      ran: true,
      files: 2,
      blocks: 3,
      records: 7,
      hotRows: 5,
      remaining: 0,
    });
    expect((await files()).map(({ file_path }) => file_path.replace(/[0-9a-f]{12}\.avro$/, "#"))).toEqual([
      "flights/2026_11_20/1-5-1-#",
      "flights/2026_11_21/2-3-1-#",
    ]);
    expect(await countRows("buffer_logs")).toBe(0);
    await expectExactlyOnce(archiver);
  });

  it("leaves an index that covers each file without a gap and cuts out whole blocks", async () => {
    const archiver = new TestArchiver();
    await fill(archiver);
    await archiver.archive();
    for (const file of await files()) {
      const object = await env.COLD.get(file.file_path);
      const bytes = new Uint8Array((await object?.arrayBuffer()) ?? new ArrayBuffer());
      expect(bytes.length).toBe(file.file_size);
      expect(Buffer.from(object?.checksums.sha256 ?? new ArrayBuffer()).toString("hex")).toBe(file.sha256);
      expect(file.file_path).toContain(file.sha256.slice(0, 12));

      const { header, blocks } = readFile(bytes);
      expect(header.size).toBe(file.header_size);
      expect(Buffer.from(header.sync).toString("hex")).toBe(file.sync_marker);
      expect(header.metadata.get("strata.schema.sha256")).toBe(file.schema_fingerprint);

      const index = await env.DB.prepare("SELECT * FROM block_indexes WHERE file_id = ? ORDER BY start_byte")
        .bind(file.id)
        .all<Record<string, number | string>>();
      expect(index.results).toHaveLength(file.block_count);
      const schema = registry.find("flights", file.schema_fingerprint);
      for (const [place, block] of blocks.entries()) {
        const times = schema === undefined ? [] : scanRecords(schema, block.records, block.recordCount).times;
        expect(index.results[place]).toMatchObject({
          start_byte: block.start,
          length: block.length,
          record_count: block.recordCount,
          start_timestamp: times[0],
          end_timestamp: times.at(-1),
        });
      }
      const datasets = index.results.map((row) => [row["dataset_id"], row["record_count"]]);
      expect(JSON.parse(header.metadata.get("strata.datasets") ?? "")).toEqual(datasets);
    }
  });

  it("writes a new file, and not over the last one, when a period gets more records", async () => {
    const archiver = new TestArchiver();
    await archiver.store([flight(1)]);
    await archiver.archive();
    await archiver.store([flight(2)]);
    await archiver.archive();
    await archiver.store([flight(1)]);
    await archiver.archive();
    expect(await files()).toHaveLength(3);
    expect(await archiver.readAll()).toEqual([flight(1), flight(1), flight(2)]);
  });

  it("moves nothing and says so when another run holds the lease", async () => {
    const archiver = new TestArchiver();
    await fill(archiver);
    await env.DB.prepare("INSERT INTO leases (name, holder, fence, expires_at) VALUES (?, 'other', 7, ?)")
      .bind(ARCHIVE_LEASE, archiver.now + 1)
      .run();
    expect(await archiver.archive()).toEqual({
      ran: false,
      files: 0,
      blocks: 0,
      records: 0,
      hotRows: 0,
      coldBytes: 0,
      remaining: 0,
      spent: NO_SPEND,
    });
    archiver.now += 1;
    expect(await archiver.archive()).toMatchObject({ ran: true, hotRows: 5 });
  });

  it("lets the lease go when it is done, with a fence that keeps growing", async () => {
    const archiver = new TestArchiver();
    for (const fence of [1, 2, 3]) {
      await archiver.archive();
      const row = await env.DB.prepare("SELECT fence, expires_at FROM leases").first();
      expect(row).toEqual({ fence, expires_at: 0 });
    }
  });

  it.each([
    ["rows", { rowsPerPass: 1 }, {}],
    ["records", { recordsPerPass: 1 }, {}],
    ["bytes", {}, { fileBytes: 1 }],
    ["files in a commit", { filesPerCommit: 1 }, {}],
  ])("moves everything when a pass is bounded by %s", async (_, bounds, settings) => {
    const archiver = new TestArchiver({ settings });
    await fill(archiver);
    expect(await archiver.archive(bounds)).toMatchObject({ hotRows: 5, remaining: 0 });
    await expectExactlyOnce(archiver);
  });

  it.each([
    ["its time", { runTime: 0, rowsPerPass: 2 }, 2],
    ["its number of files", { filesPerRun: 1, rowsPerPass: 1 }, 1],
  ])("stops at %s after one step, says what remains, and goes on the next time", async (_, bounds, moved) => {
    const archiver = new TestArchiver();
    await fill(archiver);
    expect(await archiver.archive(bounds)).toMatchObject({ hotRows: moved, remaining: 5 - moved });
    await expectExactlyOnce(archiver);
    expect(await archiver.archive()).toMatchObject({ remaining: 0 });
    await expectExactlyOnce(archiver);
  });

  it("does not chase rows that arrive while it runs", async () => {
    const late = new TestArchiver();
    const { gate } = interruptingGate(3, () => late.store([flight(1, { delay: 77 })]));
    const archiver = new TestArchiver({ bucket: gatedBucket(gate), db: gatedDatabase(gate) });
    await fill(late);
    expect(await archiver.archive()).toMatchObject({ hotRows: 5, remaining: 0 });
    expect(await countRows("buffer_logs")).toBe(1);
  });

  it("moves nothing when a row that it has picked is no longer there to be moved", async () => {
    const healthy = new TestArchiver();
    await fill(healthy);
    const { gate } = interruptingGate(3, async () => {
      await env.DB.prepare("DELETE FROM buffer_logs WHERE id = 2").run();
    });
    const archiver = new TestArchiver({ db: gatedDatabase(gate), bucket: gatedBucket(gate) });
    await expect(archiver.archive()).rejects.toThrow("NOT NULL constraint failed");
    expect([
      await countRows("buffer_logs"),
      await countRows("archived_files"),
      await countRows("block_indexes"),
    ]).toEqual([4, 0, 0]);
    expect(await healthy.archive()).toMatchObject({ hotRows: 4, remaining: 0 });
  });

  it("leaves a row that it cannot read hot, reports it, and moves the others", async () => {
    const archiver = new TestArchiver();
    await fill(archiver);
    await env.DB.prepare("UPDATE buffer_logs SET data = 'AAAA' WHERE id = 2").run();
    expect(await archiver.archive()).toMatchObject({ ran: true, hotRows: 4, remaining: 0 });
    expect((await env.DB.prepare("SELECT id FROM buffer_logs").all()).results).toEqual([{ id: 2 }]);
  });

  it("leaves rows of a schema that this version does not have for the version that has it", async () => {
    const archiver = new TestArchiver();
    await fill(archiver);
    await env.DB.prepare("UPDATE buffer_logs SET schema_fingerprint = 'future' WHERE id = 1").run();
    expect(await archiver.archive()).toMatchObject({ ran: true, hotRows: 4, remaining: 0 });
    expect((await env.DB.prepare("SELECT id FROM buffer_logs").all()).results).toEqual([{ id: 1 }]);
  });

  it("goes past any number of rows that it cannot move, and moves those behind them", async () => {
    const archiver = new TestArchiver();
    await archiver.store([flight(1)]);
    await repeatRow(1, 300);
    await env.DB.prepare("UPDATE buffer_logs SET data = 'AAAA' WHERE id <= 150").run();
    await env.DB.prepare(
      "UPDATE buffer_logs SET schema_fingerprint = 'future' WHERE id BETWEEN 151 AND 280",
    ).run();
    expect(await archiver.archive({ rowsPerPass: 7 })).toMatchObject({ hotRows: 20, remaining: 0 });
    expect(await countRows("buffer_logs")).toBe(280);
  });

  it("keeps records hot for as long as the stack says, and moves those that are older", async () => {
    const archiver = new TestArchiver({ settings: { hotWindow: 600_000 } });
    await archiver.store([flight(1)]);
    archiver.now += 300_000;
    await archiver.store([flight(2)]);
    archiver.now += 299_999;
    expect(await archiver.archive()).toMatchObject({ ran: true, hotRows: 0, remaining: 0 });
    archiver.now += 1;
    expect(await archiver.archive()).toMatchObject({ hotRows: 1, remaining: 0 });
    expect((await env.DB.prepare("SELECT id FROM buffer_logs").all()).results).toEqual([{ id: 2 }]);
    archiver.now += 300_000;
    expect(await archiver.archive()).toMatchObject({ hotRows: 1, remaining: 0 });
  });

  it("moves records of tables without a schema, in the generic envelope, also when such are refused by now", async () => {
    await new TestArchiver({ settings: { genericTables: true } }).store(
      [
        { time: EPOCH + 5, note: "b" },
        { time: EPOCH, tags: ["a"], ä: null },
      ],
      { table: "notes" },
    );
    const archiver = new TestArchiver();
    await archiver.store([flight(1)]);
    expect(await archiver.archive()).toMatchObject({ files: 2, records: 3, remaining: 0 });
    const stored = await readStored();
    expect(stored.faults).toEqual([]);
    expect(stored.cold).toEqual([
      `flights LAS ${JSON.stringify(flight(1))}`,
      `notes LAS ${JSON.stringify({ time: EPOCH, tags: ["a"], ä: null })}`,
      `notes LAS ${JSON.stringify({ time: EPOCH + 5, note: "b" })}`,
    ]);
  });

  it("makes files and blocks of the sizes that the stack says, with its codec", async () => {
    const archiver = new TestArchiver({ settings: { blockBytes: 200, fileBytes: 1_000, codec: "null" } });
    for (let start = 0; start < 150; start += 10) {
      await archiver.store(Array.from({ length: 10 }, (_, n) => flight(start + n)));
    }
    const { files: count } = await archiver.archive();
    const { results } = await env.DB.prepare(
      `SELECT f.compression_codec AS codec, sum(b.length) AS bytes, max(b.length) AS block
       FROM archived_files f JOIN block_indexes b ON b.file_id = f.id GROUP BY f.id`,
    ).all<{ codec: string; bytes: number; block: number }>();
    expect(results).toHaveLength(count);
    expect(count).toBeGreaterThan(1);
    for (const { codec, bytes, block } of results) {
      expect(codec).toBe("null");
      // A block's framing takes up to 23 bytes beside its records.
      expect(block).toBeLessThanOrEqual(200 + 23);
      expect(bytes).toBeLessThanOrEqual(1_000 + Math.ceil(1_000 / 150) * 23);
    }
    expect((await readStored()).faults).toEqual([]);
  });

  it("says what it spent, as D1 and R2 count it", async () => {
    const filling = new TestArchiver();
    await fill(filling);
    const bytes = await env.DB.prepare("SELECT sum(bytes) AS n FROM buffer_logs").first<number>("n");
    const meter = new Meter();
    const archiver = new TestArchiver({
      db: meteredDatabase(env.DB, meter),
      bucket: meteredBucket(env.COLD, meter),
    });
    const { spent, coldBytes, files: count } = await archiver.archive();
    expect(spent).toEqual({ ...meter.spent, compressedBytes: bytes });
    expect(spent).toMatchObject({
      r2ClassA: count,
      r2ClassB: 0,
      r2BytesWritten: coldBytes,
      decompressedBytes: 0,
    });
    expect(spent.d1RowsWritten).toBeGreaterThan(0);
  });

  it("moves 2,500 messages of as many datasets, far more than D1 binds parameters", async () => {
    const archiver = new TestArchiver();
    await archiver.store([flight(1)]);
    await repeatRow(1, 2_500);
    expect(await archiver.archive()).toMatchObject({ files: 2, blocks: 2_500, hotRows: 2_500, remaining: 0 });
    expect(await archiver.readAll({ datasetId: "user-2498" })).toEqual([flight(1)]);
  });
});
