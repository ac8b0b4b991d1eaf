/** `npm run render:types`: writes the binding types; with `--check` it only says whether they are current. */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { envTypes } from "./lib/env-types.ts";

const root = path.resolve(import.meta.dirname, "..");
const check = process.argv.includes("--check");

for (const { file, text } of envTypes()) {
  const target = path.join(root, file);
  if (!check) {
    await writeFile(target, text);
    continue;
  }
  const current = await readFile(target, "utf8").catch(() => "");
  if (current !== text) {
    process.stderr.write(`${file} is not what infra/topology.ts says. Run: npm run render:types\n`);
    process.exitCode = 1;
  }
}
