import { UnreadableError } from "../model.ts";

/** What stands under a name. `misnamed`: its name is not UTF-8, so that it cannot be opened by it. */
export type EntryKind = "file" | "folder" | "link" | "pipe" | "socket" | "device" | "submodule" | "misnamed";

export interface Entry {
  readonly name: string;
  readonly kind: EntryKind;
}

/** The beginning of a file. */
export interface Head {
  /** At most `HEAD_BYTES`; none of a file over `MAX_FILE_BYTES`. */
  readonly bytes: Uint8Array;
  /** Of the whole file, in bytes. */
  readonly size: number;
}

/** A place that holds a tree of files: a folder on disk, or a commit. The root is `""`. */
export interface Storage {
  /** @throws {UnreadableError} */
  list(folder: string): readonly Entry[];
  /** @throws {UnreadableError} */
  head(file: string): Head;
  /**
   * At most `MAX_FILE_BYTES`.
   * @throws {UnreadableError} also when it is larger
   */
  read(file: string): Uint8Array;
}

/** The path of an entry of a folder, relative to the root. */
export function pathIn(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}

/** Whether a path leads to a file without passing a link, judged by what the folders list. */
export function isPlainFile(storage: Storage, path: string): boolean {
  const names = path.split("/");
  let folder = "";
  for (const [index, name] of names.entries()) {
    const wanted: EntryKind = index === names.length - 1 ? "file" : "folder";
    try {
      const entry = storage.list(folder).find((each) => each.name === name);
      if (entry?.kind !== wanted) return false;
    } catch (error) {
      if (error instanceof UnreadableError) return false;
      throw error;
    }
    folder = pathIn(folder, name);
  }
  return true;
}
