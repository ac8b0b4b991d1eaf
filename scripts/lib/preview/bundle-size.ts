/** How large a bundle is against what Cloudflare takes. */
import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";

const compress = promisify(gzip);

/** Compressed bytes that a Worker may have; developers.cloudflare.com/workers/platform/limits. */
export const BUNDLE_LIMITS = { free: 3 * 1024 * 1024, paid: 10 * 1024 * 1024 } as const;

export interface BundleSize {
  /** Content tag of the working tree's bundle. */
  readonly tag: string;
  /** Of all modules. */
  readonly bytes: number;
  /** The same, each compressed by gzip. */
  readonly gzipBytes: number;
}

/** Sizes of a built bundle: its entry and what lies beside it, but no source map. */
export async function bundleSize(tag: string, entry: string): Promise<BundleSize> {
  const files = (await readdir(path.dirname(entry), { recursive: true, withFileTypes: true }))
    .filter((file) => file.isFile() && !file.name.endsWith(".map"))
    .map((file) => path.join(file.parentPath, file.name));
  const contents = await Promise.all(files.map((file) => readFile(file)));
  const packed = await Promise.all(contents.map((content) => compress(content)));
  const sum = (parts: readonly Uint8Array[]): number => parts.reduce((total, part) => total + part.length, 0);
  return { tag, bytes: sum(contents), gzipBytes: sum(packed) };
}
