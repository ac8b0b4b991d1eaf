import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseOverrides, pickVersion, type PickHints, type Share } from "./picker.ts";

const NO_HINTS: PickHints = { key: null, overrides: null };

function split(newest: number): readonly Share[] {
  return [
    { versionId: "new", percentage: newest },
    { versionId: "old", percentage: 100 - newest },
  ];
}

function byKey(key: string, shares: readonly Share[]): string | undefined {
  return pickVersion("hub", shares, { key, overrides: null }, () => 0);
}

describe("picking a version", () => {
  it("picks nothing when there is no version", () => {
    expect(pickVersion("hub", [], NO_HINTS, () => 0)).toBeUndefined();
  });

  it("follows the random number when nothing else steers", () => {
    expect(pickVersion("hub", split(10), NO_HINTS, () => 0.0999)).toBe("new");
    expect(pickVersion("hub", split(10), NO_HINTS, () => 0.1)).toBe("old");
  });

  it("never picks a version with no share", () => {
    fc.assert(
      fc.property(fc.string(), (key) => {
        expect(byKey(key, split(0))).toBe("old");
        expect(byKey(key, split(100))).toBe("new");
      }),
    );
  });

  it("keeps a key on the growing version while it grows", () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.integer({ min: 0, max: 100 }),
        fc.integer({ min: 0, max: 100 }),
        (key, from, more) => {
          const to = Math.min(100, from + more);
          const stayed = byKey(key, split(from)) === "old" || byKey(key, split(to)) === "new";
          expect(stayed).toBe(true);
        },
      ),
    );
  });

  it("spreads keys by the percentages", () => {
    const keys = Array.from({ length: 20_000 }, (_, i) => `user-${i}`);
    const picked = keys.filter((key) => byKey(key, split(10)) === "new");
    expect(picked.length / keys.length).toBeCloseTo(0.1, 2);
  });

  it("obeys an override to a version of the deployment, before any key", () => {
    const hints = { key: "user-1", overrides: `hub="old", other="x"` };
    expect(pickVersion("hub", split(100), hints, () => 0)).toBe("old");
  });

  it("ignores an override to another version, of another script, or that is malformed", () => {
    for (const overrides of [`hub="gone"`, `canary="old"`, `hub=old`, `hub="old`, `=`, ""]) {
      expect(pickVersion("hub", split(100), { key: null, overrides }, () => 0)).toBe("new");
    }
  });
});

describe("reading the overrides header", () => {
  it("reads names and versions, ignores parameters, and takes the last of two equal names", () => {
    const header = `a="1", b="2";x=1 , a="3"`;
    expect([...parseOverrides(header)]).toEqual([
      ["a", "3"],
      ["b", "2"],
    ]);
  });

  it("unescapes strings that contain commas and quotes", () => {
    expect(parseOverrides(`a="x, \\"y\\" \\\\"`).get("a")).toBe(`x, "y" \\`);
  });

  it("reads every dictionary of strings back", () => {
    const key = fc.stringMatching(/^[a-z*][a-z0-9_\-.*]*$/);
    const value = fc.string({
      unit: fc.integer({ min: 0x20, max: 0x7e }).map((c) => String.fromCharCode(c)),
    });
    fc.assert(
      fc.property(
        fc.dictionary(key, value, { maxKeys: 4, minKeys: 1, noNullPrototype: true }),
        (dictionary) => {
          const header = Object.entries(dictionary)
            .map(([name, text]) => `${name}="${text.replace(/["\\]/g, "\\$&")}"`)
            .join(", ");
          expect(Object.fromEntries(parseOverrides(header))).toEqual(dictionary);
        },
      ),
    );
  });
});
