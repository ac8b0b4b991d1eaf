/**
 * Turns `archiver/schemas/<table>/v<n>.avsc` into one module of plain data.
 * A module, because every runtime that loads the Worker (wrangler's bundler,
 * the test pool, plain workerd) loads TypeScript alike, and no bundler rule for
 * `.avsc` has to be kept in step in three places.
 */
import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";

export const FOLDER = path.join(import.meta.dirname, "schemas");
export const MODULE = path.join(import.meta.dirname, "src/tables/schemas.generated.ts");
export const VERSION_FILE = /^v([1-9]\d*)\.avsc$/;

interface SchemaFile {
  readonly table: string;
  readonly version: number;
  readonly schema: unknown;
}

async function schemaFiles(folder: string): Promise<readonly SchemaFile[]> {
  const folders = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const files = await Promise.all(
    folders.map(async ({ name: table }) => {
      const names = await readdir(path.join(folder, table));
      return Promise.all(
        names.map(async (name): Promise<SchemaFile> => {
          const version = VERSION_FILE.exec(name)?.[1];
          if (version === undefined) throw new Error(`schemas/${table}/${name} is not named v<n>.avsc`);
          const text = await readFile(path.join(folder, table, name), "utf8");
          return { table, version: Number(version), schema: JSON.parse(text) };
        }),
      );
    }),
  );
  return files
    .flat()
    .sort((a, b) => (a.table === b.table ? a.version - b.version : a.table < b.table ? -1 : 1));
}

/** The text of the module as the schema files of a folder have it now. */
export async function renderSchemas(folder = FOLDER): Promise<string> {
  const entries = (await schemaFiles(folder)).map(
    (file) => `  ${JSON.stringify(file, null, 2).replaceAll("\n", "\n  ")},\n`,
  );
  return [
    "// Generated from archiver/schemas by `npm run render:schemas`. Do not edit.\n",
    'import type { SchemaSource } from "../avro/index.ts";\n\n',
    `export const SCHEMAS: readonly SchemaSource[] = [\n${entries.join("")}];\n`,
  ].join("");
}

if (import.meta.main) await writeFile(MODULE, await renderSchemas());
