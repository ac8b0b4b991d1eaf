import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { useStorage } from "../../test/archiver.ts";
import { addSpend, Meter, meteredBucket, meteredDatabase, NO_SPEND } from "./index.ts";

useStorage();

const INSERT =
  "INSERT INTO leases (name, holder, fence, expires_at) SELECT value, 'x', 1, 0 FROM json_each(?1)";

interface Row {
  readonly name: string;
  readonly fence: number;
}

function metered(): { readonly db: D1Database; readonly bucket: R2Bucket; readonly meter: Meter } {
  const meter = new Meter();
  return { db: meteredDatabase(env.DB, meter), bucket: meteredBucket(env.COLD, meter), meter };
}

async function seed(count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, n) => `lease-${n}`);
  await env.DB.prepare(INSERT).bind(JSON.stringify(names)).run();
}

describe("a metered database", () => {
  it("counts each statement, and the rows that D1 says it read and wrote", async () => {
    const { db, meter } = metered();
    const inserted = await db.prepare(INSERT).bind('["a","b","c"]').run();
    expect(meter.spent).toEqual({
      ...NO_SPEND,
      d1Queries: 1,
      d1RowsRead: inserted.meta.rows_read,
      d1RowsWritten: inserted.meta.rows_written,
    });
    expect(meter.spent.d1RowsWritten).toBeGreaterThanOrEqual(3);
    const { meta } = await db.prepare("SELECT * FROM leases WHERE fence = ?").bind(1).all();
    expect(meter.spent).toMatchObject({
      d1Queries: 2,
      d1RowsRead: inserted.meta.rows_read + meta.rows_read,
      d1RowsWritten: inserted.meta.rows_written + meta.rows_written,
    });
    expect(meta.rows_read).toBe(3);
  });

  it("answers the first row, a column of it, or nothing, as D1 does", async () => {
    await seed(3);
    const { db, meter } = metered();
    const statement = (sql: string): D1PreparedStatement => db.prepare(sql);
    expect(await statement("SELECT name, fence FROM leases ORDER BY name").first<Row>()).toEqual({
      name: "lease-0",
      fence: 1,
    });
    expect(await statement("SELECT count(*) AS n FROM leases").first("n")).toBe(3);
    expect(await statement("SELECT * FROM leases WHERE fence = 9").first()).toBeNull();
    expect(meter.spent).toMatchObject({ d1Queries: 3, d1RowsRead: 9 });
  });

  it("counts each statement of a batch, and passes bound ones on", async () => {
    await seed(4);
    const { db, meter } = metered();
    const results = await db.batch<Row>([
      db.prepare("SELECT name FROM leases WHERE name = ?").bind("lease-2"),
      db.prepare("UPDATE leases SET fence = 7"),
      db.prepare("SELECT * FROM leases"),
    ]);
    expect(results.map((result) => result.results.length)).toEqual([1, 0, 4]);
    const sum = (of: (meta: D1Meta) => number): number =>
      results.reduce((all, { meta }) => all + of(meta), 0);
    expect(meter.spent).toEqual({
      ...NO_SPEND,
      d1Queries: 3,
      d1RowsRead: sum(({ rows_read }) => rows_read),
      d1RowsWritten: sum(({ rows_written }) => rows_written),
    });
    expect(meter.spent.d1RowsWritten).toBe(4);
  });

  it("counts a query that D1 refuses, which counts against an invocation's as well", async () => {
    const { db, meter } = metered();
    await expect(db.prepare("SELECT * FROM nowhere").all()).rejects.toThrow("no such table");
    await expect(db.batch([db.prepare("SELECT 1"), db.prepare("SELECT * FROM nowhere")])).rejects.toThrow(
      "no such table",
    );
    await db.prepare("SELECT 1").raw();
    expect(meter.spent).toEqual({ ...NO_SPEND, d1Queries: 4 });
  });
});

