import { describe, expect, it } from "vitest";
import { age } from "./status-text.ts";

describe("an age", () => {
  it("is told in the largest unit that fits", () => {
    const now = Date.parse("2026-11-22T12:00:00Z");
    const ages = [
      "2026-11-22T11:59:30Z",
      "2026-11-22T11:58:00Z",
      "2026-11-22T09:00:00Z",
      "2026-11-19T12:00:00Z",
    ];
    expect(ages.map((at) => age(at, now))).toEqual(["30 s ago", "2 min ago", "3 h ago", "3 d ago"]);
  });
});
