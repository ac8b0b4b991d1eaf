import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_LISTED_FAULTS } from "../http/index.ts";
import { MAX_RECORD_DEPTH, MAX_RECORDS_PER_REQUEST } from "./bounds.ts";
import { MAX_LINE_BYTES, readNdjson } from "./ndjson.ts";

const encoder = new TextEncoder();

function streamOf(...chunks: readonly (string | Uint8Array<ArrayBuffer>)[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) {
        controller.enqueue(typeof chunk === "string" ? encoder.encode(chunk) : chunk);
      }
      controller.close();
    },
  });
}

const read = (...chunks: readonly (string | Uint8Array<ArrayBuffer>)[]) => readNdjson(streamOf(...chunks));

describe("readNdjson", () => {
  it("reads any records, wherever the stream is cut, with either line end and any blank lines", async () => {
    const blank = fc.constantFrom("", "\n", "\r\n", " \t\r\n", "\n\n");
    const line = fc.tuple(blank, fc.jsonValue({ maxDepth: 3 }), fc.constantFrom("\n", "\r\n"));
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1 }), sizes, fc.boolean(), async (lines, cuts, open) => {
        const text = lines.map(([before, value, end]) => `${before}${JSON.stringify(value)}${end}`).join("");
        const bytes = encoder.encode(open ? text.replace(/\r?\n$/, "") : text);
        const chunks: Uint8Array<ArrayBuffer>[] = [];
        for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
          const size = cuts[turn % cuts.length] ?? 1;
          chunks.push(bytes.slice(at, at + size));
          at += size;
        }
        const expected = lines.map(([, value]) => JSON.parse(JSON.stringify(value)) as unknown);
        expect(await read(...chunks)).toEqual({ records: expected, faults: [], faultCount: 0 });
      }),
    );
  });

  it("names each line that is no JSON by its place among the records and by its number", async () => {
    const { faults, faultCount } = await read('{"a":1}\n\n{"a":}\n{"a":2}\r\n{"a":1}{"a":2}\n');
    expect(faultCount).toBe(2);
    expect(faults.map(({ path }) => path)).toEqual(["/records/1", "/records/3"]);
    expect(faults[0]?.message).toMatch(/^line 3 is not JSON: ./);
    expect(faults[1]?.message).toMatch(/^line 5 is not JSON: ./);
  });

  it.each([
    ['{"a":1}{"a":2}', "Unexpected non-whitespace character after JSON at column 8"],
    ['{"a":1,}', "Expected double-quoted property name at column 8"],
    ['{"a":}', `Unexpected token '}' in "{"a":}"`],
    ['["', "Unterminated string at column 3"],
  ])("says the place in the line once, and once that it is no JSON: %s", async (line, fault) => {
    expect((await read(line)).faults).toEqual([
      { path: "/records/0", message: `line 1 is not JSON: ${fault}` },
    ]);
  });

  it("refuses a line that is not UTF-8 and goes on with the next", async () => {
    const upload = await read('{"a":"', Uint8Array.of(0xc3, 0x28), '"}\n{"b":}\n');
    expect(upload.faults).toEqual([
      { path: "/records/0", message: "line 1 is not UTF-8" },
      { path: "/records/1", message: expect.stringMatching(/^line 2 is not JSON/) as string },
    ]);
  });

  it("ignores a byte order mark at the start, and only there", async () => {
    const mark = Uint8Array.of(0xef, 0xbb, 0xbf);
    expect((await read(mark, "1\n2\n")).records).toEqual([1, 2]);
    expect((await read(mark, "\n1\n")).records).toEqual([1]);
    expect((await read("1\n", mark, "2\n")).faults.map(({ path }) => path)).toEqual(["/records/1"]);
  });

  it("takes a line of the longest length, and names one that is longer without keeping it", async () => {
    const line = (bytes: number) => `"${"x".repeat(bytes - 2)}"\n`;
    expect((await read(line(MAX_LINE_BYTES))).faultCount).toBe(0);
    const upload = await read("1\n", line(MAX_LINE_BYTES + 1), "2\n", "x".repeat(MAX_LINE_BYTES + 1));
    expect(upload.faults).toEqual([
      { path: "/records/1", message: `line 2 has more than ${MAX_LINE_BYTES} bytes` },
      { path: "/records/3", message: `line 4 has more than ${MAX_LINE_BYTES} bytes` },
    ]);
    expect(upload.records).toEqual([1, 2]);
  });

  it("names a record that nests too deep", async () => {
    const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}\n`;
    const { faults } = await read(nested(MAX_RECORD_DEPTH), nested(MAX_RECORD_DEPTH + 1));
    expect(faults).toEqual([
      { path: "/records/1", message: `must nest at most ${MAX_RECORD_DEPTH} levels deep` },
    ]);
  });

  it.each([[[]], [[""]], [["\n\r\n \t\n"]], [[Uint8Array.of(0xef, 0xbb, 0xbf)]]])(
    "refuses a body without a record: %j",
    async (chunks) => {
      expect((await read(...chunks)).faults).toEqual([
        { path: "/records", message: "must hold at least one record" },
      ]);
    },
  );

  it("refuses no body as one without a record", async () => {
    expect((await readNdjson(null)).faultCount).toBe(1);
  });

  it("takes as many records as it says", async () => {
    const { records, faultCount } = await read("1\n".repeat(MAX_RECORDS_PER_REQUEST));
    expect([records.length, faultCount]).toEqual([MAX_RECORDS_PER_REQUEST, 0]);
  });

  it("stops reading at the first record too many", async () => {
    let pulled = 0;
    let cancelled = false;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled += 1;
        controller.enqueue(encoder.encode("1\n".repeat(1_000)));
      },
      cancel() {
        cancelled = true;
      },
    });
    const { faults, faultCount } = await readNdjson(endless);
    expect(faults).toEqual([
      { path: "/records", message: `must hold at most ${MAX_RECORDS_PER_REQUEST} records` },
    ]);
    expect([faultCount, cancelled, pulled <= 13]).toEqual([1, true, true]);
  });

  it("lists the first faults and counts them all", async () => {
    const { faults, faultCount } = await read("{\n".repeat(250));
    expect([faults.length, faultCount]).toEqual([MAX_LISTED_FAULTS, 250]);
  });

  it("fails when the body breaks off, and takes nothing for its end", async () => {
    const broken = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(encoder.encode("1\n2\n"));
      },
      pull(controller) {
        controller.error(new Error("gone"));
      },
    });
    await expect(readNdjson(broken)).rejects.toThrow("gone");
  });
});
