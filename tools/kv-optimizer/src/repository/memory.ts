import { type SourceTree, UnreadableError } from "../model.ts";
import { HEAD_BYTES } from "./limits.ts";
import type { TreeOptions } from "./selection.ts";
import { type Entry, type EntryKind, type Head, pathIn, type Storage } from "./storage.ts";
import { openTree } from "./tree.ts";

/** What stands under a path: a file by its content, or anything else by its kind. */
export type Content = string | Uint8Array | { readonly kind: EntryKind };

/** The sources of files in memory, by their paths. */
export function openMemory(files: Readonly<Record<string, Content>>, options: TreeOptions = {}): SourceTree {
  return openTree(new Memory(files), options);
}

/** A tree in memory. */
export class Memory implements Storage {
  readonly #folders = new Map<string, Map<string, EntryKind>>([["", new Map()]]);
  readonly #files = new Map<string, Uint8Array>();

  constructor(files: Readonly<Record<string, Content>>) {
    for (const [path, content] of Object.entries(files)) this.#add(path, content);
  }

  list(folder: string): readonly Entry[] {
    const names = this.#folders.get(folder);
    if (names === undefined) throw new UnreadableError("It is not there.");
    return Array.from(names, ([name, kind]) => ({ name, kind }));
  }

  head(file: string): Head {
    const bytes = this.read(file);
    return { bytes: bytes.subarray(0, HEAD_BYTES), size: bytes.length };
  }

  read(file: string): Uint8Array {
    const bytes = this.#files.get(file);
    if (bytes === undefined) throw new UnreadableError("It is not there.");
    return bytes;
  }

  #add(path: string, content: Content): void {
    const names = path.split("/");
    const name = names.pop() ?? "";
    let folder = "";
    for (const each of names) {
      this.#folders.get(folder)?.set(each, "folder");
      folder = pathIn(folder, each);
      if (!this.#folders.has(folder)) this.#folders.set(folder, new Map());
    }
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    this.#folders.get(folder)?.set(name, bytes instanceof Uint8Array ? "file" : bytes.kind);
    if (bytes instanceof Uint8Array) this.#files.set(path, bytes);
  }
}
