import { type SourceTree, UnreadableError, type Unread } from "../model.ts";
import { isRedirect, redirectTargets } from "../wrangler/redirect.ts";
import { MARK_BYTES, MAX_FILE_BYTES, MAX_TOTAL_BYTES } from "./limits.ts";
import { canDeclareBindings, isMarkedGenerated, isNamedGenerated, type TreeOptions } from "./selection.ts";
import { isPlainFile, type Storage } from "./storage.ts";
import { decodeText, isBinary } from "./text.ts";
import { type Candidate, walk } from "./walk.ts";

/** Opens what a storage holds. Texts are read when they are asked for. */
export function openTree(storage: Storage, options: TreeOptions): SourceTree {
  const walked = walk(storage, options);
  const unread: Unread[] = [...walked.unread];
  const candidates = [...walked.candidates, ...redirected(storage, walked.candidates, unread)];
  const paths: string[] = [];
  const typePaths: string[] = [];
  let bytes = 0;

  for (const candidate of candidates) {
    try {
      const { place, size } = examine(storage, candidate, options);
      bytes += size;
      if (bytes > MAX_TOTAL_BYTES) {
        const why = `It and all that follows is left out: there is more than ${mebibytes(MAX_TOTAL_BYTES)} of code.`;
        unread.push({ file: candidate.path, why });
        break;
      }
      if (place === "paths") paths.push(candidate.path);
      if (place === "typePaths") typePaths.push(candidate.path);
    } catch (error) {
      if (!(error instanceof UnreadableError)) throw error;
      unread.push({ file: candidate.path, why: error.message });
    }
  }

  const known = new Set([...paths, ...typePaths]);
  return {
    paths: paths.sort(),
    typePaths: typePaths.sort(),
    unread: unread.sort((a, b) => compare(a.file, b.file) || compare(a.why, b.why)),
    read(path) {
      if (!known.has(path)) throw new UnreadableError("It is not among the files of this tree.");
      return decodeText(storage.read(path));
    },
  };
}

interface Examined {
  readonly place: "paths" | "typePaths" | "nowhere";
  readonly size: number;
}

/** Looks at the beginning of a file. */
function examine(storage: Storage, { path, role, ignored }: Candidate, options: TreeOptions): Examined {
  const { bytes, size } = storage.head(path);
  if (size > MAX_FILE_BYTES) throw new UnreadableError(`It is larger than ${mebibytes(MAX_FILE_BYTES)}.`);
  if (isBinary(bytes)) throw new UnreadableError("It is binary: there is a NUL byte in its first 8 KiB.");
  if (role === "wrangler" || role === "project") return { place: "paths", size };

  const generated = isNamedGenerated(path) || saysGenerated(bytes);
  if (!ignored && (!generated || options.includeGenerated === true)) return { place: "paths", size };

  const declares = canDeclareBindings(path) && decodeText(storage.read(path)).includes("KVNamespace");
  return { place: declares ? "typePaths" : "nowhere", size };
}

function saysGenerated(bytes: Uint8Array): boolean {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, MARK_BYTES));
  // Few files hold the word; the others need not be decoded.
  if (!head.includes("enerated") && !head.includes("ENERATED")) return false;
  return isMarkedGenerated(decodeText(head));
}

/** Generated configs that a build tool redirects wrangler to; they lie in build output, which is not walked. */
function redirected(
  storage: Storage,
  candidates: readonly Candidate[],
  unread: Unread[],
): readonly Candidate[] {
  const known = new Set(candidates.map(({ path }) => path));
  const found: Candidate[] = [];
  for (const { path } of candidates.filter((each) => isRedirect(each.path))) {
    for (const target of targetsOf(storage, path)) {
      if (known.has(target)) continue;
      known.add(target);
      if (!/\.(?:toml|jsonc?)$/.test(target) || !isPlainFile(storage, target)) {
        unread.push({
          file: path,
          why: `It redirects to ${JSON.stringify(target)}, which is no config file.`,
        });
      } else {
        found.push({ path: target, role: "wrangler", ignored: false });
      }
    }
  }
  return found;
}

function targetsOf(storage: Storage, path: string): readonly string[] {
  try {
    return redirectTargets(path, decodeText(storage.read(path)));
  } catch (error) {
    if (error instanceof UnreadableError) return []; // told when it is examined
    throw error;
  }
}

function mebibytes(bytes: number): string {
  return `${bytes / (1024 * 1024)} MiB`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
