import { stripVTControlCharacters } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseBaseline } from "../baseline/baseline-file.ts";
import { INDEX, LAST_SYNC, TestRepository } from "./test-repository.ts";

const CHECK = "check --baseline kv.ndjson";
const RULES = "--fail-on new-put-no-ttl,new-list,control-plane";
const ANY =
  "--allow-total-increase any --allow-puts-increase any --allow-puts-without-ttl-increase any --allow-lists-increase any";

let repository: TestRepository;
beforeEach(async () => {
  repository = new TestRepository();
  await repository.run(`${CHECK} --update-baseline`);
});
afterEach(() => repository[Symbol.dispose]());

describe("check", () => {
  it("passes what has not changed", async () => {
    expect(await repository.run(`${CHECK} ${RULES}`)).toMatchObject({ code: 0, stderr: "" });
  });

  it("passes files that were moved, reformatted and commented", async () => {
    repository.remove("src/index.ts");
    repository.write("src/worker/main.ts", INDEX.replaceAll("\n", "\n  // note\n").replaceAll('"', "'"));
    repository.write(
      "wrangler.toml",
      repository.read("wrangler.toml").replace("src/index", "src/worker/main"),
    );
    expect((await repository.run(`${CHECK} ${RULES}`)).stdout).toContain("✔ no regression");
  });

  it("fails with 2 when a figure grows by more than its allowance", async () => {
    repository.write("src/sync.ts", LAST_SYNC);
    const { code, stdout } = await repository.run(CHECK);
    expect(code).toBe(2);
    expect(stdout).toContain("puts without TTL grew from 0 to 1");
    const allowed = `${CHECK} --allow-total-increase 1 --allow-puts-increase 1 --allow-puts-without-ttl-increase 1`;
    expect((await repository.run(allowed)).code).toBe(0);
  });

  it("fails for a new put without TTL although every figure may grow", async () => {
    repository.write("src/sync.ts", LAST_SYNC);
    const { code, stdout } = await repository.run(`${CHECK} ${ANY} ${RULES}`);
    expect(code).toBe(2);
    expect(stdout).toMatch(/✖ src\/sync\.ts:2 {2}put CACHE "sync:last"/);
    expect(stdout).toContain("new-put-no-ttl: ");
  });

  it("fails for a put that has lost its TTL, and calls it no new call", async () => {
    repository.write("src/index.ts", INDEX.replace(", { expirationTtl: 3600 }", ""));
    const { code, stdout } = await repository.run(`${CHECK} ${ANY} --fail-on new-put-no-ttl`);
    expect(code).toBe(2);
    expect(stdout).toContain("calls: 0 new, 1 without their TTL, 0 gone");
  });

  it("fails for stale entries, names them, and --prune takes out these only", async () => {
    repository.write("src/index.ts", INDEX.replace(/ {4}const hit.*\n.*\n/, ""));
    repository.write("src/sync.ts", LAST_SYNC);
    const { code, stdout } = await repository.run(`${CHECK} ${ANY}`);
    expect(code).toBe(2);
    expect(stdout).toMatch(/stale entry [0-9a-f]{16} {2}get CACHE "page:\{id\}"/);
    expect(stdout).toContain("--prune");
    const pruned = await repository.run(`${CHECK} ${ANY} --prune`);
    expect(pruned).toMatchObject({ code: 0, stderr: "kv.ndjson: 1 stale entries taken out, 1 left\n" });
    expect(parseBaseline(repository.read("kv.ndjson")).entries.map(({ operation }) => operation)).toEqual([
      "put",
    ]);
  });

  it("accepts everything with --update-baseline, and says what", async () => {
    repository.write("src/sync.ts", LAST_SYNC);
    expect(await repository.run(`${CHECK} ${RULES} --update-baseline`)).toMatchObject({
      code: 0,
      stderr: "kv.ndjson accepts 3 calls: 1 new, 0 without their TTL, 0 taken out\n",
    });
    expect((await repository.run(`${CHECK} ${RULES}`)).code).toBe(0);
  });

  it("does not count a call that is ignored with a reason", async () => {
    const ignored = LAST_SYNC.replace(
      "  await",
      "  // kv-optimizer:ignore-next moves to D1 in March\n  await",
    );
    repository.write("src/sync.ts", ignored);
    const { code, stdout } = await repository.run(`${CHECK} ${RULES}`);
    expect(code).toBe(0);
    expect(stdout).toContain("moves to D1 in March");
  });

  it.each([
    ["has no reason", LAST_SYNC.replace("  await", "  // kv-optimizer:ignore-next\n  await")],
    ["ignores nothing", "// kv-optimizer:ignore-next it is gone\nexport const a = 1;\n"],
  ])("fails for an ignore comment that %s", async (_, source) => {
    repository.write("src/sync.ts", source);
    const { code, stdout } = await repository.run(`${CHECK} ${ANY}`);
    expect(code).toBe(2);
    expect(stdout).toContain("Comments that do not do what they should");
  });

  it("accepts nothing with a baseline that is a header alone", async () => {
    repository.write("kv.ndjson", '{"kv-optimizer":"baseline","version":1}\n');
    expect((await repository.run(CHECK)).code).toBe(2);
  });
});

