import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { countRows, type Flight, flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import { gatedBucket, gatedDatabase, interruptingGate, killingGate } from "../../test/faults.ts";
import { readFile } from "../ocf/index.ts";
import { scanRecords, registry } from "../tables/index.ts";
import { ARCHIVE_LEASE, LEASE_TTL_MS } from "./run.ts";

useStorage();

/** Two periods, two datasets, ties and a repeated record. */
const RECORDS: readonly Flight[] = [
  flight(5),
  flight(3),
  flight(5),
  flight(1441),
  flight(1440, { delay: 9 }),
  flight(3, { delay: 1 }),
];

async function fill(archiver: TestArchiver): Promise<void> {
  await archiver.store(RECORDS.slice(0, 4));
  await archiver.store(RECORDS.slice(4));
  await archiver.store([flight(4, { origin: "SFO" })], { datasetId: "SFO" });
}

const sorted = (records: readonly unknown[]): readonly string[] =>
  records.map((record) => JSON.stringify(record)).sort();

/** Every record is read once, and the index agrees with the objects that it names. */
async function expectExactlyOnce(archiver: TestArchiver): Promise<void> {
  expect(sorted(await archiver.readAll({ limit: 2 }))).toEqual(sorted(RECORDS));
  expect(await archiver.readAll({ datasetId: "SFO" })).toEqual([flight(4, { origin: "SFO" })]);
  const counted = await env.DB.prepare(
    `SELECT (SELECT coalesce(sum(record_count), 0) FROM buffer_logs) AS hot,
            (SELECT coalesce(sum(record_count), 0) FROM block_indexes) AS cold,
            (SELECT coalesce(sum(record_count), 0) FROM archived_files) AS files`,
  ).first<{ hot: number; cold: number; files: number }>();
  expect(counted).not.toBeNull();
  expect((counted?.hot ?? 0) + (counted?.cold ?? 0)).toBe(RECORDS.length + 1);
  expect(counted?.files).toBe(counted?.cold);
}

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
      "flights/2026_11_20/1-5-#",
      "flights/2026_11_21/2-3-#",
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
      const datasets = index.results.map((row) => [row["dataset_id"], 1]);
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
    ["rows", { rowsPerPass: 1 }],
    ["bytes", { bytesPerPass: 1 }],
    ["files in a commit", { filesPerCommit: 1 }],
  ])("moves everything when a pass is bounded by %s", async (_, bounds) => {
    const archiver = new TestArchiver();
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
    expect(await archiver.archive()).toMatchObject({ ran: true, hotRows: 4, remaining: 1 });
    expect((await env.DB.prepare("SELECT id FROM buffer_logs").all()).results).toEqual([{ id: 2 }]);
  });

  it("leaves rows of a schema that this version does not have for the version that has it", async () => {
    const archiver = new TestArchiver();
    await fill(archiver);
    await env.DB.prepare("UPDATE buffer_logs SET schema_fingerprint = 'future' WHERE id = 1").run();
    expect(await archiver.archive()).toMatchObject({ ran: true, hotRows: 4, remaining: 1 });
  });

  it("moves 2,500 messages of as many datasets, far more than D1 binds parameters", async () => {
    const archiver = new TestArchiver();
    await archiver.store([flight(1)]);
    await env.DB.prepare(
      `INSERT INTO buffer_logs (message_id, dataset_id, table_name, period, schema_fingerprint, record_count,
                                min_time, max_time, bytes, created_at, data)
       SELECT 'm' || n.value, 'user-' || n.value, b.table_name, b.period, b.schema_fingerprint, b.record_count,
              b.min_time, b.max_time, b.bytes, b.created_at, b.data
       FROM buffer_logs b, json_each(?) n WHERE b.id = 1`,
    )
      .bind(JSON.stringify(Array.from({ length: 2_499 }, (_, n) => n)))
      .run();
    expect(await archiver.archive()).toMatchObject({ files: 2, blocks: 2_500, hotRows: 2_500, remaining: 0 });
    expect(await archiver.readAll({ datasetId: "user-2498" })).toEqual([flight(1)]);
  });
});

