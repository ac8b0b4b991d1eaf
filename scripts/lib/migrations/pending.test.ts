import { describe, expect, it } from "vitest";
import { pendingOf } from "./pending.ts";

describe("pending migrations", () => {
  it("are the files that are not applied, in the order of their numbers", () => {
    const files = ["0010_c.sql", "0002_b.sql", "0001_a.sql", "README.md", "meta"];
    expect(pendingOf(files, ["0001_a.sql"])).toEqual(["0002_b.sql", "0010_c.sql"]);
  });
});
