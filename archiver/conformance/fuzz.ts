/**
 * `node archiver/conformance/fuzz.ts <blocks|files> [--seed n] [--cases n]`
 *
 * Damages blocks and files in ever other ways and opens them as the archive
 * does. Each must end in a typed error or in exactly what was written. A
 * program of its own, so that whoever starts it can stop it when it hangs and
 * bound its memory. A failure names the seed that shows it again with
 * `--cases 1`.
 */
import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import { crc32 } from "node:zlib";
import { openBlock, ReadError } from "../src/cold/index.ts";
import {
  CODECS,
  encodeBlock,
  OcfError,
  parseFrame,
  readFile,
  SYNC_BYTES,
  writeFile,
} from "../src/ocf/index.ts";
import {
  decodeRecord,
  recordBytes,
  RecordError,
  type RecordRun,
  scanRecords,
  SchemaRegistry,
  type TableSchema,
} from "../src/tables/index.ts";
import { valueOf } from "./arbitrary.ts";
import { damage } from "./damage.ts";
import { Evolution, tableSchemaOf } from "./evolution.ts";
import { Random } from "./random.ts";

/** Bounds what a file of many small bombs takes. */
const MAX_FILE_BYTES = 32 * 1024 * 1024;
const SAMPLES = 60;

type IndexEntry = Parameters<typeof openBlock>[0];

interface Sample {
  readonly schema: TableSchema;
  readonly codec: (typeof CODECS)[number];
  readonly sync: Buffer;
  readonly file: Buffer;
  readonly sha256: string;
  readonly blocks: readonly {
    readonly entry: IndexEntry;
    readonly bytes: Buffer;
    readonly records: Buffer;
  }[];
}

interface Corpus {
  readonly registry: SchemaRegistry;
  readonly samples: readonly [Sample, ...Sample[]];
}

/** Tables of every kind of field, some in two versions; and one without a schema. */
function makeCorpus(random: Random): Corpus {
  const sources = Array.from({ length: 12 }, (_, index) => {
    const evolution = new Evolution(random);
    const first = evolution.record(3);
    const second = evolution.change(first).shape;
    const table = `table_${index}`;
    const versions = [{ table, version: 1, schema: tableSchemaOf(first) }];
    if (random.once(2)) {
      const fields = [...second.fields, ADDED];
      versions.push({ table, version: 2, schema: tableSchemaOf({ ...second, fields }) });
    }
    return versions;
  }).flat();
  const registry = new SchemaRegistry(sources);
  const found = registry.known.map(({ table, fingerprint }) => registry.find(table, fingerprint));
  const schemas = [...found, registry.generic("anything")].filter((schema) => schema !== undefined);
  const [first, ...others] = schemas;
  if (first === undefined) throw new Error("there are no schemas");
  const more = Array.from({ length: SAMPLES }, () => makeSample(random, random.pick([first, ...others])));
  return { registry, samples: [makeSample(random, first), ...more] };
}

/** Makes a second version differ from the first whatever the changes were. */
const ADDED = { name: "added", shape: { kind: "primitive", name: "int" }, default: 5 } as const;

function makeRecord(random: Random, schema: TableSchema): Buffer {
  if (schema.version > 0) return schema.type.toBuffer(valueOf(random, schema.type));
  const body = JSON.stringify({ a: random.below(1_000), ü: ["x", null, { b: true }] });
  return schema.type.toBuffer({ time: random.bits() * 1_000, body });
}

