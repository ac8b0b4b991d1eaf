import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const WRANGLER = join(
  dirname(createRequire(import.meta.url).resolve("wrangler/package.json")),
  "bin/wrangler.js",
);

/** How a run of wrangler ended. */
export interface WranglerRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Real wrangler, in a project of its own, against a local cloud. */
export class Wrangler {
  readonly #project: string;
  readonly #environment: Readonly<Record<string, string>>;

  /** `environment` is what the local cloud tells its clients. */
  constructor(project: string, environment: Readonly<Record<string, string>>) {
    this.#project = project;
    this.#environment = environment;
    mkdirSync(join(project, "home"), { recursive: true });
  }

  /** Writes a file of the project. */
  write(path: string, content: string | object): void {
    const target = join(this.#project, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, typeof content === "string" ? content : JSON.stringify(content));
  }

  /** Runs a command; does not throw when it fails. */
  attempt(
    args: readonly string[],
    options: { stdin?: string; env?: Record<string, string> } = {},
  ): Promise<WranglerRun> {
    return new Promise((resolve) => {
      const child = execFile(
        process.execPath,
        [WRANGLER, ...args],
        {
          cwd: this.#project,
          maxBuffer: 16 * 1024 * 1024,
          env: {
            PATH: process.env["PATH"] ?? "",
            HOME: join(this.#project, "home"),
            CI: "1",
            NO_COLOR: "1",
            WRANGLER_SEND_METRICS: "false",
            ...this.#environment,
            ...options.env,
          },
        },
        (error, stdout, stderr) => {
          const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
          resolve({ code, stdout, stderr });
        },
      );
      child.stdin?.end(options.stdin ?? "");
    });
  }

  /** Runs a command that must succeed and returns its stdout. */
  async run(args: readonly string[], options: { stdin?: string } = {}): Promise<string> {
    const { code, stdout, stderr } = await this.attempt(args, options);
    if (code !== 0) {
      throw new Error(`wrangler ${args.join(" ")} exited ${code}\n${stdout}\n${stderr}`);
    }
    return stdout;
  }

  /** Runs a command that prints JSON and returns it. */
  async json(args: readonly string[]): Promise<unknown> {
    const stdout = await this.run(args);
    return JSON.parse(stdout.slice(stdout.search(/^[[{]/m)));
  }
}