describe("a metered bucket", () => {
  it("counts what lists and changes as class A, what reads as class B, and nothing for deleting", async () => {
    const { bucket, meter } = metered();
    await bucket.put("a", new Uint8Array(100));
    expect(meter.spent).toEqual({ ...NO_SPEND, r2ClassA: 1, r2BytesWritten: 100 });
    await bucket.list();
    expect(meter.spent).toMatchObject({ r2ClassA: 2, r2ClassB: 0 });
    await bucket.head("a");
    expect(meter.spent).toMatchObject({ r2ClassA: 2, r2ClassB: 1, r2BytesRead: 0 });
    await bucket.delete(["a"]);
    expect(meter.spent).toEqual({ ...NO_SPEND, r2ClassA: 2, r2ClassB: 1, r2BytesWritten: 100 });
  });

  it.each<[string, Blob | string | Uint8Array, number]>([
    ["text", "äb", 3],
    ["a blob", new Blob(["12345"]), 5],
    ["a view", new Uint8Array(new ArrayBuffer(9), 2, 4), 4],
  ])("counts the bytes that were stored of %s", async (_, value, bytes) => {
    const { bucket, meter } = metered();
    await bucket.put("a", value);
    expect(meter.spent).toMatchObject({ r2ClassA: 1, r2BytesWritten: bytes });
  });

  it("counts a refused put as an operation that wrote nothing", async () => {
    const { bucket, meter } = metered();
    await env.COLD.put("a", "first");
    const onlyIf = new Headers({ "If-None-Match": "*" });
    expect(await bucket.put("a", "second", { onlyIf })).toBeNull();
    expect(meter.spent).toEqual({ ...NO_SPEND, r2ClassA: 1 });
  });

  it.each<[string, R2GetOptions | undefined, number]>([
    ["the whole", undefined, 100],
    ["a range", { range: { offset: 10, length: 20 } }, 20],
    ["a range beyond the end", { range: { offset: 90, length: 20 } }, 10],
    ["a suffix", { range: { suffix: 30 } }, 30],
    ["what a condition keeps back", { onlyIf: { etagMatches: "other" } }, 0],
  ])("counts the bytes that a get brings: %s", async (_, options, bytes) => {
    await env.COLD.put("a", new Uint8Array(100));
    const { bucket, meter } = metered();
    const object = await (options === undefined ? bucket.get("a") : bucket.get("a", options));
    const body = object !== null && "arrayBuffer" in object ? await object.arrayBuffer() : new ArrayBuffer();
    expect(body.byteLength).toBe(bytes);
    expect(meter.spent).toEqual({ ...NO_SPEND, r2ClassB: 1, r2BytesRead: bytes });
  });

  it("counts a get of nothing", async () => {
    const { bucket, meter } = metered();
    expect(await bucket.get("nothing")).toBeNull();
    expect(meter.spent).toEqual({ ...NO_SPEND, r2ClassB: 1 });
  });

  it("counts every step of a multipart upload but giving it up, also of one that goes on", async () => {
    const { bucket, meter } = metered();
    const part = new Uint8Array(5 * 1024 * 1024);
    const upload = await bucket.createMultipartUpload("a");
    const first = await upload.uploadPart(1, part);
    const resumed = bucket.resumeMultipartUpload("a", upload.uploadId);
    const second = await resumed.uploadPart(2, new Uint8Array(7));
    const object = await resumed.complete([first, second]);
    expect(object.size).toBe(part.length + 7);
    expect(meter.spent).toEqual({ ...NO_SPEND, r2ClassA: 4, r2BytesWritten: part.length + 7 });
    await (await bucket.createMultipartUpload("b")).abort();
    expect(meter.spent).toMatchObject({ r2ClassA: 5 });
  });
});

describe("what is spent", () => {
  it("adds up, and a figure that was read does not change any more", () => {
    const meter = new Meter();
    meter.add({ d1Queries: 2, compressedBytes: 10 });
    const before = meter.spent;
    meter.add({ d1Queries: 1, decompressedBytes: 5 });
    expect(before).toEqual({ ...NO_SPEND, d1Queries: 2, compressedBytes: 10 });
    expect(addSpend(before, meter.spent)).toEqual({
      ...NO_SPEND,
      d1Queries: 5,
      compressedBytes: 20,
      decompressedBytes: 5,
    });
    expect(NO_SPEND.d1Queries).toBe(0);
  });
});
