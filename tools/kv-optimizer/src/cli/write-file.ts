/** Files that another program may read while they are written. */
import { randomUUID } from "node:crypto";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { UsageError, messageOf } from "./exit.ts";

/**
 * Writes a file so that a reader sees the old content or the new, never a part.
 * Makes the folder when it is missing.
 * @throws {UsageError} when it cannot be written; the old content is then still there
 */
export function writeAtomically(file: string, content: string): void {
  const draft = `${file}.${randomUUID()}.tmp`;
  try {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(draft, content);
    renameSync(draft, file);
  } catch (error) {
    rmSync(draft, { force: true });
    throw new UsageError([`Cannot write ${file}: ${messageOf(error)}`]);
  }
}
