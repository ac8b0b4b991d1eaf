/**
 * The pinned Pulumi CLI: where it is, and how to get it where it is not. It is
 * one version for the CLI, the SDK and the npm wrapper; the engine and the SDK
 * speak a protocol that changes between versions.
 */
import { execFile, spawn } from "node:child_process";
import { constants } from "node:fs";
import { access, mkdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** Pinned in package.json, tools/pulumi-cli/go.mod and here; a test compares the three. */
export const PULUMI_VERSION = "3.259.0";
/** What tools/pulumi-cli/go.mod asks for. */
export const MINIMUM_GO = "1.25.11";

/** A line of progress for every so many modules or packages. */
const PROGRESS_EVERY = 100;

const root = fileURLToPath(new URL("../..", import.meta.url));
const moduleDirectory = path.join(root, "tools/pulumi-cli");
const npmWrapper = path.join(root, "node_modules/pulumi/run.js");
const run = promisify(execFile);

export type Environment = Readonly<Record<string, string | undefined>>;

/** A CLI that answered with the pinned version. */
export interface PulumiCli {
  /** Directory that holds `bin/pulumi`, as the Automation API wants it. */
  readonly root: string;
  readonly executable: string;
}

/** No CLI, and no way to get one; the message says what was tried and what is missing. */
export class PulumiCliError extends Error {
  override readonly name = "PulumiCliError";
}

/** Pulumi's home: `$PULUMI_HOME`, or `~/.pulumi`. */
export function pulumiHome(env: Environment = process.env): string {
  return env["PULUMI_HOME"] || path.join(homedir(), ".pulumi");
}

/** Where the npm wrapper and the Automation API look for the pinned version. */
export function pinnedRoot(env: Environment = process.env): string {
  return path.join(pulumiHome(env), "versions", PULUMI_VERSION);
}

/** Executables that answered with the pinned version; asking takes a process each time. */
const verified = new Set<string>();

async function isPinnedVersion(executable: string, env: Environment): Promise<boolean> {
  try {
    await access(executable, constants.X_OK);
    if (verified.has(executable)) {
      return true;
    }
    const { stdout } = await run(executable, ["version"], {
      env: { ...env, PULUMI_SKIP_UPDATE_CHECK: "1" },
      timeout: 30_000,
    });
    if (stdout.trim() !== `v${PULUMI_VERSION}`) {
      return false;
    }
    verified.add(executable);
    return true;
  } catch {
    return false;
  }
}

/** Real installations on PATH: `<root>/bin/pulumi`; npm's own link to the wrapper is none. */
function candidatesOnPath(env: Environment): readonly string[] {
  return (env["PATH"] ?? "")
    .split(path.delimiter)
    .filter((directory) => path.basename(directory) === "bin")
    .map((directory) => path.dirname(directory));
}

/**
 * The pinned CLI, if this machine has it: in Pulumi's home, else on PATH in
 * exactly that version.
 */
export async function findPulumiCli(env: Environment = process.env): Promise<PulumiCli | null> {
  for (const candidate of [pinnedRoot(env), ...candidatesOnPath(env)]) {
    const executable = path.join(candidate, "bin", "pulumi");
    if (await isPinnedVersion(executable, env)) {
      return { root: candidate, executable };
    }
  }
  return null;
}

/**
 * Whether version `a` (`1.26.8`) is `b` or later.
 */
export function isAtLeast(a: string, b: string): boolean {
  const left = a.split(".").map(Number);
  for (const [index, wanted] of b.split(".").map(Number).entries()) {
    const have = left[index] ?? 0;
    if (have !== wanted) {
      return have > wanted;
    }
  }
  return true;
}

/** @throws {PulumiCliError} when there is no Go, or one too old and unable to fetch a newer */
async function requireGo(env: Environment): Promise<void> {
  let version: string;
  try {
    // Outside the module, or a `go` that is too old would answer with a complaint about go.mod.
    const { stdout } = await run("go", ["env", "GOVERSION"], { env: { ...env }, cwd: homedir() });
    version = stdout.trim().replace(/^go/, "");
  } catch (error) {
    throw new PulumiCliError(
      `Building the Pulumi CLI needs Go ${MINIMUM_GO} or later, and "go" cannot be run here. Install it, or install Pulumi ${PULUMI_VERSION} itself.`,
      { cause: error },
    );
  }
  if (!isAtLeast(version, MINIMUM_GO)) {
    throw new PulumiCliError(
      `Building the Pulumi CLI needs Go ${MINIMUM_GO} or later; this machine has ${version}.`,
    );
  }
}

/** Runs a command, hands each line of its output to `onLine`, and keeps the last of them for the error. */
async function runStep(
  what: string,
  command: readonly [string, ...string[]],
  options: { env: NodeJS.ProcessEnv; cwd: string },
  onLine: (line: string) => void,
): Promise<void> {
  const [executable, ...args] = command;
  const child = spawn(executable, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  const tail: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      tail.push(line);
      tail.splice(0, tail.length - 10);
      onLine(line);
    });
  }
  const exit = await new Promise<string | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(code === 0 ? null : (signal ?? `exit code ${code}`)));
  });
  if (exit !== null) {
    throw new PulumiCliError([`${what} failed (${exit}):`, ...tail.map((line) => `  ${line}`)].join("\n"));
  }
}

