import ignore from "ignore";
import { UnreadableError, type Unread } from "../model.ts";
import { type IgnoreRules, isIgnored, readIgnoreRules } from "./git-ignore.ts";
import { MAX_DEPTH, MAX_ENTRIES, MAX_FILES, MAX_IGNORED_DEPTH, MAX_IGNORED_ENTRIES } from "./limits.ts";
import { entersFolder, isNamedGenerated, roleOf, type Role, type TreeOptions } from "./selection.ts";
import { type Entry, type EntryKind, pathIn, type Storage } from "./storage.ts";
import { decodeText } from "./text.ts";

/** A file that its name and place select; what it holds is not looked at yet. */
export interface Candidate {
  readonly path: string;
  readonly role: Role;
  /** Git ignores it: of its kind only configs and types count. */
  readonly ignored: boolean;
}

export interface Walked {
  readonly candidates: readonly Candidate[];
  readonly unread: readonly Unread[];
}

const WHY: Readonly<Record<Exclude<EntryKind, "file" | "folder">, string>> = {
  link: "It is a symbolic link, which is not followed.",
  pipe: "It is a named pipe.",
  socket: "It is a socket.",
  device: "It is a device.",
  submodule: "It is a submodule, whose files are not in this commit.",
  misnamed: "Its name is not valid UTF-8.",
};

interface Position {
  readonly folder: string;
  readonly depth: number;
  readonly rules: IgnoreRules | null;
  /** How deep below a folder that git ignores; 0 outside of one. */
  readonly ignoredDepth: number;
}

/** Goes through a tree in sorted order. Nothing in it can make this fail, only fill `unread`. */
export function walk(storage: Storage, options: TreeOptions): Walked {
  return new Walk(storage, options).run();
}

class Walk {
  readonly #storage: Storage;
  readonly #options: TreeOptions;
  readonly #excluded: IgnoreRules | null;
  readonly #candidates: Candidate[] = [];
  readonly #unread: Unread[] = [];
  #entries = 0;
  #ignoredEntries = 0;
  #stopped = false;

  constructor(storage: Storage, options: TreeOptions) {
    this.#storage = storage;
    this.#options = options;
    const patterns = options.exclude ?? [];
    this.#excluded =
      patterns.length === 0
        ? null
        : { folder: "", matcher: ignore({ allowRelativePaths: true }).add(patterns), outer: null };
  }

  run(): Walked {
    this.#enter({ folder: "", depth: 0, rules: null, ignoredDepth: 0 });
    return { candidates: this.#candidates, unread: this.#unread };
  }

  #enter(position: Position): void {
    const entries = this.#list(position.folder);
    const inside = { ...position, rules: this.#rulesIn(position, entries) };
    for (const entry of entries) {
      if (this.#stopped) return;
      this.#meet(entry, inside);
    }
  }

  #list(folder: string): readonly Entry[] {
    try {
      return [...this.#storage.list(folder)].sort((a, b) => (a.name < b.name ? -1 : 1));
    } catch (error) {
      this.#tell(folder === "" ? "." : folder, error);
      return [];
    }
  }

  #rulesIn({ folder, rules, ignoredDepth }: Position, entries: readonly Entry[]): IgnoreRules | null {
    if (ignoredDepth > 0) return rules;
    if (!entries.some(({ name, kind }) => name === ".gitignore" && kind === "file")) return rules;
    const file = pathIn(folder, ".gitignore");
    try {
      const read = readIgnoreRules(decodeText(this.#storage.read(file)), folder, rules);
      if (read.refused > 0) {
        this.#tell(
          file,
          `${read.refused} of its patterns are too long or have too many stars to be applied.`,
        );
      }
      return read.rules;
    } catch (error) {
      this.#tell(file, error);
      return rules;
    }
  }

  #meet(entry: Entry, at: Position): void {
    const path = pathIn(at.folder, entry.name);
    if (!this.#pay(at.ignoredDepth > 0)) return;
    switch (entry.kind) {
      case "folder":
        this.#meetFolder(path, at);
        break;
      case "file":
        this.#meetFile(path, at);
        break;
      default:
        if (at.ignoredDepth === 0 && this.#wouldMatter(entry, path, at)) this.#tell(path, WHY[entry.kind]);
    }
  }

  #meetFolder(path: string, at: Position): void {
    if (!entersFolder(path, this.#options) || isIgnored(this.#excluded, path, true)) return;
    const ignored = at.ignoredDepth > 0 || isIgnored(at.rules, path, true);
    const ignoredDepth = ignored ? at.ignoredDepth + 1 : 0;
    if (ignoredDepth > MAX_IGNORED_DEPTH) return;
    if (at.depth === MAX_DEPTH) {
      this.#tell(path, `It is more than ${MAX_DEPTH} folders deep.`);
      return;
    }
    this.#enter({ folder: path, depth: at.depth + 1, rules: at.rules, ignoredDepth });
  }

  #meetFile(path: string, at: Position): void {
    const role = roleOf(path, this.#options);
    if (role === null || isIgnored(this.#excluded, path, false)) return;
    const ignored = at.ignoredDepth > 0 || isIgnored(at.rules, path, false);
    if (ignored && (role === "project" || (role === "code" && !isNamedGenerated(path)))) return;
    if (this.#candidates.length === MAX_FILES) {
      this.#stop(path, `It and all that follows is left out: there are more than ${MAX_FILES} files.`);
      return;
    }
    this.#candidates.push({ path, role, ignored });
  }

  /** Whether something that cannot be read could have been a folder or a file that is taken. */
  #wouldMatter({ name, kind }: Entry, path: string, { rules }: Position): boolean {
    const folderLike = kind === "submodule" || !name.slice(1).includes(".");
    if (folderLike ? !entersFolder(path, this.#options) : roleOf(path, this.#options) === null) return false;
    // Git takes a link for a file, whatever it leads to.
    return !isIgnored(this.#excluded, path, folderLike) && !isIgnored(rules, path, kind === "submodule");
  }

  /** Counts an entry. In ignored folders the count is bounded, for they may hold anything. */
  #pay(ignored: boolean): boolean {
    if (ignored) return ++this.#ignoredEntries <= MAX_IGNORED_ENTRIES;
    if (++this.#entries <= MAX_ENTRIES) return true;
    this.#stop(".", `The walk was stopped: there are more than ${MAX_ENTRIES} files and folders.`);
    return false;
  }

  #stop(path: string, why: string): void {
    this.#stopped = true;
    this.#tell(path, why);
  }

  #tell(file: string, cause: unknown): void {
    if (typeof cause === "string") this.#unread.push({ file, why: cause });
    else if (cause instanceof UnreadableError) this.#unread.push({ file, why: cause.message });
    else throw cause;
  }
}
