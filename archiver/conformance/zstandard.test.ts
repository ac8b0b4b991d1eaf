/** zstandard in runtimes where it does not work. Each test loads the module into a runtime of its own. */
import type * as zlib from "node:zlib";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

type Zlib = typeof zlib;

const SYNC = new Uint8Array(16);
const BLOCK = { recordCount: 1, records: new Uint8Array(10) };

beforeEach(() => vi.resetModules());
afterEach(() => vi.doUnmock("node:zlib"));

/** The module in a runtime whose zlib differs. */
async function inRuntime(change: (zlib: Zlib) => object) {
  const real = await vi.importActual<Zlib>("node:zlib");
  vi.doMock("node:zlib", () => ({ ...real, ...change(real) }));
  return import("../src/ocf/index.ts");
}

const RUNTIMES: readonly [string, (zlib: Zlib) => object][] = [
  ["does not have it", () => ({ zstdCompressSync: undefined, zstdDecompressSync: undefined })],
  [
    "fails on an output of more than 64 KB",
    (zlib) => ({
      zstdDecompressSync: (data: Uint8Array) => {
        const back = zlib.zstdDecompressSync(data);
        if (back.length > 64 * 1024) throw new Error("Unexpected end of file");
        return back;
      },
    }),
  ],
  [
    "cuts a large output short",
    (zlib) => ({
      zstdDecompressSync: (data: Uint8Array) => zlib.zstdDecompressSync(data).subarray(0, 64 * 1024),
    }),
  ],
];

describe.each(RUNTIMES)("a runtime whose zstandard %s", (_, change) => {
  it("does not read or write it, and says so before anything is lost", async () => {
    const ocf = await inRuntime(change);
    expect(ocf.codecIsAvailable("zstandard")).toBe(false);
    expect(() => ocf.parseCodec("zstandard")).toThrow(expect.objectContaining({ code: "unknown-codec" }));
    expect(() => ocf.encodeBlock(BLOCK, "zstandard", SYNC)).toThrow(
      expect.objectContaining({ code: "unknown-codec" }),
    );
    const block = ocf.encodeBlock(BLOCK, "null", SYNC);
    expect(() => ocf.parseBlock(block, 0, { codec: "zstandard", sync: SYNC })).toThrow(
      expect.objectContaining({ code: "unknown-codec" }),
    );
  });

  it("still reads and writes deflate", async () => {
    const ocf = await inRuntime(change);
    expect(ocf.codecIsAvailable("deflate")).toBe(true);
    const block = ocf.encodeBlock(BLOCK, "deflate", SYNC);
    expect(ocf.parseBlock(block, 0, { codec: "deflate", sync: SYNC })).toMatchObject({ recordCount: 1 });
  });
});

describe("a runtime whose zstandard works", () => {
  it("is asked once only", async () => {
    let asked = 0;
    const ocf = await inRuntime((zlib) => ({
      zstdCompressSync: (data: Uint8Array) => {
        asked += 1;
        return zlib.zstdCompressSync(data);
      },
    }));
    expect(ocf.codecIsAvailable("zstandard")).toBe(true);
    expect(ocf.codecIsAvailable("zstandard")).toBe(true);
    expect(asked).toBe(1);
  });
});
