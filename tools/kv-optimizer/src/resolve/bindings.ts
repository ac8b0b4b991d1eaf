/** Names under which code sees KV namespaces, and where. */
import path from "node:path/posix";
import type { WorkerConfig } from "../model.ts";
import type { Program, Site } from "../program/index.ts";

export type BindingKind = "kv" | "other" | null;

interface Folder {
  readonly folder: string;
  readonly kv: ReadonlySet<string>;
  readonly other: ReadonlySet<string>;
}

/** An interface or a type that declares bindings, by its name. */
export const ENV_NAME = /(?:^|[a-z_])(?:Env|ENV|Bindings|Environment)$|^(?:env|Cloudflare)$/;
const KV_MEMBER = /\b(\w+)\s*\??\s*:\s*(?:import\(["'][^"']*["']\)\.)?KVNamespace\b/g;
const KV_PROPERTY = /@prop(?:erty)?\s*\{\s*KVNamespace\b[^{}@]{0,200}\}\s*(\w+)/g;
const KV_GLOBAL = /\b(?:const|let|var)\s+(\w+)\s*:\s*KVNamespace\b/g;
const ENV_TYPE = /\b(?:interface|type)\s+\w*(?:Env|ENV|Bindings|Environment)\b/;

/** Bindings are written as constants are. */
export const isConstantName = (name: string): boolean => /^[A-Z][A-Z0-9_]*$/.test(name);

export class Bindings {
  /** The deepest folder first. */
  readonly #folders: readonly Folder[];
  readonly #typed: ReadonlySet<string>;

  constructor(configs: readonly WorkerConfig[], program: Program) {
    const folders = new Map<string, { kv: Set<string>; other: Set<string> }>();
    for (const { file, kvBindings, otherBindings, main } of configs) {
      // A generated config lies elsewhere; its entry module tells where its code is.
      const generated = file.split("/").some((part) => part.startsWith("."));
      const folder = generated ? (path.dirname(main ?? ".").split("/src")[0] ?? ".") : path.dirname(file);
      const names = folders.get(folder) ?? { kv: new Set(), other: new Set() };
      for (const name of kvBindings) names.kv.add(name);
      for (const name of otherBindings) names.other.add(name);
      folders.set(folder, names);
    }
    this.#folders = [...folders]
      .map(([folder, names]) => ({ folder, ...names }))
      .sort((a, b) => b.folder.length - a.folder.length);
    const typed = new Set<string>();
    for (const file of program.paths) {
      const text = program.text(file);
      if (!text.includes("KVNamespace")) continue;
      for (const [, name = ""] of text.matchAll(KV_PROPERTY)) typed.add(name);
      if (text.includes("declare ")) {
        for (const [, name = ""] of text.matchAll(KV_GLOBAL)) if (isConstantName(name)) typed.add(name);
      }
      if (!ENV_TYPE.test(text)) continue;
      for (const [, name = ""] of text.matchAll(KV_MEMBER)) if (isConstantName(name)) typed.add(name);
    }
    this.#typed = typed;
  }

  /** What a binding of this name is for code in `file`. */
  kind(file: string, name: string): BindingKind {
    for (const { folder, kv, other } of this.#folders) {
      if (folder !== "." && !file.startsWith(`${folder}/`)) continue;
      if (kv.has(name)) return "kv";
      if (other.has(name)) return "other";
    }
    if (this.#typed.has(name)) return "kv";
    // Code that several Workers share lies beside them.
    if (this.#folders.some(({ kv }) => kv.has(name))) return "kv";
    return this.#folders.some(({ other }) => other.has(name)) ? "other" : null;
  }

  /** Whether a member of this name, declared as a namespace in a type of this name, is a binding. */
  isBinding(typeName: string, site: Site, name: string): boolean {
    return ENV_NAME.test(typeName) || isConstantName(name) || this.kind(site.scope.file.path, name) === "kv";
  }

  /** A binding that only configs know of, seen as a global by a Worker without modules. */
  isGlobal(file: string, name: string): boolean {
    const near = this.#folders.find(({ folder }) => folder === "." || file.startsWith(`${folder}/`));
    return near?.kv.has(name) ?? false;
  }

  get names(): readonly string[] {
    return [...new Set([...this.#folders.flatMap(({ kv }) => [...kv]), ...this.#typed])].sort();
  }
}
