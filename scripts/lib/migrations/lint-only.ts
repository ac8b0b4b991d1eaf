/** Lints migration files without an environment, as a check before a commit. */
import path from "node:path";
import { readFile } from "node:fs/promises";
import { topology, type D1Key } from "../../../infra/topology.ts";
import { CliError, EXIT, messageOf } from "../exit.ts";
import { examine, refuseFindings } from "./check.ts";
import type { LintFinding } from "./lint/finding.ts";
import type { MigrationFile } from "./lint/lint.ts";
import { migrationNames, migrationsFolder, readMigrations } from "./pending.ts";
import { counted, findingLines } from "./text.ts";

const root = path.resolve(import.meta.dirname, "../../..");

async function folderOf(
  database: D1Key,
): Promise<{ readonly folder: string; readonly files: readonly MigrationFile[] }> {
  const source = { root, topology: topology("local") };
  const files = await readMigrations(source, database, await migrationNames(source, database));
  return { folder: path.join(root, migrationsFolder(source, database)), files };
}

/** Each file as if those before it had been released: what a new migration will be. */
function inOrder(files: readonly MigrationFile[]): readonly LintFinding[] {
  return files.flatMap((file, index) => examine(files.slice(0, index), [file]));
}

async function given(name: string): Promise<MigrationFile> {
  const file = path.relative(process.cwd(), path.resolve(name));
  try {
    return { file, sql: await readFile(name, "utf8") };
  } catch (error) {
    throw new CliError(EXIT.usage, `${name} cannot be read`, { hints: [messageOf(error)], cause: error });
  }
}

/** A file of a database's folder meets what the files before it leave; any other meets nothing. */
async function inItsPlace(
  name: string,
  folders: readonly Awaited<ReturnType<typeof folderOf>>[],
): Promise<readonly LintFinding[]> {
  const file = await given(name);
  const home = folders.find(({ folder }) => path.dirname(path.resolve(name)) === folder);
  const place = home?.files.findIndex((other) => path.basename(other.file) === path.basename(name)) ?? 0;
  return examine(home?.files.slice(0, Math.max(place, 0)) ?? [], [file]);
}

/**
 * Lints all files of the databases, or those given.
 * @param tell gets each finding and the count, for people
 * @throws {CliError} failed, with every finding that refuses; usage, when a file cannot be read
 */
export async function lintFiles(
  databases: readonly D1Key[],
  names: readonly string[],
  allowContract: boolean,
  tell: (line: string) => void,
): Promise<readonly LintFinding[]> {
  const folders = await Promise.all(databases.map(folderOf));
  const findings =
    names.length === 0
      ? folders.flatMap(({ files }) => inOrder(files))
      : (await Promise.all(names.map((name) => inItsPlace(name, folders)))).flat();
  refuseFindings(findings, allowContract);
  for (const line of findings.flatMap(findingLines)) tell(line);
  const files = names.length === 0 ? folders.flatMap((folder) => folder.files).length : names.length;
  tell(`${files} migrations: ${counted(findings)}`);
  return findings;
}
