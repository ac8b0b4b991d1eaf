/** For tests: analyses a Workers repository that is written out in place. */
import type { Analysis } from "../model.ts";
import { openMemory } from "../repository/memory.ts";
import { readWorkerConfigs } from "../wrangler/index.ts";
import { analyze } from "./index.ts";

/** A Worker with the KV namespace `CACHE`. */
const WRANGLER = 'name = "hub"\nmain = "src/index.ts"\nkv_namespaces = [{ binding = "CACHE", id = "c" }]\n';

/** The analysis of some files by their paths; of a Worker with `CACHE`, unless they have a `wrangler.toml`. */
export function analyzeFiles(files: Readonly<Record<string, string>>): Analysis {
  const tree = openMemory({ "wrangler.toml": WRANGLER, ...files });
  return analyze(tree, readWorkerConfigs(tree).configs);
}

/** The analysis of `src/index.ts` alone. */
export function analyzeText(text: string): Analysis {
  return analyzeFiles({ "src/index.ts": text });
}
