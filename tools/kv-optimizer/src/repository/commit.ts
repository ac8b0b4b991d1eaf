import { statSync } from "node:fs";
import { type SourceTree, UnreadableError } from "../model.ts";
import { CommitError, git } from "./git.ts";
import { HEAD_BYTES, MAX_FILE_BYTES } from "./limits.ts";
import { entersFolder, roleOf, type TreeOptions } from "./selection.ts";
import { type Entry, type EntryKind, type Head, pathIn, type Storage } from "./storage.ts";
import { openTree } from "./tree.ts";

/**
 * The sources of a commit, through git's object store; the working folder is not touched.
 * `root` may be any folder of the repository, and paths are relative to it. A commit in
 * which that folder does not exist is empty.
 * @param ref anything that names a commit: a branch, a tag, `HEAD~1`, a hash
 * @throws {CommitError}
 */
export function openCommit(root: string, ref: string, options: TreeOptions = {}): SourceTree {
  const prefix = prefixOf(root);
  const commit = commitOf(root, ref);
  const tree = treeOf(root, commit, prefix);
  return openTree(new Commit(root, tree === null ? [] : listTree(root, tree), options), options);
}

const SHORT_OUTPUT = 1024 * 1024;
const LISTING_OUTPUT = 256 * 1024 * 1024;
/** Contents that one run of git reads. */
const BATCH_BYTES = 32 * 1024 * 1024;

