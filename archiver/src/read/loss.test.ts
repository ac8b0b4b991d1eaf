import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DAY, EPOCH, flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import { gatedBucket } from "../../test/faults.ts";
import { faultOf, minutes, pageOf, recordsOf } from "../../test/reads.ts";

useStorage();
afterEach(() => vi.restoreAllMocks());

async function objectKeys(): Promise<readonly string[]> {
  return (await env.COLD.list()).objects.map(({ key }) => key);
}

describe("cold data that is not what the index says", () => {
  const logged = vi.fn<(line: string) => void>();
  beforeEach(() => {
    logged.mockReset();
    vi.spyOn(console, "error").mockImplementation(logged);
  });

  async function archived(): Promise<{
    readonly archiver: TestArchiver;
    readonly key: string;
    readonly bytes: Uint8Array;
  }> {
    const archiver = new TestArchiver();
    await archiver.store(minutes(50));
    await archiver.archive();
    const [key = ""] = await objectKeys();
    const body = await env.COLD.get(key);
    return { archiver, key, bytes: new Uint8Array((await body?.arrayBuffer()) ?? new ArrayBuffer()) };
  }

  it("is refused with its code when the object is cut", async () => {
    const { archiver, key, bytes } = await archived();
    await env.COLD.put(key, bytes.subarray(0, -1));
    expect(await faultOf(archiver.read())).toBe("block-damaged");
  });

  it("is refused by the file's name and the block's place, and logged once", async () => {
    const { archiver, key } = await archived();
    const start = await env.DB.prepare("SELECT start_byte FROM block_indexes").first<number>("start_byte");
    await env.DB.prepare("UPDATE block_indexes SET crc32 = 0").run();
    const result = await archiver.read();
    const detail = `block at ${start} of ${key}: checksum mismatch`;
    expect(result).toEqual({ ok: false, reason: "unreadable", code: "block-damaged", detail });
    expect(logged).toHaveBeenCalledOnce();
    expect(JSON.parse(logged.mock.calls[0]?.[0] ?? "")).toMatchObject({
      event: "read.unreadable",
      code: "block-damaged",
      message: detail,
    });
  });

  it("is refused, and never another record, when any byte of the block is changed", async () => {
    const { archiver, key, bytes } = await archived();
    const block = await env.DB.prepare("SELECT start_byte, length FROM block_indexes").first<{
      start_byte: number;
      length: number;
    }>();
    const { start_byte: start, length } = block ?? { start_byte: 0, length: 0 };
    for (let offset = start; offset < start + length; offset += 7) {
      const damaged = bytes.slice();
      damaged[offset] = (damaged[offset] ?? 0) ^ 0x10;
      await env.COLD.put(key, damaged);
      expect(await faultOf(archiver.read())).toBe("block-damaged");
    }
  });

  it.each([
    "start_byte = start_byte + 1",
    "length = length - 1",
    "record_count = record_count + 1",
    "crc32 = 0",
  ])("is refused with its code when the index has %s", async (change) => {
    const { archiver } = await archived();
    await env.DB.prepare(`UPDATE block_indexes SET ${change}`).run();
    expect(await faultOf(archiver.read())).toBe("block-damaged");
  });

  it("is refused with its code when the file's marker or schema is another", async () => {
    const { archiver } = await archived();
    await env.DB.prepare("UPDATE archived_files SET sync_marker = '00000000000000000000000000000000'").run();
    expect(await faultOf(archiver.read())).toBe("block-damaged");
    await env.DB.prepare("UPDATE archived_files SET schema_fingerprint = 'future'").run();
    expect(await faultOf(archiver.read())).toBe("unknown-schema");
  });

  it("is refused with its code when a hot row's schema or records are not what it says", async () => {
    const archiver = new TestArchiver();
    await archiver.store(minutes(5));
    await env.DB.prepare("UPDATE buffer_logs SET record_count = 4").run();
    expect(await faultOf(archiver.read())).toBe("block-damaged");
    await env.DB.prepare("UPDATE buffer_logs SET schema_fingerprint = 'future'").run();
    expect(await faultOf(archiver.read())).toBe("unknown-schema");
  });
});

