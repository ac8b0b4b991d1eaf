import { deflateRawSync, deflateSync } from "node:zlib";
import { streams, Type } from "avsc";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeBlock, parseBlock } from "./block.ts";
import { concatBytes, encodeHeader } from "./header.ts";
import { type Block, type Codec, type Header, OcfError, parseHeader, readFile, writeFile } from "./index.ts";
import { decodeLong, encodeLong } from "./long.ts";

const SYNC = Uint8Array.from({ length: 16 }, (_, index) => 200 + index);
const LONGS = Type.forSchema("long");

const header = (fields: Partial<Header> = {}): Header => ({
  schema: '"long"',
  codec: "deflate",
  metadata: new Map([["strata.table", "flights"]]),
  sync: SYNC,
  ...fields,
});

const block = (values: readonly number[]): Block => ({
  recordCount: values.length,
  records: Buffer.concat(values.map((value) => LONGS.toBuffer(value))),
});

function valuesOf({ recordCount, records }: Block): readonly number[] {
  const values: number[] = [];
  let offset = 0;
  for (let index = 0; index < recordCount; index += 1) {
    const decoded = decodeLong(records, offset);
    values.push(decoded.value);
    offset = decoded.next;
  }
  return values;
}

/** What avsc's own reader, which is independent of ours, makes of a file. */
function decodeWithAvsc(bytes: Uint8Array): Promise<readonly unknown[]> {
  return new Promise((resolve, reject) => {
    const decoder = new streams.BlockDecoder();
    const values: unknown[] = [];
    decoder.on("data", (value: unknown) => values.push(value));
    decoder.on("error", reject);
    decoder.on("end", () => resolve(values));
    decoder.end(Buffer.from(bytes));
  });
}

/** A file that avsc wrote. */
function encodeWithAvsc(values: readonly number[], codec: Codec, blockSize: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const encoder = new streams.BlockEncoder(LONGS, { codec, blockSize });
    const chunks: Uint8Array[] = [];
    encoder.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    encoder.on("error", reject);
    encoder.on("end", () => resolve(concatBytes(chunks)));
    for (const value of values) encoder.write(value);
    encoder.end();
  });
}

function faultOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof OcfError) return error.code;
    throw error;
  }
  return "none";
}

/** avsc writes negative numbers right down to -2^52 only. */
const avscLong = fc.integer({ min: -(2 ** 52), max: Number.MAX_SAFE_INTEGER - 1 });
const longs = fc.array(avscLong, { minLength: 1, maxLength: 40 });
const codecs = fc.constantFrom<Codec>("null", "deflate");

describe("a long", () => {
  it("keeps all 64 bits of a timestamp, which has more than 32", () => {
    expect(decodeLong(encodeLong(1_766_500_000_123), 0)).toEqual({ value: 1_766_500_000_123, next: 6 });
  });

  it("is read back for every safe integer", () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        const bytes = encodeLong(value);
        expect(decodeLong(bytes, 0)).toEqual({ value, next: bytes.length });
      }),
    );
  });

  it("is written as avsc writes it", () => {
    fc.assert(
      fc.property(avscLong, (value) => {
        expect(Buffer.from(encodeLong(value))).toEqual(LONGS.toBuffer(value));
      }),
    );
  });

  it.each([
    ["ends too early", [0x80, 0x80], "truncated"],
    ["has more than ten bytes", Array.from({ length: 11 }, () => 0x80), "bad-number"],
    [
      "is larger than a double holds",
      [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
      "bad-number",
    ],
    ["is larger than 64 bits", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], "bad-number"],
  ])("that %s is a typed error", (_, bytes, code) => {
    expect(faultOf(() => decodeLong(Uint8Array.from(bytes), 0))).toBe(code);
  });
});

describe("a file", () => {
  it("of any blocks is read by avsc and by this reader as it was written", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(longs, { maxLength: 6 }), codecs, async (blocks, codec) => {
        const file = writeFile(header({ codec }), blocks.map(block));
        expect(await decodeWithAvsc(file.bytes)).toEqual(blocks.flat());
        expect(readFile(file.bytes).blocks.map(valuesOf)).toEqual(blocks);
      }),
    );
  });

  it("that avsc wrote is read with every block, not only the first", async () => {
    await fc.assert(
      fc.asyncProperty(longs, codecs, fc.integer({ min: 8, max: 200 }), async (values, codec, blockSize) => {
        const { blocks } = readFile(await encodeWithAvsc(values, codec, blockSize));
        expect(blocks.flatMap(valuesOf)).toEqual(values);
      }),
    );
    const { blocks } = readFile(
      await encodeWithAvsc(
        Array.from({ length: 100 }, (_, n) => n),
        "deflate",
        16,
      ),
    );
    expect(blocks.length).toBeGreaterThan(5);
  });

  it("names offsets and lengths that cut out exactly one block each, and cover the file", () => {
    fc.assert(
      fc.property(fc.array(longs, { minLength: 1, maxLength: 6 }), codecs, (blocks, codec) => {
        const file = writeFile(header({ codec }), blocks.map(block));
        let end = file.headerSize;
        for (const [index, { start, length }] of file.blocks.entries()) {
          expect(start).toBe(end);
          const alone = file.bytes.slice(start, start + length);
          expect(valuesOf(parseBlock(alone, 0, { codec, sync: SYNC }))).toEqual(blocks[index]);
          end = start + length;
        }
        expect(end).toBe(file.bytes.length);
      }),
    );
  });

  it("keeps its metadata, schema, codec and marker in the header", () => {
    const file = writeFile(header({ metadata: new Map([["strata.datasets", '[["ü",3]]']]) }), []);
    const parsed = parseHeader(file.bytes);
    expect(parsed).toEqual({
      schema: '"long"',
      codec: "deflate",
      metadata: new Map([["strata.datasets", '[["ü",3]]']]),
      sync: SYNC,
      size: file.headerSize,
    });
  });

  it("of equal content is equal byte for byte", () => {
    const blocks = [block([1, 2, 3]), block([4])];
    expect(writeFile(header(), blocks)).toEqual(writeFile(header(), blocks));
  });

  it("is read at its own place when the bytes are a view into a larger buffer", () => {
    const { bytes } = writeFile(header(), [block([7, 8])]);
    const around = new Uint8Array(bytes.length + 50);
    around.set(bytes, 33);
    expect(readFile(around.subarray(33, 33 + bytes.length)).blocks.map(valuesOf)).toEqual([[7, 8]]);
  });
});

