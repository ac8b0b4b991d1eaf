/**
 * Builds what the package runs: `dist/`, with the small libraries within it, because a hundred
 * files of theirs take longer to load than a scan of a small repository. What has native code,
 * and what only `--watch` needs, stays outside. Their licences are put beside it.
 */
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";

const OUTSIDE = ["oxc-parser", "chokidar"];
/** Libraries of the older module format call `require` for modules of Node. */
const REQUIRE = `import { createRequire } from "node:module"; const require = createRequire(import.meta.url);`;

const root = import.meta.dirname;
const dist = path.join(root, "dist");

await rm(dist, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: ["bin/kv-optimizer.ts", "src/index.ts"],
  entryNames: "[name]",
  outdir: dist,
  bundle: true,
  splitting: true,
  platform: "node",
  format: "esm",
  target: "node22",
  mainFields: ["module", "main"],
  external: OUTSIDE,
  banner: { js: REQUIRE },
  metafile: true,
});

/** The folders of the packages whose files are within the bundle. */
const folders = new Set(
  Object.keys(metafile.inputs).flatMap((input) => {
    const found = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    return found?.[1] === undefined ? [] : [path.resolve(root, found[1])];
  }),
);

async function noticeOf(folder: string): Promise<string> {
  const licence = (await readdir(folder)).find((name) => /^licen[cs]e/i.test(name));
  if (licence === undefined) throw new Error(`${folder} has no licence file, so it cannot be bundled`);
  return `# ${path.basename(folder)}\n\n${(await readFile(path.join(folder, licence), "utf8")).trim()}\n`;
}

const notices = await Promise.all([...folders].sort().map(noticeOf));
await writeFile(path.join(dist, "THIRD-PARTY-NOTICES.md"), notices.join("\n"));
