import { spawnSync } from "node:child_process";

export type CommitFault = "no-git" | "no-repository" | "unknown-ref" | "git-failed";

/** A commit cannot be opened; the message says why and what to do. */
export class CommitError extends Error {
  override readonly name = "CommitError";
  readonly fault: CommitFault;

  constructor(fault: CommitFault, message: string) {
    super(message);
    this.fault = fault;
  }
}

export interface Finished {
  readonly ok: boolean;
  readonly output: Buffer;
  /** The first line of what git wrote to its error output. */
  readonly complaint: string;
}

/** What git needs of the environment; variables such as GIT_DIR would point it elsewhere. */
const KEPT = ["PATH", "Path", "HOME", "USERPROFILE", "XDG_CONFIG_HOME", "SystemRoot", "TMPDIR", "TEMP"];

const SAFE_OPTIONS = [
  "--no-pager",
  "--no-replace-objects",
  ...["core.fsmonitor=false", "core.hooksPath=/dev/null", "core.pager=cat", "protocol.allow=never"].flatMap(
    (setting) => ["-c", setting],
  ),
];

const TIMEOUT_MS = 60_000;

/**
 * Runs git in a folder, so that nothing the repository configures is run, nothing is
 * fetched and nobody is asked.
 * @param maxBytes of the output
 * @throws {CommitError} when git is not installed, does not end, or writes more
 */
export function git(folder: string, args: readonly string[], maxBytes: number, input = ""): Finished {
  const result = spawnSync("git", [...SAFE_OPTIONS, ...args], {
    cwd: folder,
    env: environment(),
    input,
    maxBuffer: maxBytes,
    timeout: TIMEOUT_MS,
    windowsHide: true,
  });
  if (result.error !== undefined) throw failureOf(result.error);
  const [complaint = ""] = result.stderr.toString("utf8").trim().split("\n");
  return { ok: result.status === 0, output: result.stdout, complaint };
}

function environment(): NodeJS.ProcessEnv {
  const kept = KEPT.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(kept),
    LC_ALL: "C",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_NO_LAZY_FETCH: "1",
    GIT_OPTIONAL_LOCKS: "0",
    GIT_TERMINAL_PROMPT: "0",
  };
}

function failureOf(error: Error): CommitError {
  const code = "code" in error ? error.code : "";
  switch (code) {
    case "ENOENT":
      return new CommitError("no-git", "git is not installed, or not on the PATH.");
    case "ETIMEDOUT":
      return new CommitError("git-failed", `git did not answer within ${TIMEOUT_MS / 1000} seconds.`);
    case "ENOBUFS":
      return new CommitError("git-failed", "The commit is too large to be read.");
    default:
      return new CommitError("git-failed", `git could not be run: ${error.message}.`);
  }
}