/**
 * Builds the pinned CLI from Go modules into Pulumi's home. It appears there
 * whole or not at all. Takes about three minutes on two cores, and 3.2 GB of
 * Go's caches the first time.
 *
 * @param onProgress receives one line at a time
 * @throws {PulumiCliError} saying what is missing or which step failed
 */
export async function buildPulumiCli(
  onProgress: (line: string) => void,
  env: Environment = process.env,
): Promise<PulumiCli> {
  await requireGo(env);
  const target = pinnedRoot(env);
  const executable = path.join(target, "bin", "pulumi");
  const unfinished = path.join(target, "bin", `.pulumi-${process.pid}`);
  await mkdir(path.dirname(executable), { recursive: true });

  try {
    onProgress(
      `building Pulumi ${PULUMI_VERSION} from Go modules; about 3 minutes on two cores the first time`,
    );
    const steps = { downloading: 0, compiling: 0 };
    // No `go mod download` before it: that wants the modules of tests, too, and a proxy need not have those.
    await runStep(
      "Building the Pulumi CLI",
      [
        "go",
        "build",
        "-v",
        "-tags",
        "osusergo,grpcnotrace",
        "-trimpath",
        "-ldflags",
        `-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${PULUMI_VERSION}`,
        "-o",
        unfinished,
        "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
      ],
      { env: { ...env }, cwd: moduleDirectory },
      (line) => {
        const step = line.startsWith("go: downloading ") ? "downloading" : "compiling";
        steps[step] += 1;
        if (steps[step] % PROGRESS_EVERY === 0) {
          onProgress(`${step}: ${steps[step]} ${step === "downloading" ? "modules" : "packages"} so far`);
        }
      },
    );
    if (!(await isPinnedVersion(unfinished, env))) {
      throw new PulumiCliError(
        `The CLI that was built does not answer "pulumi version" with v${PULUMI_VERSION}.`,
      );
    }
    await rename(unfinished, executable);
  } finally {
    await rm(unfinished, { force: true });
  }
  onProgress(`built ${executable}`);
  return { root: target, executable };
}

/**
 * Lets the npm wrapper download the pinned CLI, with its language hosts, into
 * Pulumi's home.
 *
 * @throws {PulumiCliError} with the wrapper's own words
 */
export async function downloadPulumiCli(
  onProgress: (line: string) => void,
  env: Environment = process.env,
): Promise<PulumiCli> {
  await runStep(
    "Downloading the Pulumi CLI",
    [process.execPath, npmWrapper, "version"],
    { env: { ...env, PULUMI_VERSION, PULUMI_SKIP_UPDATE_CHECK: "1" }, cwd: root },
    onProgress,
  );
  const cli = await findPulumiCli(env);
  if (cli === null) {
    throw new PulumiCliError(`The download ended without a Pulumi CLI in ${pinnedRoot(env)}.`);
  }
  return cli;
}

/**
 * The pinned CLI: found, else downloaded, else built.
 *
 * @param onProgress receives one line at a time, the reasons for each step among them
 * @throws {PulumiCliError} with the reason of every way that failed
 */
export async function obtainPulumiCli(
  onProgress: (line: string) => void,
  env: Environment = process.env,
): Promise<PulumiCli> {
  const found = await findPulumiCli(env);
  if (found !== null) {
    return found;
  }
  const reasons: string[] = [];
  const ways = [
    { name: "download", get: downloadPulumiCli },
    { name: "build from Go modules", get: buildPulumiCli },
  ];
  for (const { name, get } of ways) {
    onProgress(`no Pulumi ${PULUMI_VERSION} here; trying to get it: ${name}`);
    try {
      return await get(onProgress, env);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      reasons.push(`${name}: ${reason}`);
      onProgress(`${name} failed: ${reason}`);
    }
  }
  throw new PulumiCliError([`Pulumi ${PULUMI_VERSION} could not be had:`, ...reasons].join("\n"));
}
