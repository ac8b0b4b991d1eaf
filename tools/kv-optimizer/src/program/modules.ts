/** Which file of the tree an import means. */
import path from "node:path/posix";
import { type ParseError as JsonError, parse as parseJson } from "jsonc-parser";
import { z } from "zod";
import type { SourceTree } from "../model.ts";

const EXTENSIONS = [".ts", ".tsx", ".d.ts", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs"] as const;
/** What TypeScript lets an import say for the file that is compiled to it. */
const COMPILED: Readonly<Record<string, readonly string[]>> = {
  ".js": [".ts", ".tsx", ".d.ts"],
  ".jsx": [".tsx"],
  ".mjs": [".mts"],
  ".cjs": [".cts"],
};

const tsconfigSchema = z.object({
  compilerOptions: z
    .object({ baseUrl: z.string().optional(), paths: z.record(z.string(), z.array(z.string())).optional() })
    .optional(),
});
const packageSchema = z.object({
  name: z.string().optional(),
  main: z.string().optional(),
  module: z.string().optional(),
  types: z.string().optional(),
  exports: z.unknown().optional(),
  imports: z.record(z.string(), z.unknown()).optional(),
});

interface Alias {
  /** Folder whose files it is for. */
  readonly folder: string;
  readonly base: string;
  readonly pattern: string;
  readonly targets: readonly string[];
}

interface Package {
  readonly folder: string;
  readonly entries: readonly string[];
  /** Subpath, for example `./keys`, to its targets. */
  readonly subpaths: ReadonlyMap<string, readonly string[]>;
}

/** All strings of an `exports` target, whatever its conditions. */
function targetsOf(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return value.flatMap(targetsOf);
  if (typeof value === "object" && value !== null) return Object.values(value).flatMap(targetsOf);
  return [];
}

function subpathsOf(value: unknown): ReadonlyMap<string, readonly string[]> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return new Map([[".", targetsOf(value)]]);
  }
  const entries = Object.entries(value);
  if (!entries.some(([key]) => key.startsWith("."))) return new Map([[".", targetsOf(value)]]);
  return new Map(entries.map(([key, target]) => [key, targetsOf(target)]));
}

/** What `*` of a pattern stands for; `null` when it does not match. */
function matched(pattern: string, specifier: string): string | null {
  const star = pattern.indexOf("*");
  if (star === -1) return pattern === specifier ? "" : null;
  const [head, tail] = [pattern.slice(0, star), pattern.slice(star + 1)];
  if (
    specifier.length < head.length + tail.length ||
    !specifier.startsWith(head) ||
    !specifier.endsWith(tail)
  ) {
    return null;
  }
  return specifier.slice(head.length, specifier.length - tail.length);
}

export class ModuleResolver {
  readonly #paths: ReadonlySet<string>;
  readonly #aliases: readonly Alias[];
  readonly #packages = new Map<string, Package>();
  /** `#name` imports of the nearest package. */
  readonly #imports: Alias[] = [];
  readonly #known = new Map<string, string | null>();

  constructor(tree: SourceTree) {
    this.#paths = new Set([...tree.paths, ...tree.typePaths]);
    const read = <T>(file: string, schema: z.ZodType<T>): T | null => {
      const errors: JsonError[] = [];
      try {
        const value: unknown = parseJson(tree.read(file), errors, { allowTrailingComma: true });
        const parsed = schema.safeParse(value);
        return parsed.success ? parsed.data : null;
      } catch {
        // What cannot be read is told by those who need it; without it, names stay unresolved.
        return null;
      }
    };
    const aliases: Alias[] = [];
    for (const file of tree.paths) {
      const name = path.basename(file);
      const folder = path.dirname(file);
      if (/^[tj]sconfig.*\.json$/.test(name)) {
        const options = read(file, tsconfigSchema)?.compilerOptions;
        const base = path.join(folder, options?.baseUrl ?? ".");
        for (const [pattern, targets] of Object.entries(options?.paths ?? {})) {
          aliases.push({ folder, base, pattern, targets });
        }
        if (options?.baseUrl !== undefined) aliases.push({ folder, base, pattern: "*", targets: ["*"] });
      } else if (name === "package.json") this.#addPackage(folder, read(file, packageSchema));
    }
    // The nearest config first; the longest pattern first within it.
    this.#aliases = aliases.sort(
      (a, b) => b.folder.length - a.folder.length || b.pattern.length - a.pattern.length,
    );
  }

  #addPackage(folder: string, read: z.infer<typeof packageSchema> | null): void {
    if (read === null) return;
    const { name, main, module, types, exports, imports } = read;
    for (const [pattern, target] of Object.entries(imports ?? {})) {
      this.#imports.push({ folder, base: folder, pattern, targets: targetsOf(target) });
    }
    if (name === undefined) return;
    const entries = [module, main, types, "src/index", "index"].filter((entry) => entry !== undefined);
    this.#packages.set(name, {
      folder,
      entries,
      subpaths: exports === undefined ? new Map() : subpathsOf(exports),
    });
  }

  /** The file that `specifier` means in `from`; `null` when it is not in the tree. */
  resolve(from: string, specifier: string): string | null {
    const key = `${path.dirname(from)}\0${specifier}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const found = this.#resolve(from, specifier);
    this.#known.set(key, found);
    return found;
  }

  #resolve(from: string, specifier: string): string | null {
    if (specifier.startsWith(".")) return this.#file(path.join(path.dirname(from), specifier));
    const aliases = specifier.startsWith("#") ? this.#imports : this.#aliases;
    for (const { folder, base, pattern, targets } of aliases) {
      if (folder !== "." && !from.startsWith(`${folder}/`)) continue;
      const star = matched(pattern, specifier);
      if (star === null) continue;
      for (const target of targets) {
        const found = this.#file(path.join(base, target.replace("*", star)));
        if (found !== null) return found;
      }
    }
    return this.#package(specifier);
  }

  #package(specifier: string): string | null {
    const parts = specifier.split("/");
    const name = parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
    const found = this.#packages.get(name);
    if (found === undefined) return null;
    const rest = specifier.slice(name.length + 1);
    const { folder, entries, subpaths } = found;
    const subpath = rest === "" ? "." : `./${rest}`;
    for (const [pattern, targets] of subpaths) {
      const star = matched(pattern, subpath);
      if (star === null) continue;
      for (const target of targets) {
        const file = this.#file(path.join(folder, target.replace("*", star)));
        if (file !== null) return file;
      }
    }
    const places = rest === "" ? entries : [rest, `src/${rest}`];
    for (const place of places) {
      const file = this.#file(path.join(folder, place));
      if (file !== null) return file;
    }
    return null;
  }

  #file(place: string): string | null {
    if (place.startsWith("..")) return null;
    const candidates = [place];
    const extension = path.extname(place);
    for (const source of COMPILED[extension] ?? []) {
      candidates.push(place.slice(0, -extension.length) + source);
    }
    for (const ending of EXTENSIONS) candidates.push(place + ending);
    for (const ending of EXTENSIONS) candidates.push(path.join(place, `index${ending}`));
    return candidates.find((candidate) => this.#paths.has(candidate)) ?? null;
  }
}
