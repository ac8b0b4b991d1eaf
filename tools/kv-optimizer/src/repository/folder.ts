import {
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  statSync,
} from "node:fs";
import { type SourceTree, UnreadableError } from "../model.ts";
import { HEAD_BYTES, MAX_FILE_BYTES } from "./limits.ts";
import type { TreeOptions } from "./selection.ts";
import type { Entry, EntryKind, Head, Storage } from "./storage.ts";
import { openTree } from "./tree.ts";

/** The root is no folder that can be opened. */
export class FolderError extends Error {
  override readonly name = "FolderError";
}

/**
 * The sources of a folder on disk. Links are not followed, but `root` may be one. Only the
 * .gitignore files in it count, not those of the folders above.
 * @throws {FolderError} when `root` is no folder
 */
export function openFolder(root: string, options: TreeOptions = {}): SourceTree {
  return openTree(new Folder(realFolder(root)), options);
}

function realFolder(root: string): string {
  try {
    const real = realpathSync(root);
    if (!statSync(real).isDirectory()) throw new FolderError(`${root} is not a folder.`);
    return real;
  } catch (error) {
    if (error instanceof FolderError) throw error;
    throw new FolderError(`${root} cannot be opened. ${reasonOf(error)}`, { cause: error });
  }
}

/** A link in the last place is refused, and a pipe that took the place of a file does not block. Windows has neither flag. */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

class Folder implements Storage {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  list(folder: string): readonly Entry[] {
    const entries = attempt(() => readdirSync(this.#absolute(folder), { withFileTypes: true }));
    return entries.map((entry) => ({ name: entry.name, kind: this.#kindOf(folder, entry) }));
  }

  head(file: string): Head {
    return this.#open(file, (descriptor, size) => {
      const bytes =
        size > MAX_FILE_BYTES ? new Uint8Array() : readUpTo(descriptor, Math.min(size, HEAD_BYTES));
      return { bytes, size };
    });
  }

  read(file: string): Uint8Array {
    return this.#open(file, (descriptor, size) => {
      if (size > MAX_FILE_BYTES) throw new UnreadableError("It grew too large while the tree was read.");
      return readUpTo(descriptor, size);
    });
  }

  #open<T>(file: string, use: (descriptor: number, size: number) => T): T {
    return attempt(() => {
      const descriptor = openSync(this.#absolute(file), OPEN_FLAGS);
      try {
        const status = fstatSync(descriptor);
        if (!status.isFile()) throw new UnreadableError("It is no regular file any more.");
        return use(descriptor, status.size);
      } finally {
        closeSync(descriptor);
      }
    });
  }

  #kindOf(folder: string, entry: Dirent): EntryKind {
    // Bytes that are not UTF-8 arrive as U+FFFD, and the file is not found under that name.
    if (entry.name.includes("\uFFFD") && !this.#exists(folder, entry.name)) return "misnamed";
    if (entry.isFile()) return "file";
    if (entry.isDirectory()) return "folder";
    if (entry.isSymbolicLink()) return "link";
    if (entry.isFIFO()) return "pipe";
    return entry.isSocket() ? "socket" : "device";
  }

  #exists(folder: string, name: string): boolean {
    return lstatSync(`${this.#absolute(folder)}/${name}`, { throwIfNoEntry: false }) !== undefined;
  }

  #absolute(path: string): string {
    return `${this.#root}/${path}`;
  }
}

function readUpTo(descriptor: number, size: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(size);
  let filled = 0;
  while (filled < size) {
    const read = readSync(descriptor, bytes, filled, size - filled, filled);
    if (read === 0) break;
    filled += read;
  }
  return bytes.subarray(0, filled);
}

function attempt<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof UnreadableError) throw error;
    throw new UnreadableError(reasonOf(error), { cause: error });
  }
}

/** Node's code of a failure of the file system, as a sentence. */
function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  switch (code) {
    case "EACCES":
    case "EPERM":
      return "Permission to read it is denied.";
    case "ENOENT":
    case "ENOTDIR":
      return "It is not there, or vanished while the tree was read.";
    case "ELOOP":
    case "EMLINK":
      return "It is a symbolic link, which is not followed.";
    case "ENAMETOOLONG":
      return "Its path is too long for this system.";
    default:
      return `It cannot be read (${code === "" ? "unknown failure" : code}).`;
  }
}
