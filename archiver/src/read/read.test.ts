import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { EPOCH, flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import { faultOf, halfArchived, minutes, recordsOf, texts } from "../../test/reads.ts";

useStorage();
afterEach(() => vi.restoreAllMocks());

describe("a read", () => {
  it("answers hot and cold records of the dataset alone, in time order", async () => {
    const archiver = await halfArchived();
    await archiver.store(minutes(5, { origin: "SFO" }), { datasetId: "SFO" });
    const block = await env.DB.prepare("SELECT length FROM block_indexes").first<number>("length");
    expect(await archiver.read()).toEqual({
      ok: true,
      modified: true,
      records: minutes(60),
      nextCursor: null,
      hot: 30,
      cold: 30,
      rangeReads: 1,
      coldBytes: block,
      lostBlocks: 0,
      etag: expect.stringMatching(/^"[\w-]{22}"$/),
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
    expect(texts(records)).toEqual(texts([...same, ...others]));
    expect(records.map((record) => record["time"])).toEqual(records.map((record) => record["time"]).sort());
  });

  it("gives records of one time the same order while hot and when cold", async () => {
    const archiver = new TestArchiver();
    await archiver.store(Array.from({ length: 40 }, (_, delay) => flight(1, { delay })));
    const hot = await archiver.readAll();
    await archiver.archive();
    expect(await archiver.readAll({ limit: 9 })).toEqual(hot);
  });

  it("loses nothing when pages meet their bounds", async () => {
    const archiver = new TestArchiver();
    for (let n = 0; n < 30; n += 3) await archiver.store(minutes(30).slice(n, n + 3));
    await archiver.archive({ rowsPerPass: 1, filesPerCommit: 1 });
    for (let n = 30; n < 60; n += 3) await archiver.store(minutes(60).slice(n, n + 3));
    for (const bounds of [
      { hotRows: 1 },
      { hotBytes: 1 },
      { blocks: 1 },
      { requests: 1 },
      { hotPortion: 1 },
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

  it("says so when more than a page may load lies at one millisecond, and skips nothing", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const archiver = new TestArchiver();
    for (let n = 0; n < 4; n += 1) await archiver.store([flight(1, { delay: n })]);
    for (const bounds of [{ hotRows: 2 }, { hotBytes: 1 }]) {
      expect(await faultOf(archiver.read({ from: flight(1).time }, bounds))).toBe("too-dense");
    }
    expect(await archiver.readAll({}, { hotRows: 4 })).toHaveLength(4);
    await archiver.archive({ rowsPerPass: 1, filesPerCommit: 1 });
    for (const bounds of [{ blocks: 2 }, { requests: 2 }]) {
      expect(await faultOf(archiver.read({ from: flight(1).time }, bounds))).toBe("too-dense");
    }
    expect(await archiver.readAll({}, { blocks: 4, requests: 4 })).toHaveLength(4);
  });

  it("pages inside one millisecond, also where more of it is stored than a page holds", async () => {
    const archiver = new TestArchiver();
    const instant = Array.from({ length: 40 }, (_, delay) => flight(1, { delay }));
    for (let n = 0; n < 20; n += 4) await archiver.store(instant.slice(n, n + 4));
    await archiver.archive({ rowsPerPass: 1, filesPerCommit: 1 });
    for (let n = 20; n < 40; n += 4) await archiver.store(instant.slice(n, n + 4));
    const all = await archiver.readAll();
    expect(texts(all)).toEqual(texts(instant));
    for (const bounds of [{ pageBytes: 1 }, { pageBytes: 60 }, { hotPortion: 1 }]) {
      expect(await archiver.readAll({ limit: 3 }, bounds)).toEqual(all);
    }
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

  it("of a table without a schema is answered when the stack allows such tables, and never for a name that no table may have", async () => {
    const archiver = new TestArchiver({ settings: { genericTables: true } });
    expect(await archiver.read({ table: "battles" })).toMatchObject({
      ok: true,
      records: [],
      nextCursor: null,
    });
    expect(await archiver.read({ table: "Battles!" })).toMatchObject({ ok: false, reason: "unknown-table" });
  });

  it("of a table without a schema is answered as long as something of it is stored, hot or cold", async () => {
    const allowing = new TestArchiver({ settings: { genericTables: true } });
    const refusing = new TestArchiver();
    const battle = { time: EPOCH, attacker: "JP", dice: [1, { d: 6 }] };
    await allowing.store([battle], { table: "battles" });
    expect(await refusing.readAll({ table: "battles" })).toEqual([battle]);
    await allowing.archive();
    expect(await refusing.readAll({ table: "battles" })).toEqual([battle]);
    expect(await refusing.read({ table: "battles", datasetId: "SFO" })).toMatchObject({
      ok: true,
      records: [],
    });
    await env.DB.prepare("UPDATE archived_files SET state = 'deleting'").run();
    expect(await refusing.read({ table: "battles" })).toMatchObject({ ok: false, reason: "unknown-table" });
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
    const format = "xml" as "json";
    expect(await new TestArchiver().readStream({ format })).toMatchObject({ faults: [{ path: "/format" }] });
  });
});
