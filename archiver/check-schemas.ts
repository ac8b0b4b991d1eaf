/**
 * `node archiver/check-schemas.ts`: says everything that is wrong with the
 * schema files. Records are found by the schema that they were written in, for
 * as long as they are kept, so what was published stays as it is.
 *
 * `--publish` writes new versions into `schemas/published.json`, the list of
 * what may no longer change.
 */
import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { FOLDER, MODULE, renderSchemas, VERSION_FILE } from "./render-schemas.ts";
import { compileSchema, isTableName, resolveTo, type TableSchema, withoutDocs } from "./src/avro/index.ts";

const publishedVersion = z.object({
  /** SHA-256 of the canonical form: what its records are found by. */
  fingerprint: z.string(),
  /** SHA-256 of all of the schema but its documentation: defaults, aliases and logical types as well. */
  content: z.string(),
});

/** By table, then by version. */
const publishedSchemas = z.record(z.string(), z.record(z.string(), publishedVersion));

type Published = z.infer<typeof publishedVersion>;
type PublishedSchemas = z.infer<typeof publishedSchemas>;

export interface SchemaCheck {
  /** Each says what is wrong and how to mend it; nothing may be published while there is one. */
  readonly faults: readonly string[];
  /** Versions that are in no list of published ones yet, as `table/v2`. */
  readonly unpublished: readonly string[];
}

interface Version {
  readonly schema: TableSchema;
  readonly published: Published;
}

/** The schema as text that is equal when it means the same: members sorted, no documentation. */
function contentOf(schema: unknown): string {
  const sorted = (_: string, value: unknown): unknown =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value;
  return JSON.stringify(withoutDocs(schema), sorted);
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function readVersion(folder: string, table: string, version: number): Promise<Version> {
  const schema: unknown = JSON.parse(await readFile(path.join(folder, table, `v${version}.avsc`), "utf8"));
  const compiled = compileSchema({ table, version, schema });
  return {
    schema: compiled,
    published: { fingerprint: compiled.fingerprint, content: sha256(contentOf(schema)) },
  };
}

/** Reads a table's versions, oldest first; what cannot be read becomes a fault. */
async function readTable(folder: string, table: string, faults: string[]): Promise<readonly Version[]> {
  if (!isTableName(table)) {
    faults.push(
      `schemas/${table}: a table's name is a–z, 0–9 and _, begins with a letter, and has at most 63`,
    );
  }
  const numbers: number[] = [];
  for (const name of await readdir(path.join(folder, table))) {
    const version = VERSION_FILE.exec(name)?.[1];
    if (version === undefined) faults.push(`schemas/${table}/${name}: a version is named v<n>.avsc`);
    else numbers.push(Number(version));
  }
  numbers.sort((a, b) => a - b);
  const last = numbers.at(-1) ?? 0;
  for (let version = 1; version <= last; version += 1) {
    if (!numbers.includes(version)) faults.push(`schemas/${table}/v${version}.avsc: missing below v${last}`);
  }
  if (numbers.length === 0) faults.push(`schemas/${table}: holds no version`);

  const versions: Version[] = [];
  for (const number of numbers) {
    try {
      versions.push(await readVersion(folder, table, number));
    } catch (error) {
      const where = `schemas/${table}/v${number}.avsc`;
      const message = messageOf(error);
      faults.push(message.startsWith(where) ? message : `${where}: ${message}`);
    }
  }
  return versions;
}

/** A later version reads every earlier one: a release may be rolled back and forth between any two. */
function checkReadable(versions: readonly Version[], faults: string[]): void {
  for (const [index, { schema }] of versions.entries()) {
    for (const { schema: older } of versions.slice(0, index)) {
      if (older.fingerprint === schema.fingerprint) {
        faults.push(
          `schemas/${schema.table}/v${schema.version}.avsc: repeats v${older.version}; records could not tell them apart`,
        );
        continue;
      }
      try {
        resolveTo(schema, older);
      } catch (error) {
        faults.push(messageOf(error));
      }
    }
  }
}

function checkPublished(
  table: string,
  versions: readonly Version[],
  published: Readonly<Record<string, Published>>,
  faults: string[],
): void {
  const found = new Map(versions.map((version) => [String(version.schema.version), version.published]));
  for (const [version, { fingerprint, content }] of Object.entries(published)) {
    const now = found.get(version);
    const where = `schemas/${table}/v${version}.avsc`;
    if (now === undefined) {
      faults.push(`${where}: was published and is gone; records that were written in it need it`);
    } else if (now.fingerprint !== fingerprint || now.content !== content) {
      faults.push(`${where}: was published and has changed; put the change into a new version`);
    }
  }
}

async function readPublished(folder: string, faults: string[]): Promise<PublishedSchemas> {
  const text = await readFile(path.join(folder, "published.json"), "utf8").catch(() => undefined);
  try {
    if (text !== undefined) return publishedSchemas.parse(JSON.parse(text));
    faults.push("schemas/published.json: missing");
  } catch (error) {
    faults.push(`schemas/published.json: ${messageOf(error)}`);
  }
  return {};
}

async function checkModule(folder: string, module: string, faults: string[]): Promise<void> {
  const current = await readFile(module, "utf8").catch(() => "");
  const wanted = await renderSchemas(folder).catch(() => undefined);
  if (wanted === undefined || current === wanted) return;
  faults.push(`${path.basename(module)}: is not what the schema files say; run npm run render:schemas`);
}

async function inspect(
  folder: string,
  module: string,
): Promise<SchemaCheck & { readonly current: PublishedSchemas }> {
  const faults: string[] = [];
  const unpublished: string[] = [];
  const current: Record<string, Record<string, Published>> = {};
  const published = await readPublished(folder, faults);
  const entries = await readdir(folder, { withFileTypes: true });
  const tables = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  for (const table of [...new Set([...tables, ...Object.keys(published)])].sort()) {
    const versions = tables.includes(table) ? await readTable(folder, table, faults) : [];
    const known = published[table] ?? {};
    checkReadable(versions, faults);
    checkPublished(table, versions, known, faults);
    for (const { schema } of versions) {
      if (known[schema.version] === undefined) unpublished.push(`${table}/v${schema.version}`);
    }
    current[table] = Object.fromEntries(
      versions.map(({ schema, published: entry }) => [schema.version, entry]),
    );
  }
  await checkModule(folder, module, faults);
  return { faults, unpublished, current };
}

/** Holds a folder of schemas and the module made of it against the rules; changes nothing. */
export async function checkSchemas(folder = FOLDER, module = MODULE): Promise<SchemaCheck> {
  const { faults, unpublished } = await inspect(folder, module);
  return { faults, unpublished };
}

/** Adds every new version to `published.json`, unless there are faults, which it returns. */
export async function publishSchemas(folder = FOLDER, module = MODULE): Promise<SchemaCheck> {
  const { faults, unpublished, current } = await inspect(folder, module);
  if (faults.length === 0) {
    await writeFile(path.join(folder, "published.json"), `${JSON.stringify(current, null, 2)}\n`);
  }
  return { faults, unpublished };
}

if (import.meta.main) {
  const publish = process.argv.includes("--publish");
  const { faults, unpublished } = publish ? await publishSchemas() : await checkSchemas();
  for (const fault of faults) process.stderr.write(`${fault}\n`);
  for (const version of unpublished) {
    const text = publish ? "published" : "is not published yet; run npm run publish:schemas";
    if (!publish || faults.length === 0) process.stderr.write(`schemas/${version}.avsc: ${text}\n`);
  }
  if (faults.length > 0 || (!publish && unpublished.length > 0)) process.exitCode = 1;
}
