/** A small Workers repository in a folder of its own, and the program run on it. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { run } from "./program.ts";

const WRANGLER = `name = "hub"
main = "src/index.ts"
kv_namespaces = [{ binding = "CACHE", id = "0123456789abcdef0123456789abcdef" }]

[triggers]
crons = ["*/5 * * * *"]
`;

export const INDEX = `interface Env { CACHE: KVNamespace }

export default {
  async fetch(request: Request, env: Env) {
    const id = new URL(request.url).pathname;
    const hit = await env.CACHE.get(\`page:\${id}\`);
    if (hit !== null) return new Response(hit);
    await env.CACHE.put(\`page:\${id}\`, "made", { expirationTtl: 3600 });
    return new Response("made");
  },
};
`;

/** A last run on KV, without a TTL. */
export const LAST_SYNC = `export async function keepLastSync(env: { CACHE: KVNamespace }) {
  await env.CACHE.put("sync:last", new Date().toISOString());
}
`;

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class TestRepository {
  readonly root = mkdtempSync(path.join(tmpdir(), "kv-optimizer-"));

  constructor() {
    this.write("wrangler.toml", WRANGLER);
    this.write("src/index.ts", INDEX);
  }

  write(file: string, content: string): void {
    const target = path.join(this.root, file);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, content);
  }

  read(file: string): string {
    return readFileSync(path.join(this.root, file), "utf8");
  }

  remove(file: string): void {
    rmSync(path.join(this.root, file));
  }

  git(...args: readonly string[]): string {
    return execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@example.com", ...args], {
      cwd: this.root,
      encoding: "utf8",
      env: { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_SYSTEM: "/dev/null" },
    });
  }

  /** Runs a command line in the root of the repository, or in a folder of it. */
  async run(
    line: string,
    {
      env = {},
      folder = ".",
    }: { readonly env?: Readonly<Record<string, string>>; readonly folder?: string } = {},
  ): Promise<Ran> {
    let stdout = "";
    let stderr = "";
    const code = await run(line.split(" "), {
      cwd: path.join(this.root, folder),
      env,
      colored: false,
      print: (text) => {
        stdout += text;
      },
      tell: (text) => {
        stderr += `${text}\n`;
      },
      untilInterrupted: () => Promise.resolve(),
    });
    return { code, stdout, stderr };
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
