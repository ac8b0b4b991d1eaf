/** The document that holds the newest tables, each between the markers of its bench. */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";

const FILE = path.join(import.meta.dirname, "../../docs/benchmarks.md");

/**
 * The text with what stands between the markers of `name` replaced.
 * @throws Error when it has no such markers
 */
export function replaceBetween(text: string, name: string, content: string): string {
  const begin = `<!-- bench:${name} -->`;
  const end = `<!-- /bench:${name} -->`;
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from === -1 || to < from) throw new Error(`docs/benchmarks.md has no ${begin} … ${end}`);
  return `${text.slice(0, from + begin.length)}\n${content}\n${text.slice(to)}`;
}

/** Puts a bench's newest report into the document. */
export async function writeReport(name: string, report: string): Promise<void> {
  await writeFile(FILE, replaceBetween(await readFile(FILE, "utf8"), name, report));
}
