import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EPOCH } from "../../test/archiver.ts";
import { decodeCursor, deriveKey, encodeCursor } from "./cursor.ts";

const KEY = deriveKey("a secret of the stack", "cursors");
const SCOPE = { datasetId: "LAS", table: "flights", from: EPOCH, to: EPOCH + 86_400_000 };

const position = fc.record({
  time: fc.integer({ min: SCOPE.from, max: SCOPE.to }),
  digest: fc.oneof(fc.constant(""), fc.stringMatching(/^[0-9a-f]{40}$/)),
  copies: fc.nat(),
});

describe("a cursor", () => {
  it("brings back its position in its own query", () => {
    fc.assert(
      fc.property(position, (place) => {
        const cursor = encodeCursor(KEY, SCOPE, place);
        expect(cursor).toMatch(/^[A-Za-z0-9_-]{39,66}$/);
        expect(decodeCursor(KEY, SCOPE, cursor)).toEqual(place);
      }),
    );
  });

  it.each([
    ["dataset", { ...SCOPE, datasetId: "OAK" }],
    ["table", { ...SCOPE, table: "earthquakes" }],
    ["from", { ...SCOPE, from: SCOPE.from - 1 }],
    ["to", { ...SCOPE, to: SCOPE.to + 1 }],
  ])("is none of a query with another %s", (_, scope) => {
    fc.assert(
      fc.property(position, (place) => {
        expect(decodeCursor(KEY, scope, encodeCursor(KEY, SCOPE, place))).toBeNull();
      }),
    );
  });

  it("is none when it was signed with another secret or for another purpose", () => {
    const cursor = encodeCursor(KEY, SCOPE, { time: EPOCH, digest: "", copies: 0 });
    expect(decodeCursor(deriveKey("another secret", "cursors"), SCOPE, cursor)).toBeNull();
    expect(decodeCursor(deriveKey("a secret of the stack", "tags"), SCOPE, cursor)).toBeNull();
  });

  it("is none when any bit of it is changed", () => {
    fc.assert(
      fc.property(position, (place) => {
        const bytes = Buffer.from(encodeCursor(KEY, SCOPE, place), "base64url");
        for (let bit = 0; bit < 8 * bytes.length; bit += 1) {
          const changed = Buffer.from(bytes);
          changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
          expect(decodeCursor(KEY, SCOPE, changed.toString("base64url"))).toBeNull();
        }
      }),
      { numRuns: 20 },
    );
  });

  it("is none when it is cut, longer, or written in another way", () => {
    fc.assert(
      fc.property(position, fc.string({ minLength: 1 }), (place, more) => {
        const cursor = encodeCursor(KEY, SCOPE, place);
        for (const text of [cursor.slice(0, -1), cursor + more, more + cursor, ` ${cursor}`, `${cursor}=`]) {
          expect(decodeCursor(KEY, SCOPE, text)).toBeNull();
        }
      }),
    );
  });

  it("is none when it is any other text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String(), fc.constant("A".repeat(1_000_000))), (text) => {
        expect(decodeCursor(KEY, SCOPE, text)).toBeNull();
      }),
    );
  });

  it("of the first version, which nobody signed, is none", () => {
    const old = JSON.stringify([1, "0123456789abcdef", EPOCH, "", 0]);
    expect(decodeCursor(KEY, SCOPE, Buffer.from(old).toString("base64url"))).toBeNull();
  });

  it("is bound to its query also where a stack has no secret", () => {
    const key = deriveKey(undefined, "cursors");
    const place = { time: EPOCH, digest: "", copies: 0 };
    const cursor = encodeCursor(key, SCOPE, place);
    expect(decodeCursor(key, SCOPE, cursor)).toEqual(place);
    expect(decodeCursor(key, { ...SCOPE, datasetId: "OAK" }, cursor)).toBeNull();
  });
});
