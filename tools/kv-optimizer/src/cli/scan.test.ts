import { readdirSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FORMATS } from "../report/index.ts";
import { LAST_SYNC, TestRepository } from "./test-repository.ts";

let repository: TestRepository;
beforeEach(() => {
  repository = new TestRepository();
  repository.write("src/sync.ts", LAST_SYNC);
});
afterEach(() => repository[Symbol.dispose]());

describe("scan", () => {
  it("finds the calls of a repository", async () => {
    const { code, stdout } = await repository.run("scan --root .");
    expect(code).toBe(0);
    expect(stdout).toContain("3 KV calls in 2 files");
    expect(stdout).toMatch(/1 {2}src\/sync\.ts:2 {2}put CACHE "sync:last", no TTL/);
  });

  it.each(FORMATS)(
    "prints the same %s from wherever it is run, but for where paths start",
    async (format) => {
      const inside = await repository.run(`scan --format ${format}`);
      const outside = await repository.run(`scan --format ${format} --root ..`, { folder: "src" });
      expect(outside.stdout).toBe(inside.stdout);
      expect(inside.stdout).not.toContain(repository.root);
    },
  );

  it("shows paths of a part of the repository so that they can be opened from here", async () => {
    const { stdout } = await repository.run("scan --root src");
    expect(stdout).toContain("src/sync.ts:2");
  });

  it("writes JSON beside what it prints, and prints nothing with --out", async () => {
    const { stdout } = await repository.run("scan --json out/kv.json --format markdown --out out/kv.md");
    expect(stdout).toBe("");
    expect(JSON.parse(repository.read("out/kv.json"))).toMatchObject({
      version: 1,
      totals: { calls: 3, puts: 2 },
    });
    expect(repository.read("out/kv.md")).toMatch(/^## KV use/);
    expect(readdirSync(path.join(repository.root, "out"))).toEqual(["kv.json", "kv.md"]);
  });

  it("takes over what is assumed", async () => {
    const { stdout } = await repository.run("scan --format json --requests-per-day 7 --loop-count 3");
    expect(JSON.parse(stdout)).toMatchObject({ assumptions: { requestsPerDay: 7, loopCount: 3 } });
  });

  it("leaves out what --exclude names, and takes in tests on demand", async () => {
    repository.write("src/sync.test.ts", LAST_SYNC);
    const calls = async (flags: string): Promise<string> =>
      (await repository.run(`scan${flags}`)).stdout.split(" in ")[0] ?? "";
    expect(await calls("")).toBe("3 KV calls");
    expect(await calls(" --include-tests")).toBe("4 KV calls");
    expect(await calls(" --exclude src/sync.ts")).toBe("2 KV calls");
  });

  it("adds a summary of the job to what GitHub shows at the lines", async () => {
    repository.write("summary.md", "before\n");
    const env = { GITHUB_STEP_SUMMARY: path.join(repository.root, "summary.md") };
    const { stdout } = await repository.run("scan --format github", { env });
    expect(stdout).toMatch(/^::(error|warning) file=src\/sync\.ts,line=2,/);
    expect(repository.read("summary.md")).toMatch(/^before\n## KV use/);
  });

  it.each([
    ["a root that is no folder", "scan --root wrangler.toml", "--root wrangler.toml: "],
    ["a root that is not there", "scan --root nowhere", "--root nowhere: "],
    ["a flag without its value", "scan --json --all", "--json needs a value"],
    ["a command that nobody knows", "scna", "unknown command"],
    ["an output that cannot be written", "scan --out src", "Cannot write"],
  ])("ends with 1 for %s", async (_, line, message) => {
    const { code, stderr } = await repository.run(line);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
  });

  it("helps", async () => {
    expect(await repository.run("scan --help")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("--requests-per-day"),
    });
    expect((await repository.run("--version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe("explain", () => {
  const idOfPut = async (): Promise<string> => {
    const { stdout } = await repository.run("scan");
    return /TTL[^]*?([0-9a-f]{16}) {2}src\/sync\.ts:2/.exec(stdout)?.[1] ?? "";
  };

  it("tells everything about the finding that an id begins", async () => {
    const id = await idOfPut();
    const { code, stdout } = await repository.run(`explain ${id.slice(0, 6)}`);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^${id}  put CACHE "sync:last"\\nsrc/sync\\.ts:2:`));
  });

  it("names the nearest for an id that nothing has", async () => {
    const id = await idOfPut();
    const wrong = `${id.slice(0, -1)}${id.endsWith("0") ? "1" : "0"}`;
    const { code, stderr } = await repository.run(`explain ${wrong}`);
    expect(code).toBe(1);
    expect(stderr).toContain(`The nearest is ${id}  src/sync.ts:2`);
  });

  it("lists the findings that a beginning fits", async () => {
    const copies = Array.from({ length: 20 }, (_, index) =>
      LAST_SYNC.replace("keepLastSync", `keep${index}`),
    );
    repository.write("src/sync.ts", copies.join(""));
    const report: unknown = JSON.parse((await repository.run("scan --format json")).stdout);
    const ids = JSON.stringify(report).match(/(?<="id":")[0-9a-f]{16}/g) ?? [];
    const digit = ids.map((id) => id[0] ?? "").find((first, index, all) => all.indexOf(first) !== index);
    const { code, stderr } = await repository.run(`explain ${digit}`);
    expect(code).toBe(1);
    expect(stderr.match(/[0-9a-f]{16} /g)?.length).toBeGreaterThan(1);
  });

  it("needs an id", async () => {
    expect((await repository.run("explain")).code).toBe(1);
  });
});
