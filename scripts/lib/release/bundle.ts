/**
 * Builds a Worker once and names the result by its content. Every script that
 * runs the release is sent these very files, so the canary and the hub run the
 * same bytes.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { CliError, EXIT } from "../exit.ts";
import type { Wrangler } from "../wrangler.ts";

export interface Bundle {
  /** `r-` and 12 hex digits: the same code has the same tag in every environment. */
  readonly tag: string;
  /** Entry module. */
  readonly entry: string;
  /** Of all modules, source maps not counted. */
  readonly bytes: number;
}

/** A module as it is hashed: its path inside the bundle, and its bytes. */
export interface BundledFile {
  readonly name: string;
  readonly contents: Uint8Array;
}

const TAG_HEX_DIGITS = 12;

/** The tag of a release: a hash over its modules in the order of their names. */
export function releaseTag(files: readonly BundledFile[]): string {
  const hash = createHash("sha256");
  const part = (bytes: Uint8Array): void => {
    hash.update(`${bytes.byteLength}:`);
    hash.update(bytes);
  };
  for (const { name, contents } of files.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    part(Buffer.from(name));
    part(contents);
  }
  return `r-${hash.digest("hex").slice(0, TAG_HEX_DIGITS)}`;
}

/** Source maps would carry the path of this checkout, and wrangler's note the time of the build. */
async function makeReproducible(directory: string): Promise<readonly BundledFile[]> {
  const files: BundledFile[] = [];
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    const name = path.relative(directory, file).replaceAll(path.sep, "/");
    if (name === "README.md") {
      await rm(file);
    } else if (name.endsWith(".map")) {
      const map: unknown = JSON.parse(await readFile(file, "utf8"));
      await writeFile(file, JSON.stringify({ ...(typeof map === "object" ? map : {}), sourceRoot: "" }));
    } else {
      files.push({ name, contents: await readFile(file) });
    }
  }
  return files;
}

/** A tag is named by its content, so a bundle that is there already is as good as the draft. */
async function keepBundle(draft: string, kept: string): Promise<void> {
  try {
    await rename(draft, kept);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
  }
}

export interface BuildOptions {
  readonly root: string;
  /** Directory that keeps the bundles of this Worker. */
  readonly directory: string;
  readonly wrangler: Wrangler;
  /** Rendered wrangler config that says how to bundle. */
  readonly config: string;
  /** Entry module, absolute or relative to `root`. */
  readonly main: string;
}

/**
 * Builds into `<directory>/<tag>`.
 * @throws {WranglerError} with the bundler's message and its place in the source
 */
export async function buildBundle(options: BuildOptions): Promise<Bundle> {
  const { root, directory, wrangler, config } = options;
  const main = path.resolve(root, options.main);
  const draft = path.join(directory, `build-${process.pid}`);
  await rm(draft, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  try {
    await wrangler.build(config, main, draft);
    const files = await makeReproducible(draft);
    const entryName = `${path.parse(main).name}.js`;
    if (!files.some(({ name }) => name === entryName)) {
      throw new CliError(EXIT.failed, `The build of ${main} left no ${entryName}`);
    }
    const tag = releaseTag(files);
    const kept = path.join(directory, tag);
    await keepBundle(draft, kept);
    const bytes = files.reduce((sum, { contents }) => sum + contents.byteLength, 0);
    return { tag, entry: path.join(kept, entryName), bytes };
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}
