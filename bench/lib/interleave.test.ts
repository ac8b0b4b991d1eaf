import { describe, expect, it } from "vitest";
import { speedup, type Timing } from "./interleave.ts";
import { bytes, change, median } from "./numbers.ts";

const timing = (samples: readonly number[]): Timing => ({ name: "", samples, median: median(samples) });

describe("a comparison", () => {
  it("is made within each round, so that a slow round counts against neither", () => {
    expect(speedup(timing([10, 100, 10]), timing([20, 200, 20]))).toBe(2);
  });

  it("takes the round in the middle", () => {
    expect(speedup(timing([10, 10, 10]), timing([11, 90, 12]))).toBe(1.2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });
});

describe("numbers", () => {
  it("show a change with its sign", () => {
    expect(change(287, 1_000)).toBe("−71.3 %");
    expect(change(1_020, 1_000)).toBe("+2.0 %");
  });

  it("show bytes in a unit that fits", () => {
    expect([bytes(512), bytes(65_536), bytes(5_452_596)]).toEqual(["512 B", "64.0 KiB", "5.2 MiB"]);
  });
});