function makeSample(random: Random, schema: TableSchema): Sample {
  const codec = random.pick(CODECS);
  const sync = random.bytes(SYNC_BYTES);
  const groups = Array.from({ length: 1 + random.below(3) }, () =>
    Array.from({ length: 1 + random.below(8) }, () => makeRecord(random, schema)),
  );
  const metadata = new Map([["strata.table", schema.table]]);
  const planned = groups.map((group) => ({ recordCount: group.length, records: Buffer.concat(group) }));
  const file = writeFile({ schema: schema.json, codec, metadata, sync }, planned);
  const blocks = file.blocks.map(({ start, length, bytes }, index) => ({
    bytes: Buffer.from(bytes),
    records: planned[index]?.records ?? Buffer.alloc(0),
    entry: {
      filePath: "sample.avro",
      codec,
      sync: sync.toString("hex"),
      fingerprint: schema.fingerprint,
      start,
      length,
      crc32: crc32(bytes),
      recordCount: planned[index]?.recordCount ?? 0,
      minTime: 0,
    },
  }));
  const bytes = Buffer.from(file.bytes);
  return { schema, codec, sync, file: bytes, sha256: sha256(bytes), blocks };
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

class WrongAnswer extends Error {}

/** Every record of a run decodes, and to a value that is written and read again as itself. */
function assertSound({ schema, ...run }: RecordRun): void {
  for (let index = 0; index < run.times.length; index += 1) {
    const bytes = recordBytes({ schema, ...run }, index);
    const value: unknown = schema.type.fromBuffer(bytes);
    if (!schema.type.isValid(value)) throw new WrongAnswer("a record passed that is not valid");
    const again = schema.type.toBuffer(value);
    const first = JSON.stringify(decodeRecord(schema, bytes));
    if (JSON.stringify(decodeRecord(schema, again)) !== first) throw new WrongAnswer("a record changed");
    if (first.includes("\uFFFD") && !bytes.includes("\uFFFD")) throw new WrongAnswer("text was replaced");
  }
}

function blockCase(random: Random, { registry, samples }: Corpus): void {
  const sample = random.pick(samples);
  const other = random.pick(samples);
  const block = sample.blocks[random.below(sample.blocks.length)];
  const spare = other.blocks[random.below(other.blocks.length)];
  if (block === undefined || spare === undefined) return;
  const { entry } = block;
  const { table } = sample.schema;

  if (random.once(2)) {
    const bytes = damage(random, block.bytes, spare.bytes);
    const run = openBlock(entry, bytes, table, registry);
    if (!run.bytes.equals(block.records)) throw new WrongAnswer("a damaged block was read as another");
    return;
  }
  // The index agrees with the damage, as when it was made again from a damaged bucket.
  const records = damage(random, block.records, spare.records);
  const framed = random.once(2)
    ? Buffer.from(encodeBlock({ recordCount: entry.recordCount, records }, sample.codec, sample.sync, 1))
    : damage(random, block.bytes, spare.bytes);
  const agreed = { ...entry, length: framed.length, crc32: crc32(framed) };
  assertSound(openBlock(agreed, framed, table, registry));
}

function fileCase(random: Random, { registry, samples }: Corpus): void {
  const sample = random.pick(samples);
  const other = random.pick(samples);
  const bytes = damage(random, sample.file, other.file);
  const same = bytes.equals(sample.file);
  if ((sha256(bytes) === sample.sha256) !== same) throw new WrongAnswer("the checksum misses the damage");

  // Without the checksum, what is read may be something else, but never what cannot be.
  const { header, blocks } = readFile(bytes, MAX_FILE_BYTES);
  const schema = registry.findBySchemaText(sample.schema.table, header.schema);
  if (schema === undefined) {
    if (same) throw new WrongAnswer("a whole file's schema was not found");
    return;
  }
  for (const { start, length, recordCount, records } of blocks) {
    const frame = parseFrame(bytes, start, header.sync);
    if (frame.length !== length) throw new WrongAnswer("a frame is as long as its block is not");
    assertSound(scanRecords(schema, records, recordCount));
  }
}

const isTyped = (error: unknown): boolean =>
  error instanceof OcfError || error instanceof RecordError || error instanceof ReadError;

const CASES = { blocks: blockCase, files: fileCase } as const;

/** What a run came to: how many cases ended in a typed error, and how many were read. */
export interface FuzzResult {
  readonly refused: number;
  readonly read: number;
}

/** @throws Error that names the seed of the first case with another end */
export function fuzz(what: keyof typeof CASES, seed: number, cases: number): FuzzResult {
  // Most cases end in an error, and nobody reads its stack.
  Error.stackTraceLimit = 0;
  const corpus = makeCorpus(new Random(1));
  let refused = 0;
  for (let index = 0; index < cases; index += 1) {
    if (index % 50_000 === 0) process.stderr.write(`${what}: ${index} cases from seed ${seed}\n`);
    try {
      CASES[what](new Random(seed + index), corpus);
    } catch (error) {
      if (!isTyped(error)) {
        throw new Error(`fuzz.ts ${what} --cases 1 --seed ${seed + index}`, { cause: error });
      }
      refused += 1;
    }
  }
  return { refused, read: cases - refused };
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    options: { seed: { type: "string", default: "1" }, cases: { type: "string", default: "1000000" } },
    allowPositionals: true,
  });
  const what = positionals[0] === "files" ? "files" : "blocks";
  process.stdout.write(`${JSON.stringify(fuzz(what, Number(values.seed), Number(values.cases)))}\n`);
}
