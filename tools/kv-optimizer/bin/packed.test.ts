import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { LAST_SYNC, TestRepository } from "../src/cli/test-repository.ts";

const packageRoot = path.resolve(import.meta.dirname, "..");
const folder = mkdtempSync(path.join(tmpdir(), "kv-packed-"));
const repository = new TestRepository();
const installed = path.join(folder, "node_modules/kv-optimizer");
const program = path.join(installed, "bin/kv-optimizer.js");

const manifestSchema = z.object({ dependencies: z.record(z.string(), z.string()) });

/** The folder of a dependency, wherever npm has put it. */
function dependencyFolder(name: string): string {
  let at = packageRoot;
  while (!existsSync(path.join(at, "node_modules", name))) {
    if (at === path.dirname(at)) throw new Error(`${name} is not installed`);
    at = path.dirname(at);
  }
  return path.join(at, "node_modules", name);
}

function link(target: string, at: string): void {
  mkdirSync(path.dirname(at), { recursive: true });
  symlinkSync(target, at);
}

beforeAll(() => {
  repository.write("src/sync.ts", LAST_SYNC);
  execFileSync("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: packageRoot });
  const [tarball = ""] = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
  mkdirSync(installed, { recursive: true });
  execFileSync("tar", ["-xzf", path.join(folder, tarball), "-C", installed, "--strip-components=1"]);
  const manifest: unknown = JSON.parse(readFileSync(path.join(installed, "package.json"), "utf8"));
  for (const name of Object.keys(manifestSchema.parse(manifest).dependencies)) {
    link(dependencyFolder(name), path.join(folder, "node_modules", name));
  }
});

afterAll(() => {
  repository[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe("the packed program", () => {
  it("holds built code only", () => {
    expect(existsSync(path.join(installed, "src"))).toBe(false);
    expect(readdirSync(path.join(installed, "bin"))).toEqual(["kv-optimizer.js"]);
  });

  it("scans, as npx would start it", () => {
    const stdout = execFileSync(process.execPath, [program, "scan", "--root", repository.root], {
      cwd: folder,
      encoding: "utf8",
    });
    expect(stdout).toContain('put CACHE "sync:last"');
  });

  it("ends with 2 for a regression and 1 for wrong arguments", () => {
    repository.write("kv.ndjson", '{"kv-optimizer":"baseline","version":1}\n');
    const codeOf = (...args: readonly string[]): unknown => {
      try {
        execFileSync(process.execPath, [program, ...args], { cwd: repository.root, stdio: "ignore" });
      } catch (error) {
        return error instanceof Error && "status" in error ? error.status : error;
      }
      return 0;
    };
    expect(codeOf("check", "--baseline", "kv.ndjson")).toBe(2);
    expect(codeOf("check")).toBe(1);
  });

  it("is a library too", () => {
    const script = `import { audit, openFolder, DEFAULT_ASSUMPTIONS } from "kv-optimizer";
process.stdout.write(String(audit(openFolder(${JSON.stringify(repository.root)}), DEFAULT_ASSUMPTIONS).totals.calls));`;
    writeFileSync(path.join(folder, "use.mjs"), script);
    expect(execFileSync(process.execPath, [path.join(folder, "use.mjs")], { encoding: "utf8" })).toBe("3");
  });

  it("ends quietly when its reader has seen enough", async () => {
    const child = spawn(
      "bash",
      ["-c", '"$0" "$1" scan --format json --all | head -c 1', process.execPath, program],
      {
        cwd: repository.root,
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    await once(child, "close");
    expect(stderr).toBe("");
  });
});

describe("scan --watch", () => {
  it("prints the difference that a change makes, and ends cleanly on SIGINT", async () => {
    const child = spawn(process.execPath, [program, "scan", "--watch"], { cwd: repository.root });
    let stdout = "";
    const until = async (stream: Readable, text: string): Promise<void> => {
      let seen = "";
      for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
        seen += String(chunk);
        if (seen.includes(text)) break;
      }
      stdout += seen;
    };
    await until(child.stderr, "Watching");
    repository.write("src/other.ts", LAST_SYNC.replace("keepLastSync", "keepOther"));
    await until(child.stdout, "src/other.ts:2");
    child.kill("SIGINT");
    const [code] = await once(child, "exit");
    expect(code).toBe(0);
    expect(stdout).toContain('+ src/other.ts:2  put CACHE "sync:last" (TTL: none)');
  });
});
