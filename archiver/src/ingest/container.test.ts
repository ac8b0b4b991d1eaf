/** Uploads of Avro object container files. */
import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { EPOCH, flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import { storedRecords } from "../../test/letters.ts";
import { type Codec, type Header, writeFile } from "../ocf/index.ts";
import { decodeMessage } from "../message/index.ts";
import { registry, SchemaRegistry, type TableSchema } from "../tables/index.ts";

useStorage();

const REQUEST = { datasetId: "LAS", table: "flights" } as const;

function newest(table = "flights", tables: SchemaRegistry = registry): TableSchema {
  const schema = tables.newest(table) ?? tables.generic(table);
  if (schema === undefined) throw new Error(`no table ${table}`);
  return schema;
}

interface ContainerOptions {
  readonly codec?: Codec;
  readonly schema?: TableSchema;
  /** The text in the header, where it is another than the schema's. */
  readonly text?: string;
  readonly recordsPerBlock?: number;
}

function container(records: readonly unknown[], options: ContainerOptions = {}): Uint8Array {
  const { codec = "deflate", schema = newest(), text = schema.json, recordsPerBlock = 2 } = options;
  const header: Header = { schema: text, codec, metadata: new Map(), sync: new Uint8Array(16).fill(7) };
  const blocks = [];
  for (let start = 0; start < records.length; start += recordsPerBlock) {
    const part = records.slice(start, start + recordsPerBlock);
    const bytes = Buffer.concat(part.map((record) => schema.type.toBuffer(record)));
    blocks.push({ recordCount: part.length, records: bytes });
  }
  return writeFile(header, blocks).bytes;
}

/** A container whose one block holds these bytes. */
function rawContainer(recordCount: number, records: Uint8Array, codec: Codec = "null"): Uint8Array {
  const header: Header = {
    schema: newest().json,
    codec,
    metadata: new Map(),
    sync: new Uint8Array(16).fill(7),
  };
  return writeFile(header, [{ recordCount, records }]).bytes;
}

async function faultsOf(bytes: Uint8Array, archiver = new TestArchiver()): Promise<readonly string[]> {
  const result = await archiver.ingest({ ...REQUEST, container: bytes });
  expect(archiver.waiting).toEqual([]);
  if (result.ok || result.reason !== "invalid") throw new Error(`not refused: ${JSON.stringify(result)}`);
  expect(result.faultCount).toBe(result.faults.length);
  return result.faults.map(({ path, message }) => `${path}: ${message}`);
}

const FLIGHTS = [flight(0), flight(1), flight(1440), flight(2), flight(3)];

describe("an Avro container", () => {
  it.each(["null", "deflate", "zstandard"] as const)(
    "with codec %s is taken as records in JSON are",
    async (codec) => {
      const archiver = new TestArchiver();
      const result = await archiver.ingest({ ...REQUEST, container: container(FLIGHTS, { codec }) });
      const asJson = await new TestArchiver().ingest({ ...REQUEST, records: FLIGHTS });
      expect(result).toEqual(asJson);
      await archiver.deliver();
      const stored = await storedRecords();
      expect(stored.map(({ record }) => record)).toEqual([0, 1, 3, 4, 2].map((index) => FLIGHTS[index]));
    },
  );

  it("has its records' bytes cut out and kept as they are", async () => {
    // A number may be written in more than one way: here the time's six groups are seven.
    const [record] = FLIGHTS;
    const plain = newest().type.toBuffer(record);
    const timeBytes = 6;
    const padded = Buffer.concat([
      plain.subarray(0, timeBytes - 1),
      Buffer.of((plain[timeBytes - 1] ?? 0) | 0x80, 0x00),
      plain.subarray(timeBytes),
    ]);
    const archiver = new TestArchiver();
    expect(await archiver.ingest({ ...REQUEST, container: rawContainer(1, padded) })).toMatchObject({
      ok: true,
      bytes: padded.length,
    });
    const { payload } = decodeMessage(archiver.waiting[0]?.body as Uint8Array);
    expect(Buffer.from(payload)).toEqual(padded);
  });

  it("keeps the version that it was written in, and is read as the newest", async () => {
    const time = { name: "time", type: { type: "long", logicalType: "timestamp-millis" } };
    const versions = [
      { table: "readings", version: 1, schema: { type: "record", name: "Reading", fields: [time] } },
      {
        table: "readings",
        version: 2,
        schema: {
          type: "record",
          name: "Reading",
          fields: [time, { name: "level", type: "int", default: 4 }],
        },
      },
    ];
    const tables = new SchemaRegistry(versions);
    const first = new SchemaRegistry(versions.slice(0, 1));
    const archiver = new TestArchiver({ registry: tables });
    const bytes = container([{ time: EPOCH }], { schema: newest("readings", first) });
    expect(await archiver.ingest({ datasetId: "LAS", table: "readings", container: bytes })).toMatchObject({
      ok: true,
    });
    const { fingerprint, payload } = decodeMessage(archiver.waiting[0]?.body as Uint8Array);
    expect(tables.find("readings", fingerprint)?.version).toBe(1);
    expect(tables.find("readings", fingerprint)?.decode(Buffer.from(payload))).toEqual({
      time: EPOCH,
      level: 4,
    });
  });

  it("may have another text of the same schema", async () => {
    const schema: unknown = JSON.parse(newest().json);
    const text = JSON.stringify({ doc: "as another program writes it", ...(schema as object) }, null, 2);
    expect(
      await new TestArchiver().ingest({ ...REQUEST, container: container(FLIGHTS, { text }) }),
    ).toMatchObject({ ok: true, accepted: 5 });
  });

  it("in a schema that was never published is refused with those that were", async () => {
    const text = '{"type":"record","name":"Flight","fields":[{"name":"time","type":"long"}]}';
    expect(await faultsOf(container(FLIGHTS, { text }))).toEqual([
      expect.stringContaining(`v${newest().version} (${newest().fingerprint})`),
    ]);
    expect(await faultsOf(container(FLIGHTS, { text: "no schema" }))).toHaveLength(1);
    expect(await faultsOf(container(FLIGHTS, { text: newest("earthquakes").json }))).toHaveLength(1);
    expect(await faultsOf(container(FLIGHTS, { text: newest("battles").json }))).toHaveLength(1);
  });

  it("is held to what records in JSON are held to, each fault with its record", async () => {
    const records = [
      flight(0),
      flight(0, { time: 253_402_300_800_000 }),
      flight(2),
      flight(0, { time: -(2 ** 47) }),
    ];
    expect(await faultsOf(container(records))).toEqual([
      expect.stringMatching(/^\/records\/1\/time: must be milliseconds/),
      expect.stringMatching(/^\/records\/3\/time: must be milliseconds/),
    ]);
    expect(await faultsOf(container([flight(0), flight(1, { origin: "x".repeat(120_000) })]))).toEqual([
      "/records/1: must encode to at most 120000 bytes",
    ]);
  });

  it("lists the faults of its names and of its records together", async () => {
    const archiver = new TestArchiver();
    const result = await archiver.ingest({
      datasetId: "a b",
      table: "flights",
      container: container([flight(0, { time: 2 ** 50 })]),
    });
    expect(result).toMatchObject({ faults: [{ path: "/datasetId" }, { path: "/records/0/time" }] });
  });

  it.each([
    ["empty bytes", new Uint8Array()],
    ["no container", new TextEncoder().encode('{"records":[]}')],
    ["a container cut short", container(FLIGHTS).subarray(0, -1)],
    ["a container of no records", container([])],
    ["a block that counts one record too many", rawContainer(2, newest().type.toBuffer(flight(0)))],
    [
      "a block that counts one record too few",
      rawContainer(1, Buffer.concat([flight(0), flight(1)].map((record) => newest().type.toBuffer(record)))),
    ],
    ["a block that counts records without end", rawContainer(2 ** 40, newest().type.toBuffer(flight(0)))],
    [
      "text that is not UTF-8",
      rawContainer(
        1,
        Buffer.from(newest().type.toBuffer(flight(0)).toString("latin1").replace("OAK", "O\xffK"), "latin1"),
      ),
    ],
  ])("that is %s is a fault at /container", async (_, bytes) => {
    expect(await faultsOf(bytes)).toEqual([expect.stringMatching(/^\/container: /)]);
  });

  it("says which block is damaged, and how", async () => {
    const bytes = container(FLIGHTS, { codec: "null" });
    bytes[bytes.length - 1] = 0;
    expect(await faultsOf(bytes)).toEqual([
      expect.stringMatching(
        /^\/container: cannot be read: the block at \d+ does not end with .* sync marker$/,
      ),
    ]);
  });

  it.each(["deflate", "zstandard"] as const)(
    "that is a %s bomb is refused before it fills the memory",
    async (codec) => {
      // A block of 15 MB of zeros takes 15 kB, and an upload may hold hundreds.
      const bomb = rawContainer(1, new Uint8Array(15_000_000), codec);
      expect(await faultsOf(bomb)).toEqual([expect.stringContaining("must hold at most")]);
      const many = Array.from({ length: 60 }, () => "x".repeat(100_000));
      const file = container(
        many.map((origin) => flight(0, { origin })),
        { codec, recordsPerBlock: 1 },
      );
      expect(file.length).toBeLessThan(50_000);
      expect(await faultsOf(file)).toEqual([expect.stringContaining("must hold at most")]);
    },
  );

  it("larger than a request may be is refused unread", async () => {
    expect(await faultsOf(new Uint8Array(6_000_001))).toEqual([
      "/container: must have at most 6000000 bytes, not 6000001",
    ]);
  });

  it("under an idempotency key is answered as the first was", async () => {
    const archiver = new TestArchiver();
    const request = { ...REQUEST, idempotencyKey: "file-1", container: container(FLIGHTS) };
    expect(await archiver.ingest(request)).toMatchObject({ ok: true, replayed: false });
    archiver.waiting.splice(0);
    expect(await archiver.ingest(request)).toMatchObject({ ok: true, accepted: 5, replayed: true });
    expect(archiver.waiting).toEqual([]);
    expect(await archiver.ingest({ ...request, container: container(FLIGHTS.slice(1)) })).toEqual({
      ok: false,
      reason: "idempotency-key-reused",
    });
  });

  it("of any damage is refused with nothing sent, or accepted as the records that it holds, and never throws", async () => {
    const original = container(FLIGHTS, { codec: "null" });
    await fc.assert(
      fc.asyncProperty(fc.nat(original.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const damaged = original.slice();
        damaged[at] = (damaged[at] ?? 0) ^ flip;
        const archiver = new TestArchiver();
        const result = await archiver.ingest({ ...REQUEST, container: damaged });
        expect(archiver.waiting.length > 0).toBe(result.ok);
      }),
      { numRuns: 500 },
    );
  });
});

describe("a container of generic records", () => {
  const generic = (body: string): Uint8Array =>
    container([{ time: EPOCH, body }], { schema: newest("battles") });
  const open = (): TestArchiver => new TestArchiver({ settings: { genericTables: true } });
  const BATTLES = { datasetId: "LAS", table: "battles" } as const;

  it("is taken where the stack takes them", async () => {
    const archiver = open();
    expect(await archiver.ingest({ ...BATTLES, container: generic('{"hits":3}') })).toMatchObject({
      ok: true,
    });
    await archiver.deliver();
    expect(await storedRecords()).toEqual([{ dataset: "LAS", record: { time: EPOCH, hits: 3 } }]);
    expect(await new TestArchiver().ingest({ ...BATTLES, container: generic("{}") })).toMatchObject({
      reason: "unknown-table",
    });
  });

  it.each([
    ["no JSON", "{"],
    ["no object", "[1]"],
    ["a time of its own", '{"time":7}'],
    ["a number without end", '{"a":1e999}'],
    ["nesting beyond the bound", `{"a":${"[".repeat(65)}${"]".repeat(65)}}`],
  ])("is refused when a body holds %s", async (_, body) => {
    expect(await open().ingest({ ...BATTLES, container: generic(body) })).toMatchObject({
      ok: false,
      faults: [{ path: expect.stringMatching(/^\/records\/0\/body/) }],
    });
  });

  it("is refused with the envelope's schema when it was written in another", async () => {
    const result = await open().ingest({ ...BATTLES, container: container(FLIGHTS) });
    expect(result).toMatchObject({
      ok: false,
      faults: [{ message: expect.stringContaining("strata.Generic") }],
    });
  });
});
