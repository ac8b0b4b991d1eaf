import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { readFile as readOcf, writeFile as writeOcf, type Codec } from "../../../archiver/src/ocf/index.ts";
import { EXIT } from "../exit.ts";
import { FakeHub, problem, type HubReply } from "../test/fake-hub.ts";
import { failure } from "../test/released.ts";
import { temporaryDirectory } from "../test/temporary.ts";
import {
  exportDataset,
  exportedText,
  formatOf,
  refuseStdout,
  type ExportFormat,
  type Exported,
} from "./export.ts";

const READ = "GET /read";
const SCHEMA = JSON.stringify({ type: "record", name: "flight", fields: [{ name: "delay", type: "int" }] });

interface PageOptions {
  readonly next?: string;
  readonly sync?: number;
  readonly codec?: Codec;
  readonly schema?: string;
}

/** A page of an object container file; each text is a block of one record. */
function ocfPage(blocks: readonly string[], options: PageOptions = {}): HubReply {
  const { next, sync = 1, codec = "deflate", schema = SCHEMA } = options;
  const header = { schema, codec, metadata: new Map(), sync: new Uint8Array(16).fill(sync) };
  const records = blocks.map((text) => ({ recordCount: 1, records: Buffer.from(text) }));
  return {
    headers: {
      "content-type": "application/avro",
      ...(next === undefined ? {} : { "strata-next-cursor": next }),
    },
    body: writeOcf(header, records).bytes,
  };
}

const lines = (text: string, next?: string): HubReply => ({
  headers: {
    "content-type": "application/x-ndjson",
    ...(next === undefined ? {} : { "strata-next-cursor": next }),
  },
  body: Buffer.from(text),
});

async function exportTo(
  hub: FakeHub,
  output: string,
  format: ExportFormat,
  more: { force?: boolean; from?: string } = {},
): Promise<Exported> {
  return exportDataset(hub.call(), hub.operator(), {
    datasetId: "ATL",
    table: "flights",
    format,
    output,
    force: false,
    ...more,
  });
}

describe("an export as an Avro file", () => {
  it("is one file of all pages, whatever their sync markers and codecs", async () => {
    const file = path.join(await temporaryDirectory(), "atl.avro");
    const hub = (await FakeHub.start()).on(
      READ,
      ocfPage(["one", "two"], { next: "c1" }),
      ocfPage([], { next: "c2", sync: 2 }),
      ocfPage(["three"], { next: "c3", sync: 3 }),
      ocfPage(["four"], { sync: 4, codec: "null" }),
    );
    expect(await exportTo(hub, file, "ocf")).toMatchObject({ records: 4, lostBlocks: 0 });
    const content = await readFile(file);
    const { header, blocks } = readOcf(content);
    expect([header.schema, header.codec]).toEqual([SCHEMA, "deflate"]);
    expect(blocks.map(({ records }) => Buffer.from(records).toString())).toEqual([
      "one",
      "two",
      "three",
      "four",
    ]);
    expect(hub.requests.map(({ query }) => query.get("cursor"))).toEqual([null, "c1", "c2", "c3"]);
  });

  it("of nothing is no file, and keeps the one that there is", async () => {
    const directory = await temporaryDirectory();
    const nothing = async (): Promise<FakeHub> => (await FakeHub.start()).on(READ, ocfPage([]));
    const written = await exportTo(await nothing(), path.join(directory, "none.avro"), "ocf");
    expect(written).toMatchObject({ output: null, records: 0, bytes: 0 });
    const kept = path.join(directory, "kept.avro");
    await writeFile(kept, "mine");
    await exportTo(await nothing(), kept, "ocf", { force: true });
    expect([await readdir(directory), await readFile(kept, "utf8")]).toEqual([["kept.avro"], "mine"]);
  });

  it.each([
    ["the schema changes", ocfPage(["two"], { schema: '"string"' }), "schema changed"],
    ["a page is damaged", { body: Buffer.from("Obj\u0001") }, "no object container file"],
    ["a page is JSON", { body: { records: [] } }, "no object container file"],
    ["the hub fails", problem(500, "internal-error"), "answered 500"],
    ["the cursor has expired", problem(422, "invalid"), "answered 422"],
  ])("leaves nothing when %s between two pages", async (_, reply, said) => {
    const directory = await temporaryDirectory();
    const hub = (await FakeHub.start()).on(READ, ocfPage(["one"], { next: "c1" }), reply);
    const error = await failure(exportTo(hub, path.join(directory, "atl.avro"), "ocf"));
    expect([error.exitCode, error.message]).toEqual([EXIT.failed, expect.stringContaining(said)]);
    expect(await readdir(directory)).toEqual([]);
  });
});

