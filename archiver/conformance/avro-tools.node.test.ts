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
import { readFile as readOcf } from "../src/ocf/index.ts";
import { decodeRecord, recordBytes, registry, scanRecords, type TableSchema } from "../src/tables/index.ts";
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
function archiveFile(schema: TableSchema, datasets: readonly DatasetRecords[]): ArchiveFile {
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
  return buildFile(group, readRows(group).readable);
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

async function stored(file: ArchiveFile): Promise<string> {
  const target = path.join(folder, `${file.table}.avro`);
  await writeFile(target, file.bytes);
  return target;
}

const TABLES = [
  ["flights", flights],
  ["earthquakes", earthquakes],
] as const;

describe.each(TABLES)("a file of real %s", (table, load) => {
  it("is read by avrocat with every record equal", async () => {
    const datasets = await load();
    const file = await stored(archiveFile(schemaOf(table), datasets));
    const records = unwrapped(lines(await run("avrocat", [file])));
    expect(texts(records)).toEqual(texts(datasets.flatMap((dataset) => dataset.records)));
  });

  it("is read by Python's avro with every record equal, times as timestamps", async () => {
    const datasets = await load();
    const file = await stored(archiveFile(schemaOf(table), datasets));
    const records = lines(await run(python, [TOOL, "read", file]));
    expect(texts(records)).toEqual(texts(datasets.flatMap((dataset) => dataset.records)));
  });

  it("that Python's avro wrote is read here with every record equal, block by block", async () => {
    const schema = schemaOf(table);
    const records = (await load()).flatMap((dataset) => dataset.records);
    const file = path.join(folder, `${table}-python.avro`);
    await run(
      python,
      [TOOL, "write", file],
      `${schema.json}\n${records.map((r) => `${JSON.stringify(r)}\n`).join("")}`,
    );

    const { header, blocks } = readOcf(new Uint8Array(await readFile(file)));
    expect(header.codec).toBe("deflate");
    expect(blocks.length).toBeGreaterThan(1);
    const back = blocks.flatMap((block) => {
      const scanned = scanRecords(schema, block.records, block.recordCount);
      return scanned.times.map((_, index) => decodeRecord(schema, recordBytes(scanned, index)));
    });
    expect(back).toEqual(records);
  });

  it("has the fingerprint that Python's avro computes for its schema", async () => {
    const schema = schemaOf(table);
    // Python leaves `{"type":"long"}` where the specification's [PRIMITIVES] rule makes `"long"` of a logical type.
    const withoutLogicalTypes = schema.json.replaceAll(
      '{"type":"long","logicalType":"timestamp-millis"}',
      '"long"',
    );
    expect((await run(python, [TOOL, "fingerprint"], withoutLogicalTypes)).trim()).toBe(schema.fingerprint);
  });
});
