import { spawnSync } from "node:child_process";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { parseFile, ParseError } from "./parse.ts";

const TOOL = path.resolve(import.meta.dirname, "../..");
/** Less than the parser wants to share its memory in, enough for everything else. */
const ADDRESS_SPACE_KIB = 6_000_000;

describe("a parsed file", () => {
  it("is read as far as the parser recovers from a fault", () => {
    const file = parseFile("src/a.ts", "export const kv = 1;\nexport function get() {}\n", false);
    expect([...file.exports.keys()]).toEqual(["kv", "get"]);
  });

  it("is a fault of its own when nothing of it can be read", () => {
    expect(() => parseFile("src/a.ts", "const = = {{{", false)).toThrow(ParseError);
  });

  it("is the same where address space is scarce", () => {
    const scan = `"${process.execPath}" bin/kv-optimizer.js scan --format json --root test/corpus/fixtures/direct`;
    const run = (prefix: string) =>
      spawnSync("sh", ["-c", `${prefix}${scan}`], { cwd: TOOL, encoding: "utf8" });
    const scarce = run(`ulimit -v ${ADDRESS_SPACE_KIB}; `);
    expect(scarce.stderr).toBe("");
    expect(scarce.stdout).toBe(run("").stdout);
    expect(scarce.stdout).toContain('"operation"');
  });
});
