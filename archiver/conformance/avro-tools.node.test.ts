/**
 * Files of the archive in the hands of programs that share no code with it:
 * Debian's `avro-bin` (Avro C) and `python3-avro` (Avro Python).
 */
import { execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ArchiveFile, buildFile, groupRows, type HotRow, readRows } from "../src/archive/plan.ts";
import { type Codec, readFile as readOcf, writeFile as writeOcf } from "../src/ocf/index.ts";
import {
  decodeRecord,
  recordBytes,
  registry,
  scanRecords,
  SchemaRegistry,
  type TableSchema,
} from "../src/tables/index.ts";
import { valueOf } from "./arbitrary.ts";
import { Evolution, tableSchemaOf } from "./evolution.ts";
import { Random } from "./random.ts";
import { type DatasetRecords, earthquakes, flights } from "./real-data.ts";

const TOOL = path.join(import.meta.dirname, "avro_tool.py");
const PYTHONS = ["/usr/bin/python3", "python3"];
const INSTALL = "needs Debian's Avro tools: apt-get install avro-bin python3-avro";
const ROWS_OF = 500;

type Records = readonly Readonly<Record<string, unknown>>[];

let folder = "";
let python = "";

/** Runs a program to its end; fails with what it wrote to stderr. */
function run(program: string, args: readonly string[], input = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => errors.push(chunk));
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(Buffer.concat(output).toString("utf8"));
      else {
        reject(
          new Error(
            `${program} ${args.join(" ")} ended with ${code}: ${Buffer.concat(errors).toString("utf8")}`,
          ),
        );
      }
    });
    // A program that fails before it has read its input says so by its exit code.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

async function firstThat(
  candidates: readonly string[],
  works: (candidate: string) => Promise<unknown>,
): Promise<string> {
  for (const candidate of candidates) {
    const fits = await works(candidate).then(
      () => true,
      () => false,
    );
    if (fits) return candidate;
  }
  throw new Error(`this test ${INSTALL}`);
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "strata-avro-"));
  python = await firstThat(PYTHONS, (program) =>
    promisify(execFile)(program, ["-c", "import avro.datafile"]),
  );
  await firstThat(["avrocat"], (program) => promisify(execFile)("which", [program]));
});

afterAll(async () => {
  if (folder !== "") await rm(folder, { recursive: true });
});

function schemaOf(table: string): TableSchema {
  const schema = registry.newest(table);
  if (schema === undefined) throw new Error(`there is no table ${table}`);
  return schema;
}

/** The file that an archive run makes of the datasets' records. */
function archiveFile(
  schema: TableSchema,
  datasets: readonly DatasetRecords[],
  codec: Codec,
): Promise<ArchiveFile> {
  const rows: HotRow[] = [];
  for (const { datasetId, records } of datasets) {
    for (let start = 0; start < records.length; start += ROWS_OF) {
      const slice = records.slice(start, start + ROWS_OF);
      rows.push({
        id: rows.length + 1,
        datasetId,
        table: schema.table,
        period: "all",
        fingerprint: schema.fingerprint,
        recordCount: slice.length,
        data: Buffer.concat(slice.map((record) => schema.type.toBuffer(record))).toString("base64"),
      });
    }
  }
  const [group] = groupRows(rows, registry.find.bind(registry));
  if (group === undefined) throw new Error("there are no rows");
  return buildFile(group, readRows(group).readable, { codec, blockBytes: 64 * 1024 });
}

/** Avro's own JSON names the branch of a union: `{"double": 1.5}`. */
function unwrap(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const [[branch, inner] = [], ...others] = Object.entries(value);
  return others.length === 0 && ["string", "double", "int", "long"].includes(branch ?? "") ? inner : value;
}

const unwrapped = (records: Records): Records =>
  records.map((record) =>
    Object.fromEntries(Object.entries(record).map(([key, value]) => [key, unwrap(value)])),
  );

const lines = (text: string): Records =>
  text
    .split("\n")
    .filter(Boolean)
    .map((line): Records[number] => JSON.parse(line));

const texts = (records: Records): readonly string[] =>
  records.map((record) => JSON.stringify(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))).sort();

let files = 0;

/** A path in this test's folder that nothing has used. */
function newPath(): string {
  files += 1;
  return path.join(folder, `${files}.avro`);
}

async function stored(bytes: Uint8Array): Promise<string> {
  const target = newPath();
  await writeFile(target, bytes);
  return target;
}

/** The records of a file that someone else wrote, its schema found by its text, block by block. */
async function recordsIn(
  file: string,
  table: string,
  tables = registry,
): Promise<{ readonly codec: string; readonly blocks: readonly Records[] }> {
  const { header, blocks } = readOcf(new Uint8Array(await readFile(file)));
  const schema = tables.findBySchemaText(table, header.schema);
  if (schema === undefined) throw new Error(`${header.schema} is no schema of ${table}`);
  const read = blocks.map((block) => {
    const scanned = scanRecords(schema, block.records, block.recordCount);
    return scanned.times.map((_, index) => decodeRecord(schema, recordBytes(scanned, index)));
  });
  return { codec: header.codec, blocks: read };
}

/** As JSON carries them: without the sign of a zero. */
const asJson = (records: Records): unknown => JSON.parse(JSON.stringify(records));

/** The input of `avro_tool.py write`. */
const asLines = (schema: TableSchema, records: Records): string =>
  `${schema.json}\n${records.map((record) => `${JSON.stringify(record)}\n`).join("")}`;

const TABLES = [
  ["flights", flights],
  ["earthquakes", earthquakes],
] as const;

