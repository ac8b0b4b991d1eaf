/** Copies of D1 databases, one for every bookmark that was handed out. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { link, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { UnknownBookmarkError } from "./contract.ts";
import {
  type Bookmark,
  formatBookmark,
  lastBefore,
  nextBookmark,
  parseBookmark,
  tooMany,
} from "./d1-bookmarks.ts";

/** All pages in one step, so that a copy is one moment and a restore one transaction. */
const ALL_PAGES = 2 ** 31 - 1;
/** How long a database may be locked by others before a copy is given up, in milliseconds. */
const BUSY_MS = 10_000;
const BUSY_RETRY_MS = 20;
const SUFFIX = ".sqlite";
const UNFINISHED = "copy.tmp";

interface Copy {
  readonly bookmark: Bookmark;
  /** Bytes. */
  readonly size: number;
}

export interface SnapshotOptions {
  /** Where the copies are kept, a folder a database. */
  readonly directory: string;
  /** The SQLite file of a database; SQLite's own locks guard it against whoever else has it open. */
  readonly locate: (databaseId: string) => string;
  /** Milliseconds UTC. */
  readonly now: () => number;
}

/** Keeps and restores copies. Calls for one database must come one after the other. */
export class Snapshots {
  readonly #options: SnapshotOptions;

  constructor(options: SnapshotOptions) {
    this.#options = options;
  }

  /** The bookmark of the database as it is now; the newest one when nothing has changed since. */
  async take(databaseId: string): Promise<string> {
    const folder = this.#folder(databaseId);
    await mkdir(folder, { recursive: true });
    const unfinished = join(folder, UNFINISHED);
    await rm(unfinished, { force: true });
    await copyDatabase(() => openLive(this.#options.locate(databaseId)), unfinished);
    const digest = await digestOf(unfinished);
    const newest = (await this.#bookmarks(databaseId)).at(-1);
    if (newest?.digest === digest) {
      await rm(unfinished);
      return formatBookmark(newest);
    }
    const bookmark = nextBookmark(newest, this.#options.now(), digest);
    await rename(unfinished, this.#file(databaseId, bookmark));
    await this.#prune(databaseId);
    return formatBookmark(bookmark);
  }

  /** The last bookmark handed out at `at` (ms UTC) or before; `null` when there is none. */
  async at(databaseId: string, at: number): Promise<string | null> {
    const found = lastBefore(await this.#bookmarks(databaseId), at);
    return found === undefined ? null : formatBookmark(found);
  }

  /** The copy's file. @throws {UnknownBookmarkError} */
  async find(databaseId: string, text: string): Promise<string> {
    const bookmark = parseBookmark(text);
    const known = (await this.#bookmarks(databaseId)).map(formatBookmark);
    if (bookmark === null || !known.includes(text)) throw new UnknownBookmarkError(text);
    return this.#file(databaseId, bookmark);
  }

  /**
   * Puts a copy in the database's place, in one transaction; returns the bookmark of what was there before.
   * @throws {UnknownBookmarkError} and leaves the database as it is.
   */
  async restore(databaseId: string, text: string): Promise<string> {
    const copy = await this.find(databaseId, text);
    // A name of its own keeps the copy, whatever is pruned meanwhile.
    const held = join(this.#folder(databaseId), "restore.tmp");
    await rm(held, { force: true });
    await link(copy, held);
    const digest = await digestOf(held);
    try {
      if (digest !== parseBookmark(text)?.digest) throw new Error(`the copy of bookmark ${text} is damaged`);
      const previous = await this.take(databaseId);
      await copyDatabase(() => openCopy(held), this.#options.locate(databaseId));
      // From now on this is the state that a timestamp finds.
      await this.take(databaseId);
      return previous;
    } finally {
      await rm(held, { force: true });
    }
  }

  /** Forgets a database. */
  async drop(databaseId: string): Promise<void> {
    await rm(this.#folder(databaseId), { recursive: true, force: true });
  }

  async #prune(databaseId: string): Promise<void> {
    const copies: Copy[] = [];
    for (const bookmark of await this.#bookmarks(databaseId)) {
      copies.push({ bookmark, size: (await stat(this.#file(databaseId, bookmark))).size });
    }
    for (const { bookmark } of tooMany(copies, this.#options.now())) {
      await rm(this.#file(databaseId, bookmark), { force: true });
    }
  }

  /** Oldest first: the names sort as the moments do. */
  async #bookmarks(databaseId: string): Promise<readonly Bookmark[]> {
    const names = await readdir(this.#folder(databaseId)).catch(() => []);
    return names.toSorted().flatMap((name) => {
      const bookmark = name.endsWith(SUFFIX) ? parseBookmark(name.slice(0, -SUFFIX.length)) : null;
      return bookmark === null ? [] : [bookmark];
    });
  }

  #folder(databaseId: string): string {
    return join(this.#options.directory, databaseId);
  }

  #file(databaseId: string, bookmark: Bookmark): string {
    return join(this.#folder(databaseId), `${formatBookmark(bookmark)}${SUFFIX}`);
  }
}

/** A database that workerd may have open. */
function openLive(file: string): DatabaseSync {
  return new DatabaseSync(file, { readOnly: true, timeout: BUSY_MS });
}

/** A copy, which nothing changes any more: SQLite needs no files beside it. */
export function openCopy(file: string): DatabaseSync {
  const url = pathToFileURL(file);
  url.searchParams.set("immutable", "1");
  return new DatabaseSync(url, { readOnly: true });
}

/**
 * Makes `to` an exact copy of what `from` opens, page by page, through SQLite's backup interface: both may be
 * open elsewhere; `to` changes in one transaction or, also when this process is killed, not at all.
 */
async function copyDatabase(from: () => DatabaseSync, to: string): Promise<void> {
  const deadline = performance.now() + BUSY_MS;
  for (;;) {
    const source = from();
    try {
      await backup(source, to, { rate: ALL_PAGES });
      return;
    } catch (error) {
      // Node does not pass the code of a lock on: any failure is tried again for a while.
      if (performance.now() > deadline) throw error;
    } finally {
      source.close();
    }
    await delay(BUSY_RETRY_MS);
  }
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex").slice(0, 32);
}
