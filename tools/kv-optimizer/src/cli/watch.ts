/** Tells when a folder has changed and is quiet again. */
import path from "node:path";

const QUIET_MS = 150;
const LEFT_OUT = new Set([".git", "node_modules", ".wrangler"]);

export interface Watching {
  /** Absolute. */
  readonly root: string;
  /** Absolute files whose changes count for nothing: what the program writes itself. */
  readonly ignored: readonly string[];
  readonly until: Promise<void>;
  readonly onReady: () => void;
  readonly onChange: () => void;
}

/** Calls `onChange` after each burst of changes; ends, with nothing left open, when `until` resolves. */
export async function watchFolder({ root, ignored, until, onReady, onChange }: Watching): Promise<void> {
  // Loaded here: no other command needs it.
  const { watch } = await import("chokidar");
  const own = new Set(ignored);
  const isIgnored = (file: string): boolean => {
    const parts = path.relative(root, file).split(path.sep);
    // Drafts of atomic writes stand beside what they become.
    return own.has(file) || file.endsWith(".tmp") || parts.some((part) => LEFT_OUT.has(part));
  };
  let timer: NodeJS.Timeout | undefined;
  const watcher = watch(root, { ignoreInitial: true, followSymlinks: false, ignored: isIgnored });
  watcher.on("ready", onReady);
  watcher.on("all", () => {
    clearTimeout(timer);
    timer = setTimeout(onChange, QUIET_MS);
  });
  await until;
  clearTimeout(timer);
  await watcher.close();
}