/** What both programs know; neither has zstandard. */
const SHARED_CODECS = ["null", "deflate"] as const;

const CASES = TABLES.flatMap(([table, load]) => SHARED_CODECS.map((codec) => [table, codec, load] as const));

describe.each(CASES)("a file of real %s, codec %s", (table, codec, load) => {
  it("is read by avrocat with every record equal", async () => {
    const datasets = await load();
    const file = await stored((await archiveFile(schemaOf(table), datasets, codec)).bytes);
    const records = unwrapped(lines(await run("avrocat", [file])));
    expect(texts(records)).toEqual(texts(datasets.flatMap((dataset) => dataset.records)));
  });

  it("is read by Python's avro with every record equal, times as timestamps", async () => {
    const datasets = await load();
    const file = await stored((await archiveFile(schemaOf(table), datasets, codec)).bytes);
    const records = lines(await run(python, [TOOL, "read", file]));
    expect(texts(records)).toEqual(texts(datasets.flatMap((dataset) => dataset.records)));
  });

  it("that Avro C wrote, of ours, is read here with every record equal and every block", async () => {
    const datasets = await load();
    const ours = await stored((await archiveFile(schemaOf(table), datasets, "deflate")).bytes);
    const theirs = newPath();
    await run("avromod", [`--codec=${codec}`, "--block-size=8192", ours, theirs]);
    const read = await recordsIn(theirs, table);
    expect(read.codec).toBe(codec);
    expect(read.blocks.length).toBeGreaterThan(10);
    expect(read.blocks.flat()).toEqual((await recordsIn(ours, table)).blocks.flat());
  });

  it.each(["write", "negative"])(
    "that Python's avro wrote (%s) is read here with every record equal, block by block",
    async (how) => {
      const records = (await load()).flatMap((dataset) => dataset.records).slice(0, 5_000);
      const file = newPath();
      await run(python, [TOOL, how, file, codec, "700"], asLines(schemaOf(table), records));
      const read = await recordsIn(file, table);
      expect(read.codec).toBe(codec);
      expect(read.blocks.length).toBeGreaterThanOrEqual(Math.ceil(records.length / 700));
      expect(read.blocks.flat()).toEqual(records);
    },
  );
});

describe.each(TABLES)("the table %s", (table) => {
  it("has the fingerprint that Python's avro computes for its schema", async () => {
    const schema = schemaOf(table);
    // Python leaves `{"type":"long"}` where the specification's [PRIMITIVES] rule makes `"long"` of a logical type.
    const withoutLogicalTypes = schema.json.replaceAll(
      '{"type":"long","logicalType":"timestamp-millis"}',
      '"long"',
    );
    expect((await run(python, [TOOL, "fingerprint"], withoutLogicalTypes)).trim()).toBe(schema.fingerprint);
  });

  it("has files without records that both programs read, and theirs are read here", async () => {
    const schema = schemaOf(table);
    const header = {
      schema: schema.json,
      codec: "deflate",
      metadata: new Map(),
      sync: Buffer.alloc(16, 7),
    } as const;
    const ours = await stored(writeOcf(header, []).bytes);
    expect(await run("avrocat", [ours])).toBe("");
    expect(await run(python, [TOOL, "read", ours])).toBe("");

    const [fromPython, fromC] = [newPath(), newPath()];
    await run(python, [TOOL, "write", fromPython, "null", "1"], asLines(schema, []));
    await run("avromod", ["--codec=deflate", ours, fromC]);
    expect(await recordsIn(fromPython, table)).toEqual({ codec: "null", blocks: [] });
    expect(await recordsIn(fromC, table)).toEqual({ codec: "deflate", blocks: [] });
  });
});

describe("a file of any table", () => {
  const seeds = Array.from({ length: 12 }, (_, index) => index + 1);

  it.each(seeds)(
    "is read by Python's avro, and read back from it, record by record (seed %i)",
    async (seed) => {
      const random = new Random(seed);
      const table = { table: "any", version: 1, schema: tableSchemaOf(new Evolution(random).record(3)) };
      const tables = new SchemaRegistry([table]);
      const schema = tables.newest("any");
      if (schema === undefined) throw new Error("the registry lost its table");
      const records = Array.from({ length: 40 }, (_, index) => ({
        ...Object(valueOf(random, schema.type)),
        // Python's timestamps end with the year 9999.
        time: 1_766_500_000_123 + index,
      }));
      const encoded = records.map((record) => schema.type.toBuffer(record));
      const ours = await stored(
        writeOcf(
          {
            schema: schema.json,
            codec: "deflate",
            metadata: new Map([["strata.table", "any"]]),
            sync: random.bytes(16),
          },
          [encoded.slice(0, 7), encoded.slice(7)].map((block) => ({
            recordCount: block.length,
            records: Buffer.concat(block),
          })),
        ).bytes,
      );
      const inPython = lines(await run(python, [TOOL, "read", ours]));
      expect(inPython).toEqual(records);

      for (const [how, codec] of [
        ["write", "deflate"],
        ["negative", "null"],
      ] as const) {
        const theirs = newPath();
        await run(python, [TOOL, how, theirs, codec, "9"], asLines(schema, inPython));
        const back = await recordsIn(theirs, "any", tables);
        expect(back.blocks).toHaveLength(5);
        expect(asJson(back.blocks.flat())).toEqual(asJson(records));
      }
      // Avro C ends a map's key at its first NUL.
      if (JSON.stringify(records).includes("\\u0000")) return;
      const throughC = newPath();
      await run("avromod", ["--codec=null", ours, throughC]);
      expect((await recordsIn(throughC, "any", tables)).blocks.flat()).toEqual(records);
    },
  );
});
