import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { CommitError, openCommit } from "./index.ts";

let base: string;
let root: string;

const IDENTITY = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"];

function git(...args: readonly string[]): string {
  return execFileSync("git", [...IDENTITY, ...args], { cwd: root, encoding: "utf8", stdio: "pipe" }).trim();
}

function write(file: string, text: string): void {
  mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  writeFileSync(path.join(root, file), text);
}

beforeAll(() => {
  base = mkdtempSync(path.join(tmpdir(), "kv-optimizer-commit-"));
  root = path.join(base, "repository");
  mkdirSync(root);
  git("init", "--quiet", "--initial-branch=main");
  write("index.ts", "export const first = 1;\n");
  git("add", "-A");
  git("commit", "--quiet", "-m", "first");

  write("index.ts", "export const second = 2;\n");
  write("packages/api/src/a\nb.ts", "kv.put('é');\n");
  write("packages/api/wrangler.toml", 'name = "api"\n');
  write("packages/api/.gitignore", "scratch.ts\n");
  write("packages/api/scratch.ts", "export {};\n");
  write("packages/api/large.ts", " ".repeat(2 * 1024 * 1024 + 1));
  write("packages/api/test/a.ts", "export {};\n");
  write("packages/api/worker-configuration.d.ts", "// @generated\ninterface Env { CACHE: KVNamespace }\n");
  symlinkSync("/etc/passwd", path.join(root, "linked.ts"));
  git("add", "-A", "--force");
  git("update-index", "--add", "--cacheinfo", `160000,${"1".repeat(40)},vendored`);
  git("commit", "--quiet", "-m", "second");
  git("tag", "v2");
});

afterAll(() => rmSync(base, { recursive: true, force: true }));
afterEach(() => void vi.unstubAllEnvs());

describe("openCommit", () => {
  it("reads the files of a commit, whatever the working folder holds", () => {
    write("index.ts", "export const working = true;\n");
    expect(openCommit(root, "HEAD~1").paths).toEqual(["index.ts"]);
    expect(openCommit(root, "HEAD~1").read("index.ts")).toBe("export const first = 1;\n");
    expect(openCommit(root, "v2").read("index.ts")).toBe("export const second = 2;\n");
    expect(openCommit(root, git("rev-parse", "main")).read("index.ts")).toBe("export const second = 2;\n");
  });

  it("selects as in a folder, and tells links and submodules", () => {
    const tree = openCommit(root, "main");
    expect(tree.paths).toEqual(["index.ts", "packages/api/src/a\nb.ts", "packages/api/wrangler.toml"]);
    expect(tree.typePaths).toEqual(["packages/api/worker-configuration.d.ts"]);
    expect(tree.read("packages/api/src/a\nb.ts")).toBe("kv.put('é');\n");
    expect(tree.unread.map(({ file }) => file)).toEqual(["linked.ts", "packages/api/large.ts", "vendored"]);
  });

  it("opens a subfolder, also at a commit where it does not exist", () => {
    const api = path.join(root, "packages/api");
    expect(openCommit(api, "main").paths).toEqual(["src/a\nb.ts", "wrangler.toml"]);
    expect(openCommit(api, "HEAD~1").paths).toEqual([]);
  });

  it.each(["nowhere", "", "--help", "-n1", "HEAD\0", "main:index.ts", "HEAD --all"])(
    "knows no commit %j",
    (ref) => {
      expect(() => openCommit(root, ref)).toThrow(expect.objectContaining({ fault: "unknown-ref" }));
    },
  );

  it("tells a folder without a repository, a missing folder and a missing git", () => {
    const faultOf = (folder: string): unknown => {
      try {
        openCommit(folder, "HEAD");
        return null;
      } catch (error) {
        return error instanceof CommitError ? error.fault : error;
      }
    };
    expect(faultOf(base)).toBe("no-repository");
    expect(faultOf(path.join(base, "missing"))).toBe("no-repository");
    vi.stubEnv("PATH", base);
    expect(faultOf(root)).toBe("no-git");
  });

  it("runs nothing that the repository configures, and is not led elsewhere by the environment", () => {
    const trap = path.join(base, "trap.sh");
    writeFileSync(trap, `#!/bin/sh\ntouch ${JSON.stringify(path.join(base, "sprung"))}\n`);
    chmodSync(trap, 0o755);
    for (const key of [
      "core.fsmonitor",
      "core.pager",
      "core.sshCommand",
      "diff.external",
      "filter.x.smudge",
    ]) {
      git("config", key, trap);
    }
    vi.stubEnv("GIT_DIR", path.join(base, "elsewhere"));
    vi.stubEnv("GIT_EXTERNAL_DIFF", trap);
    expect(openCommit(root, "main").read("index.ts")).toContain("second");
    expect(existsSync(path.join(base, "sprung"))).toBe(false);
  });

  it("tells a file whose content the clone does not have", () => {
    const blob = git("rev-parse", "HEAD~1:index.ts");
    rmSync(path.join(root, ".git/objects", blob.slice(0, 2), blob.slice(2)));
    const tree = openCommit(root, "HEAD~1");
    expect(tree.unread).toEqual([
      { file: "index.ts", why: "Its content is not in this clone of the repository." },
    ]);
  });
});
