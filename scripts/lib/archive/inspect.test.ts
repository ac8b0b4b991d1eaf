import { truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { writeFile as writeOcf } from "../../../archiver/src/ocf/index.ts";
import { FakeHub, problem } from "../test/fake-hub.ts";
import { failure } from "../test/released.ts";
import { temporaryDirectory } from "../test/temporary.ts";
import { inspectLocal, reportLines } from "./inspect.ts";

const SCHEMA = JSON.stringify({ type: "record", name: "flight", fields: [{ name: "delay", type: "int" }] });

/** A file whose blocks hold so many records. */
async function fileOf(counts: readonly number[], datasets: unknown): Promise<string> {
  const file = path.join(await temporaryDirectory(), "flights.avro");
  const metadata = new Map([
    ["strata.table", "flights"],
    ["strata.datasets", typeof datasets === "string" ? datasets : JSON.stringify(datasets)],
  ]);
  const header = { schema: SCHEMA, codec: "deflate", metadata, sync: new Uint8Array(16).fill(7) } as const;
  const blocks = counts.map((recordCount) => ({ recordCount, records: new Uint8Array(recordCount) }));
  await writeFile(file, writeOcf(header, blocks).bytes);
  return file;
}

describe("a local archive file", () => {
  it("is shown with its schema, codec, datasets and blocks", async () => {
    const file = await fileOf(
      [10, 5, 8],
      [
        ["ATL", 15],
        ["LAS", 8],
      ],
    );
    const report = await inspectLocal(file);
    expect(report).toMatchObject({ key: file, codec: "deflate", records: 23, schema: SCHEMA });
    expect(report.blocks.map(({ datasetId, records }) => [datasetId, records])).toEqual([
      ["ATL", 10],
      ["ATL", 5],
      ["LAS", 8],
    ]);
    expect(report.blocks[0]?.start).toBe(report.headerSize);
    const text = reportLines(report).join("\n");
    expect(text).toContain("23 records in 3 blocks of 2 datasets");
    expect(text).toMatch(/ATL {2}15 records {2}2 blocks/);
    expect(text).toContain('"name": "delay"');
  });

  it("is named by the fingerprint of its schema's canonical form", async () => {
    const { fingerprint } = await inspectLocal(await fileOf([1], [["ATL", 1]]));
    // SHA-256 of {"name":"flight","type":"record","fields":[{"name":"delay","type":"int"}]}
    expect(fingerprint).toBe("593c9ccbf6279f02c110bd5845d30f672adbaca4775f290a7934fcdbc12671ae");
  });

  it.each([
    ["fewer records than its blocks", [["ATL", 12]]],
    ["more records than its blocks", [["ATL", 99]]],
    [
      "a dataset that ends inside a block",
      [
        ["ATL", 5],
        ["LAS", 10],
      ],
    ],
    ["no list", "{"],
  ])("whose header promises %s does not say whose its blocks are", async (_, datasets) => {
    const { blocks } = await inspectLocal(await fileOf([10, 5], datasets));
    expect(blocks.map(({ datasetId }) => datasetId)).toEqual([null, null]);
  });

  it("that is damaged is refused with the place", async () => {
    const file = await fileOf([10, 5], []);
    const { size } = await inspectLocal(file);
    await truncate(file, size - 3);
    const error = await failure(inspectLocal(file));
    expect(error.message).toContain("is damaged, or no Avro file: the bytes end before");
    expect(error.data).toEqual({ fault: "truncated" });
  });

  it("that is not there is missed with the way to an object of the archive", async () => {
    const error = await failure(inspectLocal("/nowhere/flights.avro"));
    expect(error.message).toContain("/nowhere/flights.avro cannot be read");
    expect(error.hints.join()).toContain("--env");
  });
});

describe("an object of the archive", () => {
  const FILE = "GET /admin/archive/file";
  const key = "flights/2001/1-9-abc.avro";

  it("is asked for by its key", async () => {
    const body = {
      key,
      size: 500,
      headerSize: 100,
      codec: "deflate",
      fingerprint: "ab",
      schema: SCHEMA,
      metadata: { "strata.table": "flights" },
      records: 8,
      blocks: [{ start: 100, length: 400, records: 8, datasetId: "LAS" }],
    };
    const hub = (await FakeHub.start()).on(FILE, { body });
    expect(await hub.operator().archive.file(key)).toEqual(body);
    expect(hub.requests[0]?.query.get("key")).toBe(key);
  });

  it("that does not exist is no error of the hub's; a hub without the route is", async () => {
    const hub = (await FakeHub.start()).on(FILE, problem(404, "unknown-file"), problem(404, "not-found"));
    expect(await hub.operator().archive.file(key)).toBeNull();
    expect((await failure(hub.operator().archive.file(key))).message).toContain("answered 404");
  });
});
