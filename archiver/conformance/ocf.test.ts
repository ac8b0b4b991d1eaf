/** Our writer in the hands of avsc's reader, and the other way round, for any schema and any records. */
import zlib from "node:zlib";
import avsc, { type Type } from "avsc";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Block,
  type Codec,
  CODECS,
  parseFrame,
  readFile,
  reframe,
  SYNC_BYTES,
  writeFile,
} from "../src/ocf/index.ts";
import { recordSchema, valueOf } from "./arbitrary.ts";
import { Random } from "./random.ts";

interface Sample {
  readonly type: Type;
  readonly json: string;
  /** The encoded records of each block. */
  readonly blocks: readonly (readonly Buffer[])[];
}

/** A record of no fields takes no bytes, so that nothing would show whether it is there. */
const TIMED = { name: "time", type: "long" };

function sampleOf(seed: number): Sample {
  const random = new Random(seed);
  const inner = recordSchema(random);
  const schema = { type: "record", name: "Top", fields: [TIMED, { name: "inner", type: inner }] };
  const json = JSON.stringify(schema);
  const type = avsc.Type.forSchema(JSON.parse(json));
  const record = () => type.toBuffer(valueOf(random, type));
  // None of no records: avsc's reader of uncompressed files waits for ever behind an empty block.
  const blocks = random.list(4, () => [record(), ...random.list(30, record)]);
  return { type, json, blocks };
}

const blockOf = (records: readonly Buffer[]): Block => ({
  recordCount: records.length,
  records: Buffer.concat(records),
});

/** Collects what an avsc stream gives until it ends. */
function collect<T>(stream: NodeJS.ReadWriteStream, feed: () => void): Promise<readonly T[]> {
  return new Promise((resolve, reject) => {
    const items: T[] = [];
    stream.on("data", (item: T) => items.push(item));
    stream.on("error", reject);
    stream.on("end", () => resolve(items));
    feed();
  });
}

async function readWithAvsc(bytes: Uint8Array, type: Type): Promise<readonly Buffer[]> {
  const decoder = new avsc.streams.BlockDecoder({
    codecs: {
      null: (data, done) => done(null, data),
      deflate: zlib.inflateRaw,
      zstandard: zlib.zstdDecompress,
    },
  });
  const values = await collect<unknown>(decoder, () => decoder.end(Buffer.from(bytes)));
  return values.map((value) => type.toBuffer(value));
}

async function writeWithAvsc({ type, blocks }: Sample, codec: Codec, blockSize: number): Promise<Buffer> {
  const encoder = new avsc.streams.BlockEncoder(type, {
    codec,
    blockSize,
    writeHeader: "always",
    codecs: {
      null: (data, done) => done(null, data),
      deflate: zlib.deflateRaw,
      zstandard: zlib.zstdCompress,
    },
  });
  const chunks = await collect<Buffer>(encoder, () => {
    for (const record of blocks.flat()) encoder.write(type.fromBuffer(record));
    encoder.end();
  });
  return Buffer.concat(chunks);
}

const seeds = fc.noShrink(fc.nat());
const header = (json: string, codec: Codec, random: Random) => ({
  schema: json,
  codec,
  metadata: new Map([["strata.note", "ü".repeat(random.below(90))]]),
  sync: random.bytes(SYNC_BYTES),
});

describe.each(CODECS)("a file of codec %s", (codec) => {
  it("of any schema, any records and any number of blocks is read by avsc as it was written", async () => {
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const { type, json, blocks } = sampleOf(seed);
        const { bytes } = writeFile(header(json, codec, new Random(seed)), blocks.map(blockOf));
        expect(await readWithAvsc(bytes, type)).toEqual(blocks.flat());
        const read = readFile(bytes);
        expect(read.header).toMatchObject({ schema: json, codec });
        expect(read.blocks.map(({ recordCount, records }) => [recordCount, Buffer.from(records)])).toEqual(
          blocks.map((records) => [records.length, Buffer.concat(records)]),
        );
      }),
      { numRuns: 150 },
    );
  });

  it("that avsc wrote, however it cut its blocks, is read here as it was written", async () => {
    await fc.assert(
      fc.asyncProperty(seeds, fc.integer({ min: 32, max: 2_000 }), async (seed, blockSize) => {
        const sample = sampleOf(seed);
        const records = sample.blocks.flat();
        const read = readFile(await writeWithAvsc(sample, codec, blockSize));
        expect(read.header.codec).toBe(codec);
        expect(Buffer.concat(read.blocks.map((block) => block.records))).toEqual(Buffer.concat(records));
        expect(read.blocks.reduce((sum, { recordCount }) => sum + recordCount, 0)).toBe(records.length);
      }),
      { numRuns: 150 },
    );
  });

  it("is the same file when its blocks are moved from another one without decompressing them", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const { json, blocks } = sampleOf(seed);
        const here = header(json, codec, new Random(seed));
        const there = { ...here, sync: new Random(seed + 1).bytes(SYNC_BYTES) };
        const file = writeFile(here, blocks.map(blockOf));
        const moved = file.blocks.map(({ start }) =>
          reframe(parseFrame(file.bytes, start, here.sync), there.sync),
        );
        const target = writeFile(there, blocks.map(blockOf));
        expect(moved).toEqual(target.blocks.map(({ bytes }) => bytes));
      }),
      { numRuns: 100 },
    );
  });
});
