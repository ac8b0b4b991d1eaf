/** The programs that audit the KV use of a folder, each as a process of its own. */
import { execFileSync, spawn } from "node:child_process";
import path from "node:path";
import type { SeenCall } from "./kv-truth.ts";

const ROOT = path.join(import.meta.dirname, "../..");

/** A program and how to read what it prints. */
export interface Auditor {
  readonly name: string;
  /** Whether it says which puts have a time to live. */
  readonly knowsTtl: boolean;
  readonly arguments: (folder: string) => readonly string[];
  readonly read: (output: string) => readonly SeenCall[];
}

/** What we need of kv-optimizer's report. */
interface ReportedFinding {
  readonly file: string;
  readonly line: number;
  readonly operation: string;
  readonly ttl: { readonly verdict: "yes" | "no" | "unknown" } | null;
}

/** The calls of a report of kv-optimizer. A time to live of which it is not sure counts as not said. */
export function readReport(output: string): readonly SeenCall[] {
  const { findings } = JSON.parse(output) as { readonly findings: readonly ReportedFinding[] };
  return findings.map(({ file, line, operation, ttl }) => ({
    file,
    line,
    operation,
    ttl: ttl === null || ttl.verdict === "unknown" ? null : ttl.verdict === "yes",
  }));
}

const readCalls = (output: string): readonly SeenCall[] => JSON.parse(output) as readonly SeenCall[];

export const AUDITORS = {
  optimizer: {
    name: "kv-optimizer scan",
    knowsTtl: true,
    arguments: (folder) => [
      path.join(ROOT, "tools/kv-optimizer/dist/kv-optimizer.js"),
      "scan",
      `--root=${folder}`,
      "--format=json",
    ],
    read: readReport,
  },
  lines: {
    name: "line by line, regular expression",
    knowsTtl: true,
    arguments: (folder) => [path.join(import.meta.dirname, "kv-line-scan.ts"), folder],
    read: readCalls,
  },
  types: {
    name: "TypeScript 5.9, type of the receiver",
    knowsTtl: false,
    arguments: (folder) => [path.join(ROOT, "bench/peers/kv-type-scan.ts"), folder],
    read: readCalls,
  },
} as const satisfies Readonly<Record<string, Auditor>>;

/** Builds kv-optimizer as its package is built. @throws Error with what the build complained of, when it fails */
export function buildOptimizer(): void {
  execFileSync("npm", ["run", "--silent", "build", "--workspace", "kv-optimizer"], {
    cwd: ROOT,
    stdio: "pipe",
  });
}

/** Runs a program from its start to its end. @throws Error with what it complained of, when it fails */
export async function audit(auditor: Auditor, folder: string): Promise<string> {
  const child = spawn(process.execPath, [...auditor.arguments(folder)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output: Buffer[] = [];
  const complaints: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => complaints.push(chunk));
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.on("error", reject);
  child.on("close", resolve);
  const code = await promise;
  if (code !== 0) {
    throw new Error(`${auditor.name} ended with ${code}: ${Buffer.concat(complaints).toString()}`);
  }
  return Buffer.concat(output).toString();
}
