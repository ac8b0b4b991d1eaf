/**
 * Runs the pinned wrangler of this repository: one method per command, typed
 * results read from its machine output, and its errors in one sentence.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { z } from "zod";
import { $ } from "zx";
import type { CloudflareAccount } from "./cloudflare-client.ts";
import { CliError, EXIT } from "./exit.ts";

/** Code that goes to a script, with what its version is labelled with. */
export interface Upload {
  /** Rendered wrangler config of the Worker. */
  readonly config: string;
  /** Entry module of the built bundle; its folder holds the other modules. */
  readonly entry: string;
  readonly tag: string;
  readonly message: string;
  /** Secrets to write with the version; the others keep their values. */
  readonly secrets: Readonly<Record<string, string>>;
}

export interface Wrangler {
  /** Bundles `main` into `outdir`; nothing is sent. */
  build(config: string, main: string, outdir: string): Promise<void>;
  /** Uploads code and settings as a version without traffic. @returns its id */
  uploadVersion(upload: Upload): Promise<string>;
  /** Uploads and deploys at 100 %, with triggers and Durable Object migrations. @returns the version id */
  deploy(upload: Upload): Promise<string>;
  /** Sends 100 % of a script's traffic to a version. */
  deployVersion(config: string, versionId: string, message: string): Promise<void>;
  /** Applies the queue consumers and addresses of the config. */
  deployTriggers(config: string): Promise<void>;
  /** Applies the pending migrations of a remote database. */
  applyMigrations(config: string, database: string): Promise<void>;
}

