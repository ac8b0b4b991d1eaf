/** Each of these went wrong in an archive before this one, and lost or changed records. */
import { deflateRawSync, deflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { concatBytes } from "./header.ts";
import {
  encodeBlock,
  OcfError,
  parseBlock,
  parseFrame,
  parseHeader,
  readFile,
  SYNC_BYTES,
  writeFile,
} from "./index.ts";
import { decodeLong, encodeLong } from "./long.ts";

const SYNC = Uint8Array.from({ length: SYNC_BYTES }, (_, index) => 100 + index);
const bytes = (...values: readonly number[]) => Uint8Array.from(values);
const text = (value: string) => concatBytes([encodeLong(value.length), new TextEncoder().encode(value)]);
const MAGIC = bytes(0x4f, 0x62, 0x6a, 0x01);

const header = (codec: "null" | "deflate" = "deflate", schema = '"int"') => ({
  schema,
  codec,
  metadata: new Map([["strata.table", "flights"]]),
  sync: SYNC,
});

const three = [bytes(2, 4), bytes(6), bytes(8, 10, 12)].map((records) => ({
  recordCount: records.length,
  records,
}));

describe("defects of earlier archives", () => {
  it("only the first block parsed: every block of a file is read", () => {
    const { blocks } = readFile(writeFile(header(), three).bytes);
    expect(blocks.map(({ recordCount, records }) => [recordCount, ...records])).toEqual([
      [2, 2, 4],
      [1, 6],
      [3, 8, 10, 12],
    ]);
  });

  it("32-bit longs: a timestamp of 1766500000123 is not 1268441595", () => {
    const avro = bytes(0xf6, 0x85, 0xd7, 0xb9, 0xe9, 0x66);
    expect(encodeLong(1_766_500_000_123)).toEqual(avro);
    expect(decodeLong(avro, 0).value).toBe(1_766_500_000_123);
  });

  it("zlib in place of raw deflate: no zlib wrapper is written, and none is taken", () => {
    const records = new Uint8Array(1_000).fill(7);
    const { payload } = parseFrame(encodeBlock({ recordCount: 1, records }, "deflate", SYNC), 0, SYNC);
    expect(payload).toEqual(new Uint8Array(deflateRawSync(records)));
    const wrapped = deflateSync(records);
    const block = concatBytes([encodeLong(1), encodeLong(wrapped.length), wrapped, SYNC]);
    expect(() => parseBlock(block, 0, { codec: "deflate", sync: SYNC })).toThrow(OcfError);
  });

  it("the codec found by searching the header's text: only avro.codec decides", () => {
    const schema = '{"type":"int","doc":"not deflate, not zstandard"}';
    const file = writeFile(header("null", schema), three).bytes;
    expect(readFile(file)).toMatchObject({ header: { codec: "null", schema } });
  });

  it("negative map counts: metadata in blocks that carry their size is read whole", () => {
    const entries = [
      ["avro.schema", '"int"'],
      ["avro.codec", "null"],
      ["mine", "yes"],
    ].map(([key, value]) => concatBytes([text(key ?? ""), text(value ?? "")]));
    const [schema = bytes(), codec = bytes(), mine = bytes()] = entries;
    const file = concatBytes([
      MAGIC,
      encodeLong(-2),
      encodeLong(schema.length + codec.length),
      schema,
      codec,
      encodeLong(-1),
      encodeLong(mine.length),
      mine,
      encodeLong(0),
      SYNC,
      encodeBlock({ recordCount: 1, records: bytes(6) }, "null", SYNC),
    ]);
    const { header: parsed, blocks } = readFile(file);
    expect(parsed).toMatchObject({ schema: '"int"', codec: "null", metadata: new Map([["mine", "yes"]]) });
    expect(blocks).toMatchObject([{ recordCount: 1, records: bytes(6) }]);
  });

  it("byteOffset ignored: a view into a larger buffer is read from where it begins", () => {
    for (const codec of ["null", "deflate"] as const) {
      const file = writeFile(header(codec), three).bytes;
      const around = new Uint8Array(file.length + 64).fill(0xff);
      around.set(file, 31);
      const { blocks } = readFile(around.subarray(31, 31 + file.length));
      expect(blocks.flatMap(({ records }) => [...records])).toEqual([2, 4, 6, 8, 10, 12]);
    }
  });

  it("wrong offsets: what the index says of a block cuts exactly that block out of the file", () => {
    const file = writeFile(header(), three);
    for (const [index, { start, length, bytes: own }] of file.blocks.entries()) {
      const cut = file.bytes.slice(start, start + length);
      expect(cut).toEqual(own);
      expect([...parseBlock(cut, 0, header()).records]).toEqual([...(three[index]?.records ?? [])]);
    }
    expect(readFile(file.bytes).blocks.map(({ start, length }) => ({ start, length }))).toEqual(
      file.blocks.map(({ start, length }) => ({ start, length })),
    );
  });

  it("the header's size ignored for a file of one block: its block begins behind the header", () => {
    const file = writeFile(header(), three.slice(0, 1));
    expect(file.headerSize).toBe(parseHeader(file.bytes).size);
    expect(file.headerSize).toBeGreaterThan(60);
    expect(file.blocks).toMatchObject([
      { start: file.headerSize, length: file.bytes.length - file.headerSize },
    ]);
  });
});
