/** All files of a tree, parsed when they are needed. */
import { type SourceTree, type Unread, UnreadableError } from "../model.ts";
import { ModuleResolver } from "./modules.ts";
import type { SourceFile } from "./model.ts";
import { parseFile, ParseError } from "./parse.ts";

const CODE = /\.[cm]?[jt]sx?$/;
/** What a file says it imports, read without understanding the rest. */
const IMPORTED = /\b(?:from|import|require)\s*(?:\(\s*)?["'`]([^"'`\n]+)["'`]/g;
/** A file that passes on what it imports. */
const PASSES_ON = /^[ \t]*export\s+(?:type\s+)?[*{]/m;
/** Where a method of KV may be called. */
export const MAY_CALL =
  /\.\s*(?:get|put|delete|list|getWithMetadata)\b|\[\s*["'`](?:get|put|delete|list|getWithMetadata)["'`]\s*\]/;

export class Program {
  readonly modules: ModuleResolver;

  readonly #texts = new Map<string, string>();
  readonly #files = new Map<string, SourceFile | null>();
  readonly #unread = new Map<string, string>();
  readonly #typePaths: ReadonlySet<string>;
  #importers: ReadonlyMap<string, readonly string[]> | null = null;
  /** Answers of `importers`, by its question. */
  readonly #importersBy = new Map<string, readonly string[]>();
  readonly #passing = new Map<string, boolean>();
  readonly #byName = new Map<string, readonly SourceFile[]>();

  constructor(tree: SourceTree) {
    this.modules = new ModuleResolver(tree);
    this.#typePaths = new Set(tree.typePaths);
    for (const file of new Set([...tree.paths, ...tree.typePaths])) {
      if (!CODE.test(file)) continue;
      try {
        this.#texts.set(file, tree.read(file));
      } catch (error) {
        if (!(error instanceof UnreadableError)) throw error;
        this.#unread.set(file, error.message);
      }
    }
  }

  /** Files that could not be read or parsed; complete only for those that were asked for. */
  get unread(): readonly Unread[] {
    return [...this.#unread].map(([file, why]) => ({ file, why }));
  }

  get paths(): readonly string[] {
    return [...this.#texts.keys()];
  }

  /** Lines of all code files. */
  lines(): number {
    let lines = 0;
    for (const [file, text] of this.#texts) {
      if (this.#typePaths.has(file)) continue;
      lines += 1;
      for (let at = text.indexOf("\n"); at !== -1 && at < text.length - 1; at = text.indexOf("\n", at + 1)) {
        lines += 1;
      }
    }
    return lines;
  }

  /** How many code files there are whose calls count. */
  codeFiles(): number {
    return this.paths.filter((file) => !this.#typePaths.has(file)).length;
  }

  text(file: string): string {
    return this.#texts.get(file) ?? "";
  }

  /** The parsed file; `null` when it cannot be had. */
  file(path: string): SourceFile | null {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    const text = this.#texts.get(path);
    let file: SourceFile | null = null;
    if (text !== undefined) {
      try {
        file = parseFile(path, text, this.#typePaths.has(path));
      } catch (error) {
        if (!(error instanceof ParseError)) throw error;
        this.#unread.set(path, error.message);
      }
    }
    this.#files.set(path, file);
    return file;
  }

  /** Files whose text holds a name, parsed. */
  mentioning(name: string): readonly SourceFile[] {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const found = this.#matching((text) => text.includes(name));
    this.#byName.set(name, found);
    return found;
  }

  /**
   * Files that import a file, with itself: straight, through files that pass it on, and through
   * `hops` others, for what is handed on as a value.
   */
  importers(file: string, hops: number): readonly string[] {
    const question = `${hops} ${file}`;
    const known = this.#importersBy.get(question);
    if (known !== undefined) return known;
    const importers = this.#importersOf();
    const reached = new Map([[file, hops]]);
    const open = [file];
    // A list may grow while it is walked.
    for (const target of open) {
      const left = reached.get(target) ?? 0;
      const rest = target === file || this.#passesOn(target) ? left : left - 1;
      if (rest < 0) continue;
      for (const importer of importers.get(target) ?? []) {
        if ((reached.get(importer) ?? -1) >= rest) continue;
        reached.set(importer, rest);
        open.push(importer);
      }
    }
    const found = [...reached.keys()];
    this.#importersBy.set(question, found);
    return found;
  }

  #passesOn(file: string): boolean {
    const known = this.#passing.get(file);
    if (known !== undefined) return known;
    const passes = PASSES_ON.test(this.text(file));
    this.#passing.set(file, passes);
    return passes;
  }

  /** Files that depend on one of some files, in any number of steps, with themselves. */
  dependents(files: Iterable<string>): ReadonlySet<string> {
    const importers = this.#importersOf();
    const found = new Set(files);
    // A set may grow while it is walked: what is added is walked, too.
    for (const target of found) for (const importer of importers.get(target) ?? []) found.add(importer);
    return found;
  }

  /** The files that import each file. */
  #importersOf(): ReadonlyMap<string, readonly string[]> {
    if (this.#importers !== null) return this.#importers;
    const found = new Map<string, string[]>();
    for (const [from, text] of this.#texts) {
      const targets = new Set<string>();
      for (const [, specifier = ""] of text.matchAll(IMPORTED)) {
        const target = this.modules.resolve(from, specifier);
        if (target !== null && target !== from) targets.add(target);
      }
      for (const target of targets) {
        const importers = found.get(target);
        if (importers === undefined) found.set(target, [from]);
        else importers.push(from);
      }
    }
    this.#importers = found;
    return found;
  }

  /** Those of some files whose text holds a name, parsed. */
  among(paths: readonly string[], name: string): readonly SourceFile[] {
    return paths
      .filter((path) => this.text(path).includes(name))
      .map((path) => this.file(path))
      .filter((file) => file !== null);
  }

  /** Files whose text has what is asked for, parsed. */
  where(has: (text: string) => boolean): readonly SourceFile[] {
    return this.#matching(has);
  }

  #matching(matches: (text: string) => boolean): readonly SourceFile[] {
    const found: SourceFile[] = [];
    for (const [path, text] of this.#texts) {
      if (!matches(text)) continue;
      const file = this.file(path);
      if (file !== null) found.push(file);
    }
    return found;
  }
}
