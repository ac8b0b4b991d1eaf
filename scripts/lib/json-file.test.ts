import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { writeJson } from "./json-file.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "strata-json-"));
});
afterEach(() => rm(directory, { recursive: true }));

describe("a JSON file", () => {
  it("is whole, and alone in its folder, after many writers at once", async () => {
    const file = path.join(directory, "new", "folder", "a.json");
    await Promise.all(Array.from({ length: 20 }, (_, writer) => writeJson(file, { writer })));
    expect(JSON.parse(await readFile(file, "utf8"))).toHaveProperty("writer");
    expect(await readdir(path.dirname(file))).toEqual(["a.json"]);
  });

  it("is its owner's only when that is asked for", async () => {
    const file = path.join(directory, "a.json");
    await writeJson(file, {}, 0o600);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });
});
