import { describe, expect, it } from "vitest";
import { DAY, flight, TestArchiver, useStorage } from "../test/archiver.ts";

useStorage();

describe("a record's way through the archive", () => {
  it("is read back equal while hot and after it was archived", async () => {
    const archiver = new TestArchiver();
    const records = [flight(10), flight(20, { delay: -7 }), flight(3 * 1440, { destination: "SFO" })];
    await archiver.store(records);

    const hot = await archiver.read();
    expect(hot).toMatchObject({ ok: true, records, nextCursor: null, hot: 3, cold: 0, rangeReads: 0 });

    expect(await archiver.archive()).toMatchObject({
      ran: true,
      files: 2,
      blocks: 2,
      records: 3,
      hotRows: 2,
      remaining: 0,
    });
    const cold = await archiver.read();
    expect(cold).toMatchObject({ ok: true, records, nextCursor: null, hot: 0, cold: 3, rangeReads: 2 });
  });

  it("merges hot and cold in time order", async () => {
    const archiver = new TestArchiver();
    await archiver.store([flight(10), flight(30)]);
    await archiver.archive();
    await archiver.store([flight(20), flight(40)]);

    const result = await archiver.read();
    expect(result).toMatchObject({ ok: true, hot: 2, cold: 2 });
    expect(result.ok && result.records).toEqual([flight(10), flight(20), flight(30), flight(40)]);
    expect(archiver.now).toBeGreaterThan(DAY);
  });
});