describe("a baseline that is a report", () => {
  beforeEach(() => repository.run("scan --json kv.json"));

  it("is taken, as the original tool did", async () => {
    expect((await repository.run("check --baseline kv.json")).code).toBe(0);
    repository.write("src/sync.ts", LAST_SYNC);
    expect((await repository.run("check --baseline kv.json")).code).toBe(2);
  });

  it("stays a report when it is updated, and is not shortened", async () => {
    repository.write("src/index.ts", "export default {};\n");
    expect((await repository.run("check --baseline kv.json --prune")).code).toBe(1);
    expect((await repository.run("check --baseline kv.json")).stdout).toContain("scan … --json FILE");
    expect((await repository.run("check --baseline kv.json --update-baseline")).code).toBe(0);
    expect(parseBaseline(repository.read("kv.json"))).toEqual({ kind: "report", entries: [] });
  });
});

describe("a commit as the baseline", () => {
  beforeEach(() => {
    repository.git("init", "-q", "-b", "main");
    repository.git("add", ".");
    repository.git("commit", "-qm", "start");
  });

  it("is compared with, and what is gone since is no fault", async () => {
    repository.write("src/index.ts", "export default {};\n");
    expect((await repository.run(`check --baseline-commit HEAD ${RULES}`)).code).toBe(0);
    repository.write("src/sync.ts", LAST_SYNC);
    const { code, stdout } = await repository.run(`check --baseline-commit HEAD ${RULES}`);
    expect(code).toBe(2);
    expect(stdout).toContain("Against commit HEAD");
  });

  it("that git does not have is a usage error", async () => {
    const { code, stderr } = await repository.run("check --baseline-commit nowhere");
    expect(code).toBe(1);
    expect(stderr).toContain("--baseline-commit nowhere: ");
  });
});

describe("a check that cannot run", () => {
  it("names the command that makes the missing baseline", async () => {
    const { code, stderr } = await repository.run("check --baseline none.ndjson");
    expect(code).toBe(1);
    expect(stderr).toContain("kv-optimizer check --root . --baseline none.ndjson --update-baseline");
    expect(stderr).toContain(`echo '{"kv-optimizer":"baseline","version":1}' > none.ndjson`);
  });

  it("names every faulty line of its baseline, and changes nothing", async () => {
    repository.write("kv.ndjson", "nonsense\n{}\n");
    const { code, stderr } = await repository.run(CHECK);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /kv\.ndjson, the header line is missing.*\n.*kv\.ndjson, line 1: no JSON\n.*line 2: id/,
    );
    expect(repository.read("kv.ndjson")).toBe("nonsense\n{}\n");
  });

  it("names every faulty flag", async () => {
    const { code, stderr } = await repository.run(
      "check --nonsense 3 --formt xml --format xml --loop-count 0 --allow-puts-increase -1 --fail-on new-list,old --prune --update-baseline stray",
    );
    expect(code).toBe(1);
    // Its mark is red where colours are shown, as they are in CI.
    expect(
      stripVTControlCharacters(stderr)
        .trimEnd()
        .split("\n")
        .map((line) => line.slice(2)),
    ).toEqual([
      "--nonsense is no flag of check",
      "--formt is no flag of check; the nearest is --format",
      "stray is an argument too many",
      "--loop-count must be at least 1",
      "--format must be one of text, json, sarif, github, markdown",
      "--allow-puts-increase must be a whole number from 0 up, or any",
      "--fail-on does not know old; it takes new-put-no-ttl, new-list, control-plane",
      "check needs one of --baseline FILE and --baseline-commit REF",
      "--update-baseline writes everything, --prune only takes out: say one of them",
    ]);
  });

  it.each(["--update-baseline", "--prune"])("has no file to write for %s of a commit", async (flag) => {
    expect(await repository.run(`check --baseline-commit HEAD ${flag}`)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("--baseline-commit names none"),
    });
  });
});
