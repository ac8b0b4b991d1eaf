import { describe, expect, it } from "vitest";
import { migrate } from "./durable-objects.ts";

const NOTHING = { tag: null, classes: [] };
const A = { className: "A", sqlite: true };

describe("Durable Object migrations", () => {
  it("run through their steps in order", () => {
    const migrations = {
      new_tag: "v3",
      steps: [
        { new_sqlite_classes: ["A"], new_classes: ["B"] },
        { renamed_classes: [{ from: "A", to: "C" }] },
        { deleted_classes: ["B"] },
      ],
    };
    expect(migrate(NOTHING, migrations)).toEqual({ tag: "v3", classes: [{ className: "C", sqlite: true }] });
  });

  it("may be a single step in place", () => {
    expect(migrate(NOTHING, { new_tag: "v1", new_sqlite_classes: ["A"] })).toEqual({
      tag: "v1",
      classes: [A],
    });
  });

  it("refuse another starting tag", () => {
    expect(() => migrate({ tag: "v1", classes: [A] }, { old_tag: "v0", new_tag: "v2" })).toThrow(
      /'v0' but got 'v1'/,
    );
  });

  it("refuse to make a class twice, or to drop or rename one that is not there", () => {
    const at = { tag: null, classes: [A] };
    expect(() => migrate(at, { new_sqlite_classes: ["A"] })).toThrow(/already depended on/);
    expect(() => migrate(at, { deleted_classes: ["B"] })).toThrow(/no Durable Objects/);
    expect(() => migrate(at, { renamed_classes: [{ from: "B", to: "C" }] })).toThrow(/no Durable Objects/);
  });

  it("refuse to take classes over from another script", () => {
    expect(() => migrate(NOTHING, { transferred_classes: [{}] })).toThrow(/transferred_classes/);
  });
});
