/** `npm run check:boundaries`: reads every import in the repository and holds it against the house rules. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { parseSync } from "oxc-parser";
import { glob } from "zx";
import { type Import, resolveImport, violations } from "./boundaries.ts";

const root = path.resolve(import.meta.dirname, "../..");

async function importsOf(file: string): Promise<readonly Import[]> {
  const text = await readFile(path.join(root, file), "utf8");
  const { module } = parseSync(file, text);
  const dynamic = module.dynamicImports.flatMap(({ moduleRequest }) => {
    const literal = /^["'](.*)["']$/.exec(text.slice(moduleRequest.start, moduleRequest.end));
    return literal?.[1] === undefined ? [] : [literal[1]];
  });
  const reexported = module.staticExports.flatMap(({ entries }) =>
    entries.flatMap(({ moduleRequest }) => (moduleRequest === null ? [] : [moduleRequest.value])),
  );
  const imported = module.staticImports.map(({ moduleRequest }) => moduleRequest.value);
  return [...imported, ...reexported, ...dynamic].map((specifier) => resolveImport(file, specifier));
}

const files = await glob(["{infra,worker,archiver,scripts,tools}/**/*.ts"], {
  cwd: root,
  ignore: ["**/node_modules/**"],
});
const imports = (await Promise.all(files.toSorted().map(importsOf))).flat();
const broken = violations(imports);
for (const { from, to, rule } of broken) process.stderr.write(`${from} imports ${to}: ${rule}\n`);
process.stderr.write(
  `${imports.length} imports in ${files.length} files, ${broken.length} break a boundary\n`,
);
if (broken.length > 0) process.exitCode = 1;