describe("an archive run that dies", () => {
  /** The operations of a run, so that a test can stop at each. */
  async function operations(): Promise<number> {
    const { gate, log } = killingGate(Number.POSITIVE_INFINITY, "before");
    const archiver = new TestArchiver({ db: gatedDatabase(gate), bucket: gatedBucket(gate) });
    await fill(new TestArchiver());
    await archiver.archive({ rowsPerPass: 3 });
    await env.DB.batch(
      [
        "block_indexes",
        "archived_files",
        "archived_messages",
        "buffer_logs",
        "leases",
        "sqlite_sequence",
      ].map((table) => env.DB.prepare(`DELETE FROM ${table}`)),
    );
    return log.length;
  }

  it.each(["before", "after"] as const)(
    "%s any operation loses nothing and doubles nothing",
    async (moment) => {
      const count = await operations();
      expect(count).toBeGreaterThanOrEqual(10);
      for (let at = 0; at < count; at += 1) {
        const healthy = new TestArchiver();
        await fill(healthy);
        const { gate } = killingGate(at, moment);
        const dying = new TestArchiver({ db: gatedDatabase(gate), bucket: gatedBucket(gate) });
        await dying.archive({ rowsPerPass: 3 }).catch(() => undefined);

        await expectExactlyOnce(healthy);
        healthy.now += LEASE_TTL_MS;
        expect(await healthy.archive({ rowsPerPass: 3 })).toMatchObject({ ran: true, remaining: 0 });
        expect(await countRows("buffer_logs")).toBe(0);
        await expectExactlyOnce(healthy);
        await env.DB.batch(
          ["block_indexes", "archived_files", "archived_messages", "leases", "sqlite_sequence"].map((table) =>
            env.DB.prepare(`DELETE FROM ${table}`),
          ),
        );
      }
    },
  );

  it("after its upload finds its own object again and commits it", async () => {
    const healthy = new TestArchiver();
    await healthy.store([flight(1)]);
    const { gate, log } = killingGate(4, "before");
    const dying = new TestArchiver({ db: gatedDatabase(gate), bucket: gatedBucket(gate) });
    await expect(dying.archive()).rejects.toThrow("batch");
    expect(log.slice(3)).toContain("r2 put");
    const left = await env.COLD.list();
    expect(left.objects).toHaveLength(1);

    healthy.now += LEASE_TTL_MS;
    expect(await healthy.archive()).toMatchObject({ files: 1 });
    expect((await env.COLD.list()).objects.map(({ key }) => key)).toEqual(left.objects.map(({ key }) => key));
    expect((await files()).map(({ file_path }) => file_path)).toEqual(left.objects.map(({ key }) => key));
  });

  it("does not take an object of another content for its own", async () => {
    const archiver = new TestArchiver();
    await archiver.store([flight(1)]);
    const planting = interruptingGate(3, async () => {
      throw new Error("stop before the upload");
    });
    const keys: string[] = [];
    const bucket = new Proxy(env.COLD, {
      get(target, name) {
        if (name !== "put") return Reflect.get(target, name).bind(target);
        return (key: string) => {
          keys.push(key);
          return planting.gate("put", () => Promise.reject(new Error("stop before the upload")));
        };
      },
    });
    await expect(new TestArchiver({ bucket }).archive()).rejects.toThrow("stop before the upload");
    await env.COLD.put(keys[0] ?? "", "something else");
    await expect(archiver.archive()).rejects.toThrow("exists with another content");
    expect(await countRows("buffer_logs")).toBe(1);
    expect(await archiver.readAll()).toEqual([flight(1)]);
  });
});

describe("an archive run that stalls and wakes", () => {
  it("at any operation does no harm after another run has taken its lease and done its work", async () => {
    let stalls = 0;
    for (let at = 1; at < 12; at += 1) {
      const other = new TestArchiver();
      await fill(other);
      other.now += 2 * LEASE_TTL_MS;
      let other_ran = false;
      const { gate } = interruptingGate(at, async () => {
        other_ran = (await other.archive()).ran;
      });
      const stalled = new TestArchiver({ db: gatedDatabase(gate), bucket: gatedBucket(gate) });
      await stalled.archive({ rowsPerPass: 3 });
      if (other_ran) stalls += 1;

      await expectExactlyOnce(other);
      expect(await countRows("buffer_logs")).toBe(0);
      await env.DB.batch(
        ["block_indexes", "archived_files", "archived_messages", "leases"].map((table) =>
          env.DB.prepare(`DELETE FROM ${table}`),
        ),
      );
    }
    expect(stalls).toBeGreaterThanOrEqual(8);
  });

  it("does not shorten or end the lease of the run that took over", async () => {
    const archiver = new TestArchiver();
    await fill(archiver);
    const { gate } = interruptingGate(2, async () => {
      await env.DB.prepare(
        "UPDATE leases SET holder = 'other', fence = fence + 1, expires_at = 42424242",
      ).run();
    });
    const stalled = new TestArchiver({ db: gatedDatabase(gate), bucket: gatedBucket(gate) });
    expect(await stalled.archive()).toMatchObject({ ran: true, hotRows: 0, remaining: 5 });
    expect(await env.DB.prepare("SELECT holder, expires_at FROM leases").first()).toEqual({
      holder: "other",
      expires_at: 42424242,
    });
  });
});
