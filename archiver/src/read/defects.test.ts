/** What went wrong in earlier archives of this kind, one test each. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { EPOCH, flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import { bytesOf, countedBucket, decodePage, minutes, pageOf, recordsOf } from "../../test/reads.ts";
import { SchemaRegistry } from "../tables/index.ts";

useStorage();

/** Three datasets in one file, some ten blocks each. */
async function manyBlocks(): Promise<void> {
  const archiver = new TestArchiver({ settings: { blockBytes: 256 } });
  for (const datasetId of ["AAA", "LAS", "ZZZ"]) await archiver.store(minutes(100), { datasetId });
  await archiver.archive();
  const { results } = await env.DB.prepare(
    "SELECT count(*) AS blocks FROM block_indexes GROUP BY file_id, dataset_id HAVING blocks > 5",
  ).all();
  expect(results).toHaveLength(3);
}

describe("a read", () => {
  it("answers every block of a dataset, and not only the first", async () => {
    await manyBlocks();
    expect(recordsOf(await new TestArchiver().read())).toEqual(minutes(100));
  });

  it("answers every block that a range touches, and not only one", async () => {
    await manyBlocks();
    const archiver = new TestArchiver();
    for (let first = 0; first < 100; first += 7) {
      const range = { from: flight(first).time, to: flight(first + 33).time };
      expect(recordsOf(await archiver.read(range))).toEqual(minutes(100).slice(first, first + 33));
    }
  });

  it("begins after the header of a file that has one block only", async () => {
    await new TestArchiver().store(minutes(3));
    await new TestArchiver().archive();
    const { bucket, requests } = countedBucket();
    expect(recordsOf(await new TestArchiver({ bucket }).read())).toEqual(minutes(3));
    const file = await env.DB.prepare("SELECT header_size, file_size FROM archived_files").first<{
      header_size: number;
      file_size: number;
    }>();
    expect(requests).toMatchObject([
      { offset: file?.header_size, length: Number(file?.file_size) - Number(file?.header_size) },
    ]);
  });

  it("takes a block from where it lies in the bytes that were fetched, and not from their beginning", async () => {
    await manyBlocks();
    const { bucket, requests } = countedBucket();
    const reader = new TestArchiver({ bucket });
    const page = await reader.read({ from: flight(20).time, to: flight(80).time });
    expect(recordsOf(page)).toEqual(minutes(100).slice(20, 80));
    expect(requests).toHaveLength(1);
    expect(requests[0]?.offset).toBeGreaterThan(1_000);
  });

  it("keeps times beyond 32 bits", async () => {
    const archiver = new TestArchiver();
    const record = { ...flight(0), time: 1_766_500_000_123 };
    await archiver.store([record]);
    await archiver.archive();
    expect(recordsOf(await archiver.read({ from: record.time, to: record.time + 1 }))).toEqual([record]);
  });

  it("answers equal records as often as they were stored", async () => {
    const archiver = new TestArchiver();
    for (let n = 0; n < 3; n += 1) {
      await archiver.store([flight(1), flight(1)]);
      if (n < 2) await archiver.archive();
    }
    expect(recordsOf(await archiver.read())).toEqual(Array.from({ length: 6 }, () => flight(1)));
  });

  it("answers records of several versions of a schema in one file", async () => {
    const time = { name: "time", type: { type: "long", logicalType: "timestamp-millis" } };
    const first = { type: "record", name: "Flight", fields: [time] };
    const gate = { name: "gate", type: "string", default: "?" };
    const second = { ...first, fields: [time, gate] };
    const sources = [
      { table: "flights", version: 1, schema: first },
      { table: "flights", version: 2, schema: second },
    ];
    const after = new SchemaRegistry(sources);
    await new TestArchiver({ registry: new SchemaRegistry(sources.slice(0, 1)) }).store([{ time: EPOCH }]);
    const archiver = new TestArchiver({ registry: after });
    await archiver.store([{ time: EPOCH + 1, gate: "B7" }]);
    const expected = [
      { time: EPOCH, gate: "?" },
      { time: EPOCH + 1, gate: "B7" },
    ];
    const page = pageOf(await archiver.readStream({ format: "ocf" }));
    expect(await decodePage(page, "ocf", after)).toEqual(expected);
  });

  it("does not take a page with hot records for one that stays as it is", async () => {
    const archiver = new TestArchiver();
    await archiver.store(minutes(3));
    const page = pageOf(await archiver.readStream());
    await bytesOf(page);
    await archiver.store([flight(1)]);
    const next = pageOf(await archiver.readStream({ ifNoneMatch: page.etag ?? "" }));
    expect(await decodePage(next, "json")).toHaveLength(4);
  });
});
