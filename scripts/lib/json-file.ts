/** Files that another process may read while they are written. */
import { randomUUID } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import path from "node:path";

/**
 * Writes a value as JSON, atomically: a reader sees the old file or the new one,
 * and writers beside each other do not meet. Makes the folder when it is missing.
 *
 * @param mode permissions of the file, for example `0o600`
 */
export async function writeJson(file: string, value: unknown, mode?: number): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const draft = `${file}.${randomUUID()}.tmp`;
  await writeFile(draft, `${JSON.stringify(value, null, 2)}\n`, mode === undefined ? {} : { mode });
  await rename(draft, file);
}
