/** Keeps workerd from outliving the process that runs the local cloud. */
import { execFile } from "node:child_process";
import { chmodSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const LEASH = fileURLToPath(new URL("workerd-leash.sh", import.meta.url));
const COMMAND_VARIABLE = "MINIFLARE_WORKERD_PATH";

function workerdPath(): string {
  const chosen = process.env[COMMAND_VARIABLE];
  if (chosen !== undefined && chosen !== LEASH) return chosen;
  const fromMiniflare = createRequire(createRequire(import.meta.url).resolve("miniflare"));
  return (fromMiniflare("workerd") as { default: string }).default;
}

/** The environment that the leash expects of Miniflare's `unsafeRuntimeEnv`. */
export function leashEnvironment(pidFile: string): Record<string, string> {
  return { LOCALCLOUD_WORKERD: workerdPath(), LOCALCLOUD_WORKERD_PID_FILE: pidFile };
}

let holders = 0;
let previous: string | undefined;

/**
 * Runs `start` while Miniflare starts workerd through the leash. Miniflare takes the command
 * from the process's environment only, which must not leak into other children.
 */
export async function leashed<T>(start: () => Promise<T>): Promise<T> {
  if (holders === 0) {
    if ((statSync(LEASH).mode & 0o100) === 0) chmodSync(LEASH, 0o755);
    previous = process.env[COMMAND_VARIABLE];
    process.env[COMMAND_VARIABLE] = LEASH;
  }
  holders += 1;
  try {
    return await start();
  } finally {
    holders -= 1;
    if (holders === 0) {
      if (previous === undefined) delete process.env[COMMAND_VARIABLE];
      else process.env[COMMAND_VARIABLE] = previous;
    }
  }
}

/** Ends the workerd of an earlier run that was killed before it could do so itself. */
export async function endStaleWorkerd(pidFile: string): Promise<void> {
  const text = await readFile(pidFile, "utf8").catch(() => "");
  const pid = Number.parseInt(text, 10);
  if (!Number.isSafeInteger(pid) || pid <= 1) return;
  while (await isWorkerd(pid)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      return;
    }
    await delay(20);
  }
}

/** Whether a process runs workerd; one that has ended but was not waited for does not. */
export async function isWorkerd(pid: number): Promise<boolean> {
  try {
    // A machine without `ps` is likely to be Linux in a container, which has /proc.
    if (process.platform === "linux") {
      return (await readFile(`/proc/${pid}/cmdline`, "utf8")).includes("workerd");
    }
    const { stdout } = await promisify(execFile)("ps", ["-o", "stat=,command=", "-p", String(pid)]);
    return stdout.includes("workerd") && !stdout.trimStart().startsWith("Z");
  } catch {
    return false;
  }
}
