import { Buffer } from "node:buffer";
import { constants, deflateRawSync, zstdCompressSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { concatBytes } from "./header.ts";
import {
  type Codec,
  codecIsAvailable,
  CODECS,
  encodeBlock,
  MAX_BLOCK_BYTES,
  OcfError,
  type OcfFault,
  parseBlock,
  parseCodec,
  parseFrame,
  readFile,
  reframe,
  SYNC_BYTES,
  writeFile,
} from "./index.ts";
import { encodeLong } from "./long.ts";

const marker = (first: number) => Uint8Array.from({ length: SYNC_BYTES }, (_, index) => first + index);
const SYNC = marker(10);

const records = Buffer.from(
  Array.from({ length: 20_000 }, (_, index) => `${index % 97},${(index * 7_919) % 1_009};`).join(""),
);

function faultOf(action: () => unknown): OcfFault | "none" {
  try {
    action();
  } catch (error) {
    if (error instanceof OcfError) return error.code;
    throw error;
  }
  return "none";
}

const framed = (payload: Uint8Array, count = 1) =>
  concatBytes([encodeLong(count), encodeLong(payload.length), payload, SYNC]);

describe.each<Codec>(["null", "deflate", "zstandard"])("a block of codec %s", (codec) => {
  it("gives back its records, more of them than a runtime that fails its self-test can", () => {
    const block = encodeBlock({ recordCount: 20_000, records }, codec, SYNC);
    const parsed = parseBlock(block, 0, { codec, sync: SYNC });
    expect(parsed).toMatchObject({ recordCount: 20_000, start: 0, length: block.length });
    expect(Buffer.compare(parsed.records, records)).toBe(0);
  });

  it("holds no records as well", () => {
    const block = encodeBlock({ recordCount: 0, records: new Uint8Array() }, codec, SYNC);
    expect(parseBlock(block, 0, { codec, sync: SYNC })).toMatchObject({
      recordCount: 0,
      length: block.length,
    });
  });

  it("moves under another file's marker with the payload that it has", () => {
    const block = encodeBlock({ recordCount: 20_000, records }, codec, SYNC);
    const inFile = concatBytes([new Uint8Array(33), block]);
    const frame = parseFrame(inFile, 33, SYNC);
    expect(frame).toMatchObject({ recordCount: 20_000, start: 33, length: block.length });
    const moved = reframe(frame, marker(90));
    expect(moved).toEqual(encodeBlock({ recordCount: 20_000, records }, codec, marker(90)));
    expect(faultOf(() => parseFrame(moved, 0, SYNC))).toBe("sync-mismatch");
  });

  it("that ends before its size is refused", () => {
    const block = encodeBlock({ recordCount: 1, records }, codec, SYNC);
    for (const length of [0, 1, 2, 3, block.length - 17, block.length - 1]) {
      expect(faultOf(() => parseFrame(block.subarray(0, length), 0, SYNC))).toBe("truncated");
    }
  });
});

describe("a compressed block", () => {
  it("is compressed at the level that is asked for", () => {
    const block = { recordCount: 20_000, records };
    const payload = (codec: Codec, level: number) =>
      Buffer.from(parseFrame(encodeBlock(block, codec, SYNC, level), 0, SYNC).payload);
    for (const level of [1, 6, 9]) {
      expect(payload("deflate", level).equals(deflateRawSync(records, { level }))).toBe(true);
      const params = { [constants.ZSTD_c_compressionLevel]: level };
      expect(payload("zstandard", level).equals(zstdCompressSync(records, { params }))).toBe(true);
    }
    expect(payload("deflate", 1).equals(payload("deflate", 9))).toBe(false);
    expect(payload("zstandard", 1).equals(payload("zstandard", 9))).toBe(false);
  });

  it("whose payload is cut short, however little, is refused and not half read", () => {
    for (const [codec, payload] of [
      ["deflate", deflateRawSync(records)],
      ["zstandard", zstdCompressSync(records)],
    ] as const) {
      for (const cut of [1, 2, 5, 100, payload.length]) {
        const block = framed(payload.subarray(0, payload.length - cut));
        expect(faultOf(() => parseBlock(block, 0, { codec, sync: SYNC }))).toBe("bad-payload");
      }
    }
  });

  it("that would fill more than the bound is refused", () => {
    const bomb = new Uint8Array(MAX_BLOCK_BYTES + 1);
    for (const [codec, payload] of [
      ["null", bomb],
      ["deflate", deflateRawSync(bomb)],
      ["zstandard", zstdCompressSync(bomb)],
    ] as const) {
      expect(faultOf(() => parseBlock(framed(payload), 0, { codec, sync: SYNC }))).toBe("bad-payload");
    }
  });
});

describe("a file of many small bombs", () => {
  it("is refused before it fills the memory", () => {
    const records = new Uint8Array(1024 * 1024);
    const blocks = Array.from({ length: 5 }, () => ({ recordCount: 1, records }));
    const header = { schema: '"int"', codec: "deflate", metadata: new Map(), sync: SYNC } as const;
    const { bytes } = writeFile(header, blocks);
    expect(bytes.length).toBeLessThan(10_000);
    expect(faultOf(() => readFile(bytes, 4 * 1024 * 1024))).toBe("bad-payload");
    expect(readFile(bytes, 5 * 1024 * 1024).blocks).toHaveLength(5);
  });
});

describe("a codec", () => {
  it("is known by the specification's name", () => {
    expect(CODECS.map(parseCodec)).toEqual(["null", "deflate", "zstandard"]);
    expect(CODECS.every(codecIsAvailable)).toBe(true);
    for (const name of ["snappy", "Deflate", "", "zstd"]) {
      expect(faultOf(() => parseCodec(name))).toBe("unknown-codec");
    }
  });
});

describe("a marker of another length", () => {
  it("is never written", () => {
    const block = { recordCount: 1, records: new Uint8Array(1) };
    expect(faultOf(() => encodeBlock(block, "null", new Uint8Array(15)))).toBe("bad-header");
  });
});