export interface WranglerOptions {
  readonly root: string;
  readonly account: CloudflareAccount;
  /** Values that must not appear in any message. */
  readonly secrets: readonly string[];
  /** Variables that hold secrets: wrangler does not inherit them, it gets what it needs by file. */
  readonly secretNames: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** A wrangler command that failed; `message` is wrangler's own fault, shortened. */
export class WranglerError extends CliError {}

const TIMEOUT = "180s";
const MAX_FAULT_LINES = 12;
const SECRETS_FILE_MODE = 0o600;
const MASK = "***";

const outputEntry = z.looseObject({ type: z.string(), version_id: z.string().nullish() });

const NOISE = [
  /^If you think this is a bug/,
  /^🪵/u,
  /^(⛅️|─)/u,
  /^\[WARNING\]/,
  /^▲/u,
  /^To learn more about this error/,
];

/** Replaces every secret by asterisks, the longest first: one may begin with another. */
export function maskSecrets(text: string, secrets: readonly string[]): string {
  return secrets
    .filter((secret) => secret !== "")
    .toSorted((a, b) => b.length - a.length)
    .reduce((masked, secret) => masked.replaceAll(secret, MASK), text);
}

/** Wrangler's own account of a failure: the error block without colour, banner, advertising and warnings. */
export function wranglerFault(output: string): string {
  const plain = stripVTControlCharacters(output);
  const start = plain.indexOf("✘ [ERROR]");
  const block = start === -1 ? plain : plain.slice(start);
  const lines = block
    .split("\n")
    .map((line) => line.replaceAll("✘ [ERROR] ", "").trimEnd())
    .filter((line) => line.trim() !== "" && !NOISE.some((noise) => noise.test(line.trim())));
  return lines.slice(0, MAX_FAULT_LINES).join("\n").trim() || "wrangler failed without a word";
}

/** The version id that wrangler's machine output (one JSON document a line) names for `type`. */
export function versionIdOf(output: string, type: "deploy" | "version-upload"): string | null {
  for (const line of output.split("\n")) {
    if (line.trim() === "") continue;
    const entry = outputEntry.parse(JSON.parse(line));
    if (entry.type === type && typeof entry.version_id === "string") return entry.version_id;
  }
  return null;
}

function wranglerBin(): string {
  const require = createRequire(import.meta.url);
  return path.join(path.dirname(require.resolve("wrangler/package.json")), "bin", "wrangler.js");
}

/** Opens wrangler for one account. */
export function createWrangler(options: WranglerOptions): Wrangler {
  const { root, account, secrets, secretNames, env } = options;
  const bin = wranglerBin();
  const masked = [account.apiToken, ...secrets];
  const inherited = Object.fromEntries(Object.entries(env).filter(([name]) => !secretNames.includes(name)));

  /** @returns wrangler's machine output */
  const run = async (what: string, args: readonly string[]): Promise<string> => {
    const scratch = await mkdtemp(path.join(tmpdir(), "strata-wrangler-"));
    const outputFile = path.join(scratch, "output.ndjson");
    try {
      const result = await $({
        cwd: root,
        quiet: true,
        nothrow: true,
        timeout: TIMEOUT,
        // A process group of its own: Ctrl-C ends the run between two commands, never in the middle of one.
        detached: true,
        env: {
          ...inherited,
          CI: "1",
          NO_COLOR: "1",
          FORCE_COLOR: "0",
          CLOUDFLARE_API_BASE_URL: account.apiUrl,
          CLOUDFLARE_API_TOKEN: account.apiToken,
          CLOUDFLARE_ACCOUNT_ID: account.accountId,
          WRANGLER_SEND_METRICS: "false",
          WRANGLER_SEND_ERROR_REPORTS: "false",
          WRANGLER_HIDE_BANNER: "true",
          WRANGLER_WRITE_LOGS: "false",
          WRANGLER_OUTPUT_FILE_PATH: outputFile,
        },
      })`${process.execPath} ${bin} ${args}`;
      if (result.exitCode !== 0) {
        const fault = maskSecrets(wranglerFault(result.stderr || result.stdout), masked);
        const [first = "", ...rest] = fault.split("\n");
        throw new WranglerError(EXIT.failed, `${what} failed: ${first}`, {
          hints: rest.map((line) => line.trim()),
        });
      }
      return await readFile(outputFile, "utf8").catch(() => "");
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  };

  const send = async (what: string, command: readonly string[], upload: Upload): Promise<string> => {
    const scratch = await mkdtemp(path.join(tmpdir(), "strata-secrets-"));
    try {
      const args = [...command, upload.entry, "--no-bundle", "--config", upload.config, "--no-x-provision"];
      args.push("--tag", upload.tag, "--message", upload.message);
      if (Object.keys(upload.secrets).length > 0) {
        const file = path.join(scratch, "secrets.json");
        await writeFile(file, JSON.stringify(upload.secrets), { mode: SECRETS_FILE_MODE });
        args.push("--secrets-file", file);
      }
      const type = command[0] === "deploy" ? "deploy" : "version-upload";
      const versionId = versionIdOf(await run(what, args), type);
      if (versionId === null) {
        throw new CliError(EXIT.failed, `${what}: wrangler did not say which version it made`);
      }
      return versionId;
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  };

  return {
    build: async (config, main, outdir) => {
      await run("Building the bundle", [
        "deploy",
        main,
        "--dry-run",
        "--outdir",
        outdir,
        "--config",
        config,
        "--no-x-provision",
      ]);
    },
    uploadVersion: (upload) => send("Uploading the version", ["versions", "upload"], upload),
    deploy: (upload) => send("Deploying the Worker", ["deploy"], upload),
    deployVersion: async (config, versionId, message) => {
      const args = [
        "versions",
        "deploy",
        `${versionId}@100`,
        "--yes",
        "--message",
        message,
        "--config",
        config,
      ];
      await run("Deploying the version", args);
    },
    deployTriggers: async (config) => {
      await run("Applying the triggers", ["triggers", "deploy", "--config", config, "--no-x-provision"]);
    },
    applyMigrations: async (config, database) => {
      const args = ["d1", "migrations", "apply", database, "--remote", "--config", config];
      await run(`Migrating the database ${database}`, args);
    },
  };
}
