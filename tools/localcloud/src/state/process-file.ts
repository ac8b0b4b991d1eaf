import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const FILE = "localcloud.json";

const processFileSchema = z.object({ pid: z.number().int().positive(), apiUrl: z.url() });

/** Who serves a directory, and where. What keeps others out is the lock on the state file, not this. */
export type ProcessFile = z.infer<typeof processFileSchema>;

/** Notes this process as the one that serves `directory`. */
export function writeProcessFile(directory: string, content: ProcessFile): void {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, FILE);
  writeFileSync(`${path}.new`, `${JSON.stringify(content)}\n`);
  renameSync(`${path}.new`, path);
}

/**
 * The process that serves `directory`, or `null`. A file that a killed process
 * left behind counts as none.
 */
export function readProcessFile(directory: string): ProcessFile | null {
  let content: ProcessFile;
  try {
    content = processFileSchema.parse(JSON.parse(readFileSync(join(directory, FILE), "utf8")));
  } catch {
    return null;
  }
  return isAlive(content.pid) ? content : null;
}

export function removeProcessFile(directory: string): void {
  rmSync(join(directory, FILE), { force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
