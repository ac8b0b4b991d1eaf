import { init, parse } from "es-module-lexer";
import type { ScriptVersion } from "../model.ts";

/** The names that a version's main module exports; `null` where the text does not say (`export *`, CommonJS). */
export type ModuleExports = ReadonlySet<string> | null;

const known = new WeakMap<ScriptVersion, ModuleExports>();

/** Must have resolved once before `moduleExports` is called. */
export const lexerReady: Promise<void> = init();

/** What a version exports, read from its text without running it. */
export function moduleExports(version: ScriptVersion): ModuleExports {
  const cached = known.get(version);
  if (cached !== undefined) return cached;
  const found = readExports(version);
  known.set(version, found);
  return found;
}

function readExports(version: ScriptVersion): ModuleExports {
  const main = version.modules.find((module) => module.name === version.mainModule);
  if (main?.type !== "esm") return null;
  try {
    const [, exports] = parse(new TextDecoder().decode(main.contents));
    const names = new Set<string>();
    for (const entry of exports) {
      if (entry.type === "reexport-all") return null;
      names.add(entry.name);
    }
    return names;
  } catch {
    return null;
  }
}
