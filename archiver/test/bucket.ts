/** What really lies in storage: every object's bytes, every row of every table. */
import { env } from "cloudflare:workers";
import { type FileLabels, parseLabels } from "../src/integrity/index.ts";
import { readFile } from "../src/ocf/index.ts";
import { decodeRecord, recordBytes, registry, scanRecords } from "../src/tables/index.ts";

/** A record as an object holds it. */
export interface StoredRecord {
  readonly datasetId: string;
  /** The record as JSON. */
  readonly text: string;
}

/** An archive file, read without the index. */
export interface StoredFile {
  readonly key: string;
  readonly labels: FileLabels;
  readonly records: readonly StoredRecord[];
  /** Hex of each block's bytes, by dataset. */
  readonly blocks: readonly { readonly datasetId: string; readonly hex: string }[];
}

/** Keys of every object, sorted. */
export async function bucketKeys(): Promise<readonly string[]> {
  const { objects } = await env.COLD.list();
  return objects.map(({ key }) => key);
}

/** The bytes of an object that has to be there. */
export async function objectBytes(key: string): Promise<Uint8Array<ArrayBuffer>> {
  const object = await env.COLD.get(key);
  if (object === null) throw new Error(`there is no object ${key}`);
  return new Uint8Array(await object.arrayBuffer());
}

/** Reads every archive file of the bucket whole. */
export async function bucketFiles(): Promise<readonly StoredFile[]> {
  const files: StoredFile[] = [];
  for (const key of await bucketKeys()) {
    if (key.endsWith(".avro")) files.push(storedFile(key, await objectBytes(key)));
  }
  return files;
}

function storedFile(key: string, bytes: Uint8Array): StoredFile {
  const { header, blocks } = readFile(bytes);
  const labels = parseLabels(header);
  const schema = registry.find(labels.table, labels.fingerprint);
  if (schema === undefined) throw new Error(`${key} has an unknown schema`);
  const owners = labels.datasets.flatMap(([datasetId, count]) =>
    Array.from({ length: count }, () => datasetId),
  );
  const records: StoredRecord[] = [];
  const framed: { datasetId: string; hex: string }[] = [];
  for (const block of blocks) {
    const datasetId = owners[records.length] ?? "nobody";
    framed.push({
      datasetId,
      hex: Buffer.from(bytes.subarray(block.start, block.start + block.length)).toString("hex"),
    });
    const run = scanRecords(schema, block.records, block.recordCount);
    for (let index = 0; index < block.recordCount; index += 1) {
      records.push({ datasetId, text: JSON.stringify(decodeRecord(schema, recordBytes(run, index))) });
    }
  }
  return { key, labels, records, blocks: framed };
}

/** Every row of every table as text, base64 values also decoded. */
export async function databaseText(): Promise<string> {
  const { results: tables } = await env.DB.prepare(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_cf%' ESCAPE '\\'",
  ).all<{ name: string }>();
  const texts: string[] = [];
  for (const { name } of tables) {
    const { results } = await env.DB.prepare(`SELECT * FROM "${name}"`).all<Record<string, unknown>>();
    for (const row of results) {
      const values = Object.values(row).map(String);
      texts.push(
        JSON.stringify([name, row]),
        ...values.map((value) => Buffer.from(value, "base64").toString("latin1")),
      );
    }
  }
  return texts.join("\n");
}

/** Parents before children: a row's file has to be there. */
async function tableNames(): Promise<readonly string[]> {
  const { results } = await env.DB.prepare(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\' AND name <> 'd1_migrations'",
  ).all<{ name: string }>();
  const names = results.map(({ name }) => name).filter((name) => name !== "block_indexes");
  return [...names, "block_indexes"];
}

/** Everything that is stored, to be put back. */
export interface StoragePicture {
  readonly tables: readonly {
    readonly name: string;
    readonly rows: readonly Readonly<Record<string, unknown>>[];
  }[];
  readonly objects: readonly {
    readonly key: string;
    readonly bytes: ArrayBuffer;
    readonly customMetadata: Record<string, string>;
  }[];
}

/** Copies everything that is stored. */
export async function pictureStorage(): Promise<StoragePicture> {
  const tables = [];
  for (const name of await tableNames()) {
    const { results } = await env.DB.prepare(`SELECT * FROM "${name}"`).all<Record<string, unknown>>();
    tables.push({ name, rows: results });
  }
  const objects = [];
  for (const key of await bucketKeys()) {
    const object = await env.COLD.get(key);
    if (object === null) continue;
    objects.push({ key, bytes: await object.arrayBuffer(), customMetadata: object.customMetadata ?? {} });
  }
  return { tables, objects };
}

/** Puts storage back as it was; only the objects' upload times are new. */
export async function restoreStorage({ tables, objects }: StoragePicture): Promise<void> {
  const statements = tables.toReversed().map(({ name }) => env.DB.prepare(`DELETE FROM "${name}"`));
  for (const { name, rows } of tables) {
    const [first] = rows;
    if (first === undefined) continue;
    const columns = Object.keys(first);
    const values = columns.map((column) => `value ->> '${column}'`).join(", ");
    const list = columns.map((column) => `"${column}"`).join(", ");
    if (name === "sqlite_sequence") statements.push(env.DB.prepare("DELETE FROM sqlite_sequence"));
    statements.push(
      env.DB.prepare(`INSERT INTO "${name}" (${list}) SELECT ${values} FROM json_each(?1)`).bind(
        JSON.stringify(rows),
      ),
    );
  }
  await env.DB.batch(statements);
  const kept = new Set(objects.map(({ key }) => key));
  const present = new Set(await bucketKeys());
  await env.COLD.delete([...present].filter((key) => !kept.has(key)));
  for (const { key, bytes, customMetadata } of objects) {
    if (!present.has(key)) await env.COLD.put(key, bytes, { customMetadata });
  }
}