describe("a file whose object is gone", () => {
  /** One file a day, two blocks of one flight each: the dataset's and another's. */
  async function fiveDays(): Promise<TestArchiver> {
    const archiver = new TestArchiver();
    for (let day = 0; day < 5; day += 1) {
      await archiver.store([flight(day * 1_440)]);
      await archiver.store([flight(day * 1_440)], { datasetId: "SFO" });
    }
    await archiver.archive();
    return archiver;
  }
  const day = (n: number) => flight(n * 1_440);
  const keyOf = (keys: readonly string[], n: number): string =>
    keys.find((key) => key.includes(`2026_11_${20 + n}`)) ?? "";
  const states = async (): Promise<readonly string[]> => {
    const { results } = await env.DB.prepare("SELECT state FROM archived_files ORDER BY min_time").all<{
      state: string;
    }>();
    return results.map(({ state }) => state);
  };

  it("does not make a read fail: the others are answered, the loss is counted, logged and kept in mind", async () => {
    const archiver = await fiveDays();
    const logged = vi.spyOn(console, "error").mockReturnValue();
    const lost = keyOf(await objectKeys(), 2);
    await env.COLD.delete(lost);
    archiver.now += 7;
    const page = await archiver.read();
    expect(page).toMatchObject({ lostBlocks: 1, etag: null, nextCursor: null, rangeReads: 5, cold: 4 });
    expect(recordsOf(page)).toEqual([0, 1, 3, 4].map(day));
    expect(await states()).toEqual(["live", "live", "lost", "live", "live"]);
    const row = await env.DB.prepare("SELECT state_at FROM archived_files WHERE state = 'lost'").first();
    expect(row).toEqual({ state_at: archiver.now });
    expect(logged).toHaveBeenCalledOnce();
    expect(JSON.parse(String(logged.mock.calls[0]?.[0]))).toMatchObject({
      level: "error",
      event: "read.objects_lost",
      files: [lost],
    });
  });

  it("is not fetched again, and the page has a tag from then on", async () => {
    const archiver = await fiveDays();
    vi.spyOn(console, "error").mockReturnValue();
    await env.COLD.delete(keyOf(await objectKeys(), 2));
    const complete = await archiver.read({ to: EPOCH + DAY });
    await archiver.read();
    const asked: string[] = [];
    const bucket = gatedBucket((operation, perform) => {
      asked.push(operation);
      return perform();
    });
    const page = await new TestArchiver({ bucket }).read();
    expect(page).toMatchObject({ lostBlocks: 1, etag: expect.any(String), rangeReads: 4 });
    expect(asked).toEqual(["r2 get", "r2 get", "r2 get", "r2 get"]);
    expect(await archiver.read({ to: EPOCH + DAY })).toEqual(complete);
  });

  it("is lost to every dataset that it held", async () => {
    const archiver = await fiveDays();
    vi.spyOn(console, "error").mockReturnValue();
    await env.COLD.delete(keyOf(await objectKeys(), 2));
    await archiver.read();
    expect(await archiver.read({ datasetId: "SFO" })).toMatchObject({
      lostBlocks: 1,
      rangeReads: 4,
      cold: 4,
    });
  });

  it("is counted on the pages that reach it", async () => {
    const archiver = await fiveDays();
    vi.spyOn(console, "error").mockReturnValue();
    for (const n of [2, 4]) await env.COLD.delete(keyOf(await objectKeys(), n));
    await archiver.read();
    const first = await archiver.read({ limit: 2 });
    expect(first).toMatchObject({ records: [day(0), day(1)], lostBlocks: 0 });
    const cursor = first.ok ? (first.nextCursor ?? undefined) : undefined;
    expect(await archiver.read({ limit: 2, cursor })).toMatchObject({
      records: [day(3)],
      lostBlocks: 2,
      nextCursor: null,
    });
  });

  it("ends a page early where looking after what is missing takes all requests that a page may make", async () => {
    const archiver = await fiveDays();
    vi.spyOn(console, "error").mockReturnValue();
    for (const n of [0, 1]) await env.COLD.delete(keyOf(await objectKeys(), n));
    const bounds = { requests: 3, pageBytes: 1 };
    const page = await archiver.read({}, bounds);
    expect(page).toMatchObject({ records: [], lostBlocks: 2, rangeReads: 2, nextCursor: expect.any(String) });
    const cursor = page.ok ? (page.nextCursor ?? undefined) : undefined;
    expect(recordsOf(await archiver.read({ cursor }))).toEqual([day(2), day(3), day(4)]);
  });

  it("leaves an empty page when all of them are gone", async () => {
    const archiver = await fiveDays();
    vi.spyOn(console, "error").mockReturnValue();
    await env.COLD.delete([...(await objectKeys())]);
    for (let repetition = 0; repetition < 2; repetition += 1) {
      expect(await archiver.read()).toMatchObject({ records: [], lostBlocks: 5, nextCursor: null });
    }
    expect(await states()).toEqual(["lost", "lost", "lost", "lost", "lost"]);
  });

  it("is found missing in every wave and format of a page, and never ends its body early", async () => {
    const archiver = await fiveDays();
    vi.spyOn(console, "error").mockReturnValue();
    await env.COLD.delete([...(await objectKeys())].filter((_, n) => n % 2 === 0));
    const records: unknown[] = [];
    let cursor: string | undefined;
    do {
      const page = pageOf(await archiver.readStream({ format: "ndjson", cursor }, { pageBytes: 1 }));
      const lines = (await new Response(page.body).text()).split("\n").filter((line) => line !== "");
      records.push(...lines.map((line): unknown => JSON.parse(line)));
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    expect(records).toEqual([day(1), day(3)]);
  });

  it("is not lost when it was only missing for a moment", async () => {
    const archiver = await fiveDays();
    let gets = 0;
    const bucket = gatedBucket((operation, perform) => {
      if (operation !== "r2 get") return perform();
      gets += 1;
      // What a bucket says of an object that it does not have.
      return gets === 3 ? perform().then(() => JSON.parse("null")) : perform();
    });
    const page = await new TestArchiver({ bucket }).read();
    expect(page).toMatchObject({
      records: [0, 1, 2, 3, 4].map(day),
      lostBlocks: 0,
      etag: expect.any(String),
    });
    expect(await states()).toEqual(["live", "live", "live", "live", "live"]);
    expect(await archiver.readAll()).toEqual([0, 1, 2, 3, 4].map(day));
  });

  it("is refused when its object is there and is not, again and again", async () => {
    await fiveDays();
    vi.spyOn(console, "error").mockReturnValue();
    const bucket = gatedBucket((operation, perform) =>
      operation === "r2 get" ? perform().then(() => JSON.parse("null")) : perform(),
    );
    expect(await faultOf(new TestArchiver({ bucket }).read())).toBe("object-missing");
    expect(await states()).toEqual(["live", "live", "live", "live", "live"]);
  });
});

describe("a file past its expiry", () => {
  it("is not read, although its object may still be there", async () => {
    const archiver = new TestArchiver({ settings: { coldExpiryDays: 30 } });
    await archiver.store(minutes(3));
    await archiver.archive();
    const retainedFrom =
      (await env.DB.prepare("SELECT retained_from FROM archived_files").first<number>("retained_from")) ?? 0;
    archiver.now = retainedFrom + 30 * DAY - 3_600_001;
    expect(await archiver.readAll()).toEqual(minutes(3));
    archiver.now = retainedFrom + 30 * DAY - 3_600_000;
    await env.COLD.delete([...(await objectKeys())]);
    expect(await archiver.read()).toMatchObject({ records: [], lostBlocks: 0, rangeReads: 0 });
    const keeping = new TestArchiver();
    keeping.now = archiver.now;
    vi.spyOn(console, "error").mockReturnValue();
    expect(await keeping.read()).toMatchObject({ records: [], lostBlocks: 1 });
  });
});
