/**
 * An audit as one writes it in an afternoon: each line against a regular expression, the
 * binding names from the config, a time to live looked for on the line and the six after
 * it. It stands for what kv-optimizer had to be better than, and was given no faults on
 * purpose: it leaves comment lines out, and takes `env.BINDING` and anything named kv.
 * What it cannot see follows from reading lines: `kv.get<T>(…)`, aliases, receivers on
 * another line, types.
 *
 *     node kv-line-scan.ts ROOT
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { SeenCall } from "./kv-truth.ts";

const SOURCE = /\.(?:[cm]?[jt]sx?)$/;
const SKIPPED = /(?:^|\/)(?:node_modules|dist|\.git)(?:\/|$)/;
const COMMENT = /^\s*(?:\/\/|\*|\/\*)/;
const TTL = /\bexpiration(?:Ttl)?\b/;
const LINES_FOR_TTL = 6;

/** The binding names of a wrangler.toml, read line by line as well. */
export function bindingNames(config: string): readonly string[] {
  const names: string[] = [];
  let inside = false;
  for (const line of config.split("\n")) {
    if (line.startsWith("[")) inside = line.includes("kv_namespaces");
    const name = /^binding\s*=\s*"(\w+)"/.exec(line)?.[1];
    if (inside && name !== undefined) names.push(name);
  }
  return names;
}

function callPattern(bindings: readonly string[]): RegExp {
  const named = bindings.length === 0 ? "" : `|env\\.(?:${bindings.join("|")})`;
  return new RegExp(`(?:\\b\\w*kv${named})[?!]?\\.(get|getWithMetadata|put|delete|list)\\(`, "gi");
}

/** The calls that a text seems to have. */
export function scanLines(file: string, text: string, bindings: readonly string[]): readonly SeenCall[] {
  const pattern = callPattern(bindings);
  const lines = text.split("\n");
  return lines.flatMap((line, index) => {
    if (COMMENT.test(line)) return [];
    return [...line.matchAll(pattern)].map((match) => {
      const operation = match[1] ?? "";
      const near = lines.slice(index, index + LINES_FOR_TTL + 1).join("\n");
      return { file, line: index + 1, operation, ttl: operation === "put" ? TTL.test(near) : null };
    });
  });
}

function main(root: string): void {
  const bindings = bindingNames(readFileSync(path.join(root, "wrangler.toml"), "utf8"));
  const files = readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((file) => SOURCE.test(file) && !SKIPPED.test(file))
    .sort();
  const calls = files.flatMap((file) =>
    scanLines(file, readFileSync(path.join(root, file), "utf8"), bindings),
  );
  process.stdout.write(JSON.stringify(calls));
}

if (process.argv[1] === import.meta.filename) main(process.argv[2] ?? ".");
