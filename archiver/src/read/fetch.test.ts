import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { coalesce } from "../cold/index.ts";
import { fetchRanges, nextWave, type TimeRange } from "./fetch.ts";
import type { StoredBlock } from "./store.ts";

const KIB = 1024;
const RANGE = { from: 0, to: 1_000_000 };
const waveOf = (
  list: readonly StoredBlock[],
  bytes: number,
  { range = RANGE, ranges = 100 }: { readonly range?: TimeRange; readonly ranges?: number } = {},
): readonly StoredBlock[] => nextWave(list, range, { bytes, ranges, fullBlockBytes: 64 * KIB });

const block = (filePath: string, index: number, length = 16 * KIB): StoredBlock => ({
  filePath,
  start: 100 + index * length,
  length,
  codec: "deflate",
  sync: "",
  fingerprint: "",
  crc32: 0,
  recordCount: 100,
  minTime: index * 1_000,
  maxTime: index * 1_000 + 999,
  state: "live",
});

const blocks = (filePath: string, count: number, length?: number): readonly StoredBlock[] =>
  Array.from({ length: count }, (_, index) => block(filePath, index, length));

describe("a wave", () => {
  it("is as many blocks as their bytes ask for, and one more", () => {
    expect(waveOf(blocks("a", 100), 640 * KIB)).toHaveLength(11);
  });

  it("is everything when there is not more", () => {
    expect(waveOf(blocks("a", 9), 640 * KIB)).toHaveLength(9);
  });

  it("counts of a block what lies in the range", () => {
    const range = { ...RANGE, from: 500 };
    expect(waveOf(blocks("a", 100), 9.5 * 64 * KIB, { range })).toHaveLength(11);
    expect(waveOf(blocks("a", 100), 9.6 * 64 * KIB, { range })).toHaveLength(12);
  });

  it("takes no more range requests than it may, and one block at least", () => {
    const scattered = Array.from({ length: 50 }, (_, index) => block(`file-${index}`, index));
    for (const ranges of [1, 7, 49]) {
      expect(coalesce(waveOf(scattered, 1e9, { ranges })).length).toBe(ranges);
    }
    expect(waveOf(scattered, 0, { ranges: 1 })).toHaveLength(1);
  });

  it("is a beginning of the list, whatever the blocks are", () => {
    const list = fc.array(fc.tuple(fc.constantFrom("a", "b"), fc.integer({ min: 1, max: 90 * KIB })), {
      minLength: 1,
    });
    fc.assert(
      fc.property(list, fc.nat(2_000 * KIB), fc.integer({ min: 1, max: 5 }), (parts, bytes, ranges) => {
        const all = parts.map(([filePath, length], index) => block(filePath, index, length));
        const wave = waveOf(all, bytes, { ranges });
        expect(wave.length).toBeGreaterThan(0);
        expect(wave).toEqual(all.slice(0, wave.length));
        expect(coalesce(wave).length).toBeLessThanOrEqual(ranges);
      }),
    );
  });
});

describe("fetching", () => {
  interface Request {
    readonly filePath: string;
    readonly answer: (bytes: number | null) => void;
  }

  /** A bucket whose requests wait until the test answers them. */
  function waitingBucket(): { readonly bucket: R2Bucket; readonly requests: Request[] } {
    const requests: Request[] = [];
    const bucket = {
      get: (filePath: string) =>
        new Promise((resolve) => {
          const answer = (bytes: number | null): void =>
            resolve(bytes === null ? null : { arrayBuffer: async () => new ArrayBuffer(bytes) });
          requests.push({ filePath, answer });
        }),
    };
    return { bucket: bucket as unknown as R2Bucket, requests };
  }

  const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));
  const scattered = Array.from({ length: 8 }, (_, index) => block(`file-${index}`, index, 10));

  it("keeps six requests open, and a new one goes out when the oldest is in", async () => {
    const { bucket, requests } = waitingBucket();
    const ranges = fetchRanges(bucket, scattered);
    const first = ranges.next();
    await settled();
    expect(requests).toHaveLength(6);
    requests[3]?.answer(10);
    await settled();
    expect(requests).toHaveLength(6);
    requests[0]?.answer(10);
    expect((await first).value).toMatchObject({ range: { filePath: "file-0" }, bytes: { length: 10 } });
    const second = ranges.next();
    await settled();
    expect(requests).toHaveLength(7);
    requests[1]?.answer(null);
    expect((await second).value).toMatchObject({ range: { filePath: "file-1" }, bytes: null });
    for (const { answer } of requests) answer(10);
    await ranges.return(undefined);
  });

  it("is an error of its own range when an object is too short, and waits for the others", async () => {
    const { bucket, requests } = waitingBucket();
    const ranges = fetchRanges(bucket, scattered.slice(0, 3));
    const first = ranges.next();
    await settled();
    requests[0]?.answer(10);
    await first;
    const second = ranges.next();
    requests[1]?.answer(9);
    requests[2]?.answer(8);
    await expect(second).rejects.toMatchObject({ code: "block-damaged" });
  });
});
