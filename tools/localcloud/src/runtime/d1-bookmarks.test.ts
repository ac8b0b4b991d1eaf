import { describe, expect, it } from "vitest";
import { formatBookmark, lastBefore, nextBookmark, parseBookmark, tooMany } from "./d1-bookmarks.ts";

const A = "a".repeat(32);
const B = "b".repeat(32);
const NOW = Date.UTC(2026, 10, 22);

describe("a bookmark", () => {
  it("has D1's form, and reads back as it was", () => {
    const bookmark = { at: NOW, sequence: 3, digest: A };
    expect(formatBookmark(bookmark)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{8}-00000003-a{32}$/);
    expect(parseBookmark(formatBookmark(bookmark))).toEqual(bookmark);
  });

  it("is nothing else", () => {
    for (const text of ["", "../x", formatBookmark({ at: NOW, sequence: 0, digest: A }).toUpperCase()]) {
      expect(parseBookmark(text)).toBeNull();
    }
  });

  it("sorts after the one before, also within a millisecond and when the clock goes back", () => {
    let last = nextBookmark(undefined, NOW, A);
    for (const now of [NOW, NOW - 5000, NOW + 1, NOW]) {
      const next = nextBookmark(last, now, B);
      expect(formatBookmark(next) > formatBookmark(last)).toBe(true);
      last = next;
    }
  });
});

describe("the bookmark for a moment", () => {
  const bookmarks = [10, 20, 30].map((at) => ({ at, sequence: 0, digest: A }));
  it("is the last one made until then", () => {
    expect([9, 10, 29, 99].map((at) => lastBefore(bookmarks, at)?.at)).toEqual([undefined, 10, 20, 30]);
  });
});

describe("copies", () => {
  const copies = [1, 2, 3, 4].map((day) => ({
    bookmark: { at: NOW + day, sequence: 0, digest: A },
    size: 100,
  }));
  const dropped = (kept: { count?: number; bytes?: number; ageMs?: number }, now = NOW + 4) =>
    tooMany(copies, now, { count: 10, bytes: 1000, ageMs: 1000, ...kept }).map(
      ({ bookmark }) => bookmark.at - NOW,
    );

  it("are dropped from the oldest on, by number, bytes and age", () => {
    expect(dropped({})).toEqual([]);
    expect(dropped({ count: 2 })).toEqual([2, 1]);
    expect(dropped({ bytes: 350 })).toEqual([1]);
    expect(dropped({ ageMs: 1 })).toEqual([2, 1]);
  });

  it("keep the newest, whatever it is", () => {
    expect(dropped({ count: 0, bytes: 0, ageMs: 0 }, NOW + 99)).toEqual([3, 2, 1]);
  });
});