describe("a header", () => {
  it("may be written as map blocks of negative count with their size", () => {
    const text = (value: string) => concatBytes([encodeLong(value.length), new TextEncoder().encode(value)]);
    const first = concatBytes([text("avro.schema"), text('"long"')]);
    const second = concatBytes([text("avro.codec"), text("deflate")]);
    const bytes = concatBytes([
      Uint8Array.of(0x4f, 0x62, 0x6a, 0x01),
      ...[first, second].flatMap((entry) => [encodeLong(-1), encodeLong(entry.length), entry]),
      encodeLong(0),
      SYNC,
    ]);
    expect(parseHeader(bytes)).toMatchObject({ schema: '"long"', codec: "deflate", size: bytes.length });
  });

  it("takes the codec from its own key, whatever the schema's text says", () => {
    const schema = '{"type":"long","doc":"not deflate"}';
    const bytes = writeFile(header({ schema, codec: "null" }), [block([5])]).bytes;
    expect(readFile(bytes).header.codec).toBe("null");
  });

  it("without a codec means none", () => {
    const text = (value: string) => concatBytes([encodeLong(value.length), new TextEncoder().encode(value)]);
    const magic = Uint8Array.of(0x4f, 0x62, 0x6a, 0x01);
    const bytes = concatBytes([
      magic,
      encodeLong(1),
      text("avro.schema"),
      text('"int"'),
      encodeLong(0),
      SYNC,
    ]);
    expect(parseHeader(bytes).codec).toBe("null");
  });

  it("that lacks something is a typed error that says what", () => {
    const bytes = encodeHeader(header());
    const empty = concatBytes([bytes.subarray(0, 4), encodeLong(0), SYNC]);
    expect(faultOf(() => parseHeader(Uint8Array.of(1, 2, 3, 4)))).toBe("not-ocf");
    expect(faultOf(() => parseHeader(bytes.subarray(0, bytes.length - 1)))).toBe("truncated");
    expect(faultOf(() => parseHeader(empty))).toBe("bad-header");
    const snappy = Buffer.from(Buffer.from(bytes).toString("latin1").replace("deflate", "snappyy"), "latin1");
    expect(faultOf(() => parseHeader(snappy))).toBe("unknown-codec");
  });
});

describe("a block", () => {
  const framing = { codec: "deflate", sync: SYNC } as const;

  it("is compressed with raw deflate, without the zlib wrapper", () => {
    const bytes = encodeBlock(block([1, 2, 3]), "deflate", SYNC);
    const payload = bytes.subarray(2, bytes.length - 16);
    expect(Buffer.from(payload)).toEqual(deflateRawSync(block([1, 2, 3]).records));
  });

  it("in a zlib wrapper is refused", () => {
    const payload = deflateSync(block([1, 2, 3]).records);
    const bytes = concatBytes([encodeLong(3), encodeLong(payload.length), payload, SYNC]);
    expect(faultOf(() => parseBlock(bytes, 0, framing))).toBe("bad-payload");
  });

  it("with another file's marker, a cut, or a negative count is refused", () => {
    const bytes = encodeBlock(block([1, 2, 3]), "deflate", SYNC);
    expect(faultOf(() => parseBlock(bytes, 0, { codec: "deflate", sync: new Uint8Array(16) }))).toBe(
      "sync-mismatch",
    );
    expect(faultOf(() => parseBlock(bytes.subarray(0, -1), 0, framing))).toBe("truncated");
    const negative = concatBytes([encodeLong(-3), bytes.subarray(1)]);
    expect(faultOf(() => parseBlock(negative, 0, framing))).toBe("bad-number");
  });

  it("that would inflate beyond every bound is refused before it does", () => {
    const payload = deflateRawSync(new Uint8Array(20 * 1024 * 1024));
    const bytes = concatBytes([encodeLong(1), encodeLong(payload.length), payload, SYNC]);
    expect(faultOf(() => parseBlock(bytes, 0, framing))).toBe("bad-payload");
  });
});

describe("damage", () => {
  it("to any byte gives the same records, other framing, or a typed error, and never another failure", () => {
    const { bytes } = writeFile(header({ codec: "null" }), [block([1, 2, 3]), block([1_766_500_000_123])]);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (offset, flip) => {
        const damaged = bytes.slice();
        damaged[offset] = (damaged[offset] ?? 0) ^ flip;
        expect(faultOf(() => readFile(damaged))).toBeTypeOf("string");
      }),
      { numRuns: 2_000 },
    );
  });

  it("that cuts the file anywhere but between blocks is noticed", () => {
    const file = writeFile(header(), [block([1, 2, 3]), block([4, 5])]);
    const whole = new Set([file.headerSize, ...file.blocks.map(({ start, length }) => start + length)]);
    for (let end = 0; end < file.bytes.length; end += 1) {
      expect(faultOf(() => readFile(file.bytes.subarray(0, end))) === "none").toBe(whole.has(end));
    }
  });
});
