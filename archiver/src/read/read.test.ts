import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EPOCH, type Flight, flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import { gatedBucket, type Gate } from "../../test/faults.ts";
import type { ReadResult } from "../contract.ts";
import { ReadError } from "./index.ts";

useStorage();

const minutes = (count: number, fields: Partial<Flight> = {}): readonly Flight[] =>
  Array.from({ length: count }, (_, n) => flight(n, fields));

function recordsOf(result: ReadResult): readonly unknown[] {
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result)}`);
  return result.records;
}

async function faultOf(reading: Promise<unknown>): Promise<string> {
  try {
    await reading;
  } catch (error) {
    if (error instanceof ReadError) return error.code;
    throw error;
  }
  return "none";
}

/** Half of an hour's flights cold, half hot. */
async function halfArchived(): Promise<TestArchiver> {
  const archiver = new TestArchiver();
  await archiver.store(minutes(60).filter((_, n) => n % 2 === 0));
  await archiver.archive();
  await archiver.store(minutes(60).filter((_, n) => n % 2 === 1));
  return archiver;
}

describe("a read", () => {
  it("answers hot and cold records of the dataset alone, in time order", async () => {
    const archiver = await halfArchived();
    await archiver.store(minutes(5, { origin: "SFO" }), { datasetId: "SFO" });
    expect(await archiver.read()).toEqual({
      ok: true,
      records: minutes(60),
      nextCursor: null,
      hot: 30,
      cold: 30,
      rangeReads: 1,
    });
    expect(recordsOf(await archiver.read({ datasetId: "nobody" }))).toEqual([]);
  });

  it("takes from inclusive and to exclusive", async () => {
    const archiver = await halfArchived();
    const result = await archiver.read({ from: flight(10).time, to: flight(13).time });
    expect(recordsOf(result)).toEqual([flight(10), flight(11), flight(12)]);
  });

  it("pages through everything once, whatever the page size", async () => {
    const archiver = await halfArchived();
    for (const limit of [1, 7, 59, 60, 61]) expect(await archiver.readAll({ limit })).toEqual(minutes(60));
  });

  it("ends with no cursor when the last page is full", async () => {
    const archiver = await halfArchived();
    const page = await archiver.read({ limit: 60 });
    expect(page).toMatchObject({ ok: true, nextCursor: null });
  });

  it("neither loses nor doubles equal records at a page's edge, also when they turn cold in between", async () => {
    const archiver = new TestArchiver();
    const same = Array.from({ length: 10 }, () => flight(5));
    const others = [flight(5, { delay: 1 }), flight(5, { delay: 2 }), flight(4), flight(6)];
    await archiver.store([...same.slice(0, 6), ...others]);
    await archiver.archive();
    await archiver.store(same.slice(6));
    let pages = 0;
    const records = await archiver.readAll({ limit: 3 }, {}, async () => {
      pages += 1;
      if (pages === 2) await archiver.archive();
    });
    const text = (all: readonly unknown[]): readonly string[] =>
      all.map((record) => JSON.stringify(record)).sort();
    expect(text(records)).toEqual(text([...same, ...others]));
    expect(records.map((record) => record["time"])).toEqual(records.map((record) => record["time"]).sort());
  });

  it("gives records of one time the same order while hot and when cold", async () => {
    const archiver = new TestArchiver();
    await archiver.store(Array.from({ length: 40 }, (_, delay) => flight(1, { delay })));
    const hot = await archiver.readAll();
    await archiver.archive();
    expect(await archiver.readAll({ limit: 9 })).toEqual(hot);
  });

  it("fetches neighbouring blocks with one request and nothing else of the file", async () => {
    const archiver = new TestArchiver();
    const fetched: { offset: number; length: number }[] = [];
    const bucket = new Proxy(env.COLD, {
      get(target, name) {
        if (name !== "get") return Reflect.get(target, name).bind(target);
        return (key: string, options: { range: { offset: number; length: number } }) => {
          fetched.push(options.range);
          return target.get(key, options);
        };
      },
    });
    for (const datasetId of ["AAA", "LAS", "ZZZ"]) {
      for (let part = 0; part < 2; part += 1) {
        const records = minutes(9_000).map((record, n) => ({
          ...record,
          time: EPOCH + n * 9_000,
          delay: part,
        }));
        await archiver.store(records, { datasetId });
      }
    }
    await archiver.archive();
    const reader = new TestArchiver({ bucket });
    const from = EPOCH + 20_000_000;
    const records = await reader.readAll({ from, to: from + 40_000_000, limit: 10_000 });
    expect(records).toHaveLength(2 * (Math.ceil(60_000_000 / 9_000) - Math.ceil(20_000_000 / 9_000)));
    const { results } = await env.DB.prepare(
      `SELECT start_byte, length FROM block_indexes
       WHERE dataset_id = 'LAS' AND start_timestamp < ?2 AND end_timestamp >= ?1 ORDER BY start_byte`,
    )
      .bind(from, from + 40_000_000)
      .all<{ start_byte: number; length: number }>();
    expect(results.length).toBeGreaterThan(2);
    expect(fetched).toEqual([
      { offset: results[0]?.start_byte, length: results.reduce((sum, block) => sum + block.length, 0) },
    ]);
  });

  it("does not fetch the blocks of later pages", async () => {
    const archiver = new TestArchiver();
    for (let day = 0; day < 5; day += 1) await archiver.store([flight(day * 1440), flight(day * 1440 + 1)]);
    await archiver.archive();
    expect(await archiver.read({ limit: 2 })).toMatchObject({ cold: 2, rangeReads: 2 });
    expect(await archiver.read({ limit: 10 })).toMatchObject({ cold: 10, rangeReads: 5, nextCursor: null });
  });

  it("loses nothing when pages meet their bounds", async () => {
    const archiver = new TestArchiver();
    for (let n = 0; n < 30; n += 3) await archiver.store(minutes(30).slice(n, n + 3));
    await archiver.archive({ rowsPerPass: 1, filesPerCommit: 1 });
    for (let n = 30; n < 60; n += 3) await archiver.store(minutes(60).slice(n, n + 3));
    for (const bounds of [
      { hotRows: 1 },
      { hotBytes: 1 },
      { blocksListed: 1 },
      { blocksFetched: 1 },
      { pageBytes: 1 },
    ]) {
      expect(await archiver.readAll({ limit: 7 }, bounds)).toEqual(minutes(60));
    }
  });

  it("ends a page when its records weigh as much as one call may carry, hot and cold", async () => {
    const archiver = await halfArchived();
    const bytes = (await env.DB.prepare("SELECT bytes FROM buffer_logs").first<number>("bytes")) ?? 0;
    const result = await archiver.read({}, { pageBytes: bytes / 3 });
    expect(recordsOf(result)).toEqual(minutes(10));
    expect(result).toMatchObject({ nextCursor: expect.any(String) });
    expect(recordsOf(await archiver.read({}, { pageBytes: 1 }))).toEqual(minutes(1));
  });

  it("fetches no more blocks than a page's weight asks for", async () => {
    const archiver = new TestArchiver();
    for (let n = 0; n < 6; n += 1) {
      await archiver.store([flight(n)]);
      await archiver.archive();
    }
    expect(await archiver.read({}, { pageBytes: 1, wave: 1 })).toMatchObject({ cold: 1, rangeReads: 1 });
  });

  it("says so when more than a page may load lies at one millisecond, and skips nothing", async () => {
    const archiver = new TestArchiver();
    for (let n = 0; n < 4; n += 1) await archiver.store([flight(1, { delay: n })]);
    expect(await faultOf(archiver.readAll({}, { hotRows: 2 }))).toBe("too-dense");
    expect(await archiver.readAll({}, { hotRows: 4 })).toHaveLength(4);
  });
});

describe("a read's request", () => {
  it("of an unknown table is refused with the list of tables", async () => {
    expect(await new TestArchiver().read({ table: "battles" })).toEqual({
      ok: false,
      reason: "unknown-table",
      tables: ["earthquakes", "flights"],
    });
  });

  it("is refused with every fault and its place", async () => {
    const result = await new TestArchiver().read({ datasetId: "", from: 1.5, to: Number.NaN, limit: 0 });
    expect(result).toMatchObject({ ok: false, reason: "invalid", faultCount: 4 });
    expect(!result.ok && result.reason === "invalid" && result.faults.map(({ path }) => path)).toEqual([
      "/datasetId",
      "/from",
      "/to",
      "/limit",
    ]);
    expect(await new TestArchiver().read({ from: 5, to: 5, limit: 10_001 })).toMatchObject({ faultCount: 2 });
  });

  it("is refused with a cursor of another query, or none at all", async () => {
    const archiver = await halfArchived();
    const page = await archiver.read({ limit: 5 });
    const cursor = page.ok ? (page.nextCursor ?? "") : "";
    const refused = { ok: false, reason: "invalid", faults: [{ path: "/cursor" }] };
    expect(await archiver.read({ cursor, limit: 9 })).toMatchObject({ ok: true });
    expect(await archiver.read({ cursor, datasetId: "SFO" })).toMatchObject(refused);
    expect(await archiver.read({ cursor, to: EPOCH + 1 })).toMatchObject(refused);
    expect(await archiver.read({ cursor: "" })).toMatchObject(refused);
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          fc.json().map((text) => btoa(unescape(encodeURIComponent(text)))),
        ),
        async (text) => {
          expect(await archiver.read({ cursor: text })).toMatchObject(refused);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("cold data that is not what the index says", () => {
  async function archived(): Promise<{
    readonly archiver: TestArchiver;
    readonly key: string;
    readonly bytes: Uint8Array;
  }> {
    const archiver = new TestArchiver();
    await archiver.store(minutes(50));
    await archiver.archive();
    const [object] = (await env.COLD.list()).objects;
    const key = object?.key ?? "";
    const body = await env.COLD.get(key);
    return { archiver, key, bytes: new Uint8Array((await body?.arrayBuffer()) ?? new ArrayBuffer()) };
  }

  it("is a typed error when the object is gone", async () => {
    const { archiver, key } = await archived();
    await env.COLD.delete(key);
    expect(await faultOf(archiver.read())).toBe("object-missing");
  });

  it("is a typed error when the object is cut", async () => {
    const { archiver, key, bytes } = await archived();
    await env.COLD.put(key, bytes.subarray(0, -1));
    expect(await faultOf(archiver.read())).toBe("block-damaged");
  });

  it("is a typed error, and never another record, when any byte of the block is changed", async () => {
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
  ])("is a typed error when the index has %s", async (change) => {
    const { archiver } = await archived();
    await env.DB.prepare(`UPDATE block_indexes SET ${change}`).run();
    expect(await faultOf(archiver.read())).toBe("block-damaged");
  });

  it("is a typed error when the file's marker or schema is another", async () => {
    const { archiver } = await archived();
    await env.DB.prepare("UPDATE archived_files SET sync_marker = '00000000000000000000000000000000'").run();
    expect(await faultOf(archiver.read())).toBe("block-damaged");
    await env.DB.prepare("UPDATE archived_files SET schema_fingerprint = 'future'").run();
    expect(await faultOf(archiver.read())).toBe("unknown-schema");
  });
});

describe("a read while records move", () => {
  it("sees each of them once, at whatever moment the run commits", async () => {
    for (let at = 0; at < 3; at += 1) {
      const archiver = await halfArchived();
      let operations = 0;
      const gate: Gate = async (_, perform) => {
        if (operations === at) await archiver.archive();
        operations += 1;
        return perform();
      };
      const reader = new TestArchiver({ bucket: gatedBucket(gate) });
      expect(await reader.readAll({ limit: 25 })).toEqual(minutes(60));
      await env.DB.batch(
        ["block_indexes", "archived_files", "archived_messages", "buffer_logs"].map((table) =>
          env.DB.prepare(`DELETE FROM ${table}`),
        ),
      );
    }
  });
});
