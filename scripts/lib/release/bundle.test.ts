import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buildBundle, releaseTag } from "./bundle.ts";
import { temporaryDirectory } from "../test/temporary.ts";
import type { Wrangler } from "../wrangler.ts";

const files = fc.uniqueArray(
  fc.record({ name: fc.string({ minLength: 1 }), contents: fc.uint8Array({ maxLength: 50 }) }),
  { selector: ({ name }) => name, minLength: 1, maxLength: 6 },
);

describe("the tag of a release", () => {
  it("has the form r- and 12 hex digits", () => {
    expect(releaseTag([{ name: "index.js", contents: Buffer.from("x") }])).toMatch(/^r-[0-9a-f]{12}$/);
  });

  it("does not depend on the order of the files", () => {
    fc.assert(
      fc.property(files, (bundle) => {
        expect(releaseTag(bundle.toReversed())).toBe(releaseTag(bundle));
      }),
    );
  });

  it("changes with any byte, any name, and where one file ends", () => {
    const tag = (entries: Record<string, string>): string =>
      releaseTag(Object.entries(entries).map(([name, text]) => ({ name, contents: Buffer.from(text) })));
    const tags = [
      tag({ "a.js": "12", "b.js": "3" }),
      tag({ "a.js": "1", "b.js": "23" }),
      tag({ "a.js": "12", "c.js": "3" }),
      tag({ "a.js": "12", "b.js": "4" }),
      tag({ "a.jsb.js": "123" }),
    ];
    expect(new Set(tags).size).toBe(tags.length);
  });
});

/** A wrangler whose build writes these files. */
function builder(written: Readonly<Record<string, string>>): Wrangler {
  const unused = () => Promise.reject(new Error("only builds"));
  return {
    build: async (_config, _main, outdir) => {
      await mkdir(outdir, { recursive: true });
      for (const [name, text] of Object.entries(written)) await writeFile(path.join(outdir, name), text);
    },
    uploadVersion: unused,
    deploy: unused,
    deployVersion: unused,
    deployTriggers: unused,
    applyMigrations: unused,
  };
}

describe("a build", () => {
  const build = async (directory: string, written: Readonly<Record<string, string>>) =>
    buildBundle({
      root: "/",
      directory,
      wrangler: builder(written),
      config: "hub.json",
      main: "src/index.ts",
    });
  const map = (sourceRoot: string): string => JSON.stringify({ version: 3, sourceRoot, sources: ["a.ts"] });

  it("is kept under its tag, without the path of this machine and the time of the build", async () => {
    const directory = await temporaryDirectory();
    const { tag, entry } = await build(directory, {
      "index.js": "export default {}",
      "index.js.map": map("/home/someone/strata"),
      "README.md": "built at 12:00",
    });
    expect(entry).toBe(path.join(directory, tag, "index.js"));
    expect((await readdir(path.join(directory, tag))).toSorted()).toEqual(["index.js", "index.js.map"]);
    expect(await readFile(`${entry}.map`, "utf8")).not.toContain("someone");
  });

  it("of the same code has the same tag and leaves nothing else behind", async () => {
    const directory = await temporaryDirectory();
    const first = await build(directory, { "index.js": "export default {}", "index.js.map": map("/a") });
    const second = await build(directory, { "index.js": "export default {}", "index.js.map": map("/b") });
    expect(second).toEqual(first);
    expect(await readdir(directory)).toEqual([first.tag]);
  });

  it("that left no entry module is an error that names it", async () => {
    const directory = await temporaryDirectory();
    await expect(build(directory, { "other.js": "" })).rejects.toThrow("left no index.js");
    expect(await readdir(directory)).toEqual([]);
  });
});