describe("an export as lines of JSON", () => {
  it("asks for what was chosen and joins the pages line by line", async () => {
    const file = path.join(await temporaryDirectory(), "atl.ndjson");
    const hub = (await FakeHub.start()).on(
      READ,
      lines('{"delay":1}\n{"delay":2}', "c1"),
      lines("", "c2"),
      lines('{"delay":3}\n'),
    );
    const written = await exportTo(hub, file, "ndjson", { from: "2001-01-01" });
    expect(await readFile(file, "utf8")).toBe('{"delay":1}\n{"delay":2}\n{"delay":3}\n');
    expect(written).toMatchObject({ records: 3, bytes: 36, output: file });
    expect(Object.fromEntries(hub.requests[0]?.query ?? [])).toEqual({
      dataset_id: "ATL",
      table: "flights",
      from: "2001-01-01",
      limit: "10000",
      format: "ndjson",
    });
  });

  it("goes on with the page where the connection broke", async () => {
    const file = path.join(await temporaryDirectory(), "atl.ndjson");
    const hub = (await FakeHub.start()).on(READ, lines("1\n", "c1"), "hang-up", lines("2\n"));
    await exportTo(hub, file, "ndjson");
    expect(await readFile(file, "utf8")).toBe("1\n2\n");
  });

  it("counts the blocks whose object is lost", async () => {
    const file = path.join(await temporaryDirectory(), "atl.ndjson");
    const lossy = { ...lines("1\n"), headers: { "strata-source-lost-blocks": "2" } };
    const hub = (await FakeHub.start()).on(READ, lossy);
    expect(await exportTo(hub, file, "ndjson")).toMatchObject({ records: 1, lostBlocks: 2 });
  });
});

describe("the file of an export", () => {
  it("is not written over, and the hub is not even asked", async () => {
    const file = path.join(await temporaryDirectory(), "atl.ndjson");
    await writeFile(file, "mine");
    const hub = (await FakeHub.start()).on(READ, lines("1\n"));
    const error = await failure(exportTo(hub, file, "ndjson"));
    expect([error.exitCode, error.hints.join()]).toEqual([EXIT.usage, expect.stringContaining("--force")]);
    expect(hub.requests).toEqual([]);
    expect(await readFile(file, "utf8")).toBe("mine");
  });

  it("is replaced with --force once the export is whole, and kept when it fails", async () => {
    const file = path.join(await temporaryDirectory(), "atl.ndjson");
    await writeFile(file, "mine");
    const broken = (await FakeHub.start()).on(READ, lines("1\n", "c1"), problem(500, "internal-error"));
    await failure(exportTo(broken, file, "ndjson", { force: true }));
    expect(await readFile(file, "utf8")).toBe("mine");
    await exportTo((await FakeHub.start()).on(READ, lines("1\n")), file, "ndjson", { force: true });
    expect(await readFile(file, "utf8")).toBe("1\n");
  });

  it("in a folder that is not there is an expected error", async () => {
    const file = path.join(await temporaryDirectory(), "nowhere", "atl.ndjson");
    const hub = (await FakeHub.start()).on(READ, lines("1\n"));
    expect((await failure(exportTo(hub, file, "ndjson"))).message).toContain("cannot be written");
  });
});

describe("the format of an export", () => {
  it.each([
    ["atl.ndjson", "ndjson"],
    ["out/ATL.JSONL", "ndjson"],
    ["atl.avro", "ocf"],
    ["atl.ocf", "ocf"],
    ["atl.txt", "ocf"],
    ["atl", "ocf"],
    ["-", "ndjson"],
  ])("of %s is %s unless told", (output, format) => {
    expect(formatOf(output)).toBe(format);
  });
});

describe("an export to stdout", () => {
  const request = {
    datasetId: "ATL",
    table: "flights",
    format: "ndjson",
    output: "-",
    force: false,
  } as const;

  it("is lines of JSON alone, without the documents of --json", () => {
    expect(() => refuseStdout({ ...request, json: false })).not.toThrow();
    expect(() => refuseStdout({ ...request, json: true })).toThrow("both want stdout");
    expect(() => refuseStdout({ ...request, format: "ocf", json: false })).toThrow("Avro file");
    expect(() => refuseStdout({ output: "atl.avro", format: "ocf", json: true })).not.toThrow();
  });

  it("writes page after page to it", async () => {
    const hub = (await FakeHub.start()).on(READ, lines("1\n", "c1"), lines("2\n"));
    const chunks: Buffer[] = [];
    const stdout = new Writable({
      write: (chunk: Buffer, _, done) => {
        chunks.push(chunk);
        done();
      },
    });
    const written = await exportDataset(hub.call(), hub.operator(), request, stdout);
    expect(Buffer.concat(chunks).toString()).toBe("1\n2\n");
    expect(exportedText(request, written)).toBe("2 records, 4 bytes on stdout");
  });

  it("ends when its reader goes away", async () => {
    const hub = (await FakeHub.start()).on(READ, lines("1\n", "c1"), lines("2\n"));
    const stdout = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error("write EPIPE"), { code: "EPIPE" })),
    });
    const error = await failure(exportDataset(hub.call(), hub.operator(), request, stdout));
    expect([error.exitCode, error.message]).toEqual([EXIT.failed, expect.stringContaining("closed")]);
  });
});
