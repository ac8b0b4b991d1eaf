import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";

/** A new directory that is removed when the present test is over. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), "strata-test-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}
