import { describe, expect, it } from "vitest";
import { scoreOf, type SeenCall, takeMarks } from "./kv-truth.ts";

const call = (line: number, operation: string, ttl: boolean | null = null): SeenCall => ({
  file: "src/store.ts",
  line,
  operation,
  ttl,
});

describe("the truth of a text", () => {
  it("is what its marks say, and the text loses them", () => {
    const marked = "kv\n  ./*kv:put:no*/put(a, b);\nf(kv./*kv:get*/get(a), kv./*kv:get*/get(b));";
    expect(takeMarks("src/store.ts", marked)).toEqual({
      text: "kv\n  .put(a, b);\nf(kv.get(a), kv.get(b));",
      calls: [call(2, "put", false), call(3, "get"), call(3, "get")],
    });
  });
});

describe("a score", () => {
  const truth = [call(1, "get"), call(2, "put", false), call(3, "put", true), call(4, "get"), call(4, "get")];

  it("of one who saw all is full", () => {
    expect(scoreOf(truth, truth)).toEqual({
      found: 5,
      hits: 5,
      falseCalls: 0,
      falsePuts: 0,
      bareHits: 1,
      falseBare: 0,
    });
  });

  it("counts what is not there, and what was said of it", () => {
    const seen = [
      call(2, "put", true),
      call(3, "put", false),
      call(9, "put", false),
      call(9, "get"),
      call(4, "get"),
    ];
    expect(scoreOf(truth, seen)).toEqual({
      found: 5,
      hits: 3,
      falseCalls: 2,
      falsePuts: 1,
      bareHits: 0,
      falseBare: 2,
    });
  });

  it("counts a call once, however often it is told", () => {
    expect(scoreOf(truth, [call(1, "get"), call(1, "get")])).toMatchObject({ hits: 1, falseCalls: 1 });
  });
});