/** The folder's path in its repository. */
function prefixOf(root: string): string {
  if (statSync(root, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new CommitError("no-repository", `${root} is not a folder.`);
  }
  const { ok, output, complaint } = git(root, ["rev-parse", "--show-prefix"], SHORT_OUTPUT);
  if (!ok) {
    throw new CommitError("no-repository", `${root} is in no git repository that can be read: ${complaint}`);
  }
  return output.toString("utf8").replace(/\n$/, "").replace(/\/$/, "");
}

function commitOf(root: string, ref: string): string {
  const unknown = new CommitError(
    "unknown-ref",
    `${JSON.stringify(ref)} names no commit here; in a shallow clone it has to be fetched first.`,
  );
  if (ref === "" || ref.includes("\0")) throw unknown;
  const verify = ["rev-parse", "--verify", "--quiet", "--end-of-options", `${ref}^{commit}`];
  const { ok, output } = git(root, verify, SHORT_OUTPUT);
  const hash = output.toString("latin1").trim();
  if (!ok || !/^[0-9a-f]{40,64}$/.test(hash)) throw unknown;
  return hash;
}

function treeOf(root: string, commit: string, prefix: string): string | null {
  const name = prefix === "" ? `${commit}^{tree}` : `${commit}:${prefix}`;
  const { ok, output } = git(
    root,
    ["rev-parse", "--verify", "--quiet", "--end-of-options", name],
    SHORT_OUTPUT,
  );
  return ok ? output.toString("latin1").trim() : null;
}

interface TreeEntry {
  readonly path: string;
  readonly kind: EntryKind;
  readonly object: string;
  /** In bytes. */
  readonly size: number;
}

function listTree(root: string, tree: string): readonly TreeEntry[] {
  const { ok, output, complaint } = git(
    root,
    ["ls-tree", "-r", "-z", "-l", "--full-tree", tree],
    LISTING_OUTPUT,
  );
  if (!ok) throw new CommitError("git-failed", `The commit's files cannot be listed: ${complaint}`);
  const entries: TreeEntry[] = [];
  for (let start = 0, end = output.indexOf(0); end !== -1; start = end + 1, end = output.indexOf(0, start)) {
    const entry = readTreeEntry(output.subarray(start, end));
    if (entry !== null) entries.push(entry);
  }
  return entries;
}

/** `<mode> <type> <object> <size>\t<path>`; the size is padded, and `-` of a submodule. */
function readTreeEntry(line: Buffer): TreeEntry | null {
  const tab = line.indexOf("\t");
  const [mode = "", , object = "", size = ""] = line.subarray(0, tab).toString("latin1").split(/ +/);
  const path = line.subarray(tab + 1).toString("utf8");
  // A tree that was made by hand may hold names which no checkout could.
  if (path.split("/").some((name) => name === "" || name === "." || name === "..")) return null;
  const misnamed = path.includes("\uFFFD") && !Buffer.from(path).equals(line.subarray(tab + 1));
  const kind = misnamed ? "misnamed" : mode === "160000" ? "submodule" : mode === "120000" ? "link" : "file";
  return { path, kind, object, size: Number(size) || 0 };
}

class Commit implements Storage {
  readonly #root: string;
  readonly #folders = new Map<string, Map<string, EntryKind>>([["", new Map()]]);
  readonly #files = new Map<string, TreeEntry>();
  /** What is read along with each object that is likely to be read. */
  readonly #batches = new Map<string, readonly TreeEntry[]>();
  readonly #contents = new Map<string, Buffer>();

  constructor(root: string, entries: readonly TreeEntry[], options: TreeOptions) {
    this.#root = root;
    for (const entry of entries) this.#add(entry);
    for (const batch of batchesOf(entries.filter((entry) => isLikelyRead(entry, options)))) {
      for (const { object } of batch) this.#batches.set(object, batch);
    }
  }

  list(folder: string): readonly Entry[] {
    const names = this.#folders.get(folder);
    if (names === undefined) throw new UnreadableError("It is not in the commit.");
    return Array.from(names, ([name, kind]) => ({ name, kind }));
  }

  head(file: string): Head {
    const { size } = this.#entry(file);
    const bytes = size > MAX_FILE_BYTES ? new Uint8Array() : this.read(file).subarray(0, HEAD_BYTES);
    return { bytes, size };
  }

  read(file: string): Uint8Array {
    const entry = this.#entry(file);
    if (entry.size > MAX_FILE_BYTES) throw new UnreadableError("It is too large.");
    if (!this.#contents.has(entry.object)) this.#load(this.#batches.get(entry.object) ?? [entry]);
    const content = this.#contents.get(entry.object);
    if (content === undefined) {
      throw new UnreadableError("Its content is not in this clone of the repository.");
    }
    return content;
  }

  #entry(file: string): TreeEntry {
    const entry = this.#files.get(file);
    if (entry === undefined) throw new UnreadableError("It is not in the commit.");
    return entry;
  }

  #add(entry: TreeEntry): void {
    const names = entry.path.split("/");
    const name = names.pop() ?? "";
    let folder = "";
    for (const each of names) {
      this.#folders.get(folder)?.set(each, "folder");
      folder = pathIn(folder, each);
      if (!this.#folders.has(folder)) this.#folders.set(folder, new Map());
    }
    this.#folders.get(folder)?.set(name, entry.kind);
    if (entry.kind === "file") this.#files.set(entry.path, entry);
  }

  #load(batch: readonly TreeEntry[]): void {
    const objects = [...new Set(batch.map(({ object }) => object))];
    const limit = batch.reduce((sum, { size }) => sum + size, 0) + objects.length * 128 + SHORT_OUTPUT;
    const { output } = git(this.#root, ["cat-file", "--batch"], limit, `${objects.join("\n")}\n`);
    for (const [object, content] of readBatch(output)) this.#contents.set(object, content);
  }
}

/** `<object> <type> <size>\n<content>\n` of each, or `<object> missing\n`. */
function* readBatch(output: Buffer): Generator<readonly [object: string, content: Buffer]> {
  let at = 0;
  while (at < output.length) {
    const end = output.indexOf("\n", at);
    if (end === -1) return;
    const [object = "", , size] = output.subarray(at, end).toString("latin1").split(" ");
    at = end + 1;
    if (size === undefined) continue;
    yield [object, output.subarray(at, at + Number(size))];
    at += Number(size) + 1;
  }
}

/** Whether a file is probably asked for, so that one run of git reads many. */
function isLikelyRead({ path, kind, size }: TreeEntry, options: TreeOptions): boolean {
  if (kind !== "file" || size > MAX_FILE_BYTES) return false;
  if (!path.endsWith(".gitignore") && roleOf(path, options) === null) return false;
  for (let slash = path.indexOf("/"); slash !== -1; slash = path.indexOf("/", slash + 1)) {
    if (!entersFolder(path.slice(0, slash), options)) return false;
  }
  return true;
}

function* batchesOf(entries: readonly TreeEntry[]): Generator<readonly TreeEntry[]> {
  let batch: TreeEntry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    if (bytes + entry.size > BATCH_BYTES && batch.length > 0) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(entry);
    bytes += entry.size;
  }
  if (batch.length > 0) yield batch;
}
