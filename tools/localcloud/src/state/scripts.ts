import { z } from "zod";
import type { DurableObjectClass } from "../model.ts";
import { booleanColumn, jsonColumn } from "./columns.ts";
import type { Database } from "./database.ts";

/** A Worker, with or without code, and everything of it that is not versioned. */
export interface StoredScript {
  readonly name: string;
  /** 32 hex digits: the id in the `workers/workers` API. */
  readonly id: string;
  /** 32 hex digits: the tag that `services` reports. */
  readonly tag: string;
  /** Loopback port, assigned at creation. */
  readonly port: number;
  /** Milliseconds UTC. */
  readonly createdAt: number;
  /** Milliseconds UTC. */
  readonly modifiedAt: number;
  readonly subdomainEnabled: boolean;
  readonly previewsEnabled: boolean;
  readonly logpush: boolean;
  /** In the API's own shape. */
  readonly observability: Readonly<Record<string, unknown>>;
  readonly tags: readonly string[];
  /** Tag of the last Durable Object migration applied. */
  readonly migrationTag: string | null;
  readonly crons: readonly string[];
}

export interface StoredDurableObjectClass extends DurableObjectClass {
  /** 32 hex digits: the namespace's id. */
  readonly id: string;
  readonly scriptName: string;
}

const scriptRow = z
  .object({
    name: z.string(),
    id: z.string(),
    tag: z.string(),
    port: z.number(),
    created_at: z.number(),
    modified_at: z.number(),
    subdomain_enabled: booleanColumn,
    previews_enabled: booleanColumn,
    logpush: booleanColumn,
    observability: jsonColumn(z.record(z.string(), z.unknown())),
    tags: jsonColumn(z.array(z.string())),
    migration_tag: z.string().nullable(),
    crons: jsonColumn(z.array(z.string())),
  })
  .transform((row): StoredScript => ({
    name: row.name,
    id: row.id,
    tag: row.tag,
    port: row.port,
    createdAt: row.created_at,
    modifiedAt: row.modified_at,
    subdomainEnabled: row.subdomain_enabled,
    previewsEnabled: row.previews_enabled,
    logpush: row.logpush,
    observability: row.observability,
    tags: row.tags,
    migrationTag: row.migration_tag,
    crons: row.crons,
  }));

const classRow = z
  .object({ id: z.string(), script_name: z.string(), class_name: z.string(), sqlite: booleanColumn })
  .transform((row): StoredDurableObjectClass => ({
    id: row.id,
    scriptName: row.script_name,
    className: row.class_name,
    sqlite: row.sqlite,
  }));

/** Scripts and the Durable Object classes that they own. */
export class Scripts {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  list(): StoredScript[] {
    return this.#database.all(scriptRow, "SELECT * FROM scripts ORDER BY name");
  }

  get(name: string): StoredScript | null {
    return this.#database.get(scriptRow, "SELECT * FROM scripts WHERE name = ?", name);
  }

  /** By id or by name: the `workers/workers` routes take either. */
  find(idOrName: string): StoredScript | null {
    return this.#database.get(scriptRow, "SELECT * FROM scripts WHERE id = ?1 OR name = ?1", idOrName);
  }

  put(script: StoredScript): void {
    this.#database.run(
      `INSERT INTO scripts
         (name, id, tag, port, created_at, modified_at, subdomain_enabled, previews_enabled, logpush,
          observability, tags, migration_tag, crons)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET name = excluded.name, modified_at = excluded.modified_at,
         subdomain_enabled = excluded.subdomain_enabled, previews_enabled = excluded.previews_enabled,
         logpush = excluded.logpush, observability = excluded.observability, tags = excluded.tags,
         migration_tag = excluded.migration_tag, crons = excluded.crons`,
      script.name,
      script.id,
      script.tag,
      script.port,
      script.createdAt,
      script.modifiedAt,
      script.subdomainEnabled ? 1 : 0,
      script.previewsEnabled ? 1 : 0,
      script.logpush ? 1 : 0,
      JSON.stringify(script.observability),
      JSON.stringify(script.tags),
      script.migrationTag,
      JSON.stringify(script.crons),
    );
  }

  /** Deletes the script with its versions, deployments, classes and consumers. */
  delete(name: string): void {
    this.#database.run("DELETE FROM scripts WHERE name = ?", name);
    this.#database.run("DELETE FROM bundles WHERE etag NOT IN (SELECT etag FROM versions)");
  }

  durableObjectClasses(): StoredDurableObjectClass[] {
    return this.#database.all(
      classRow,
      "SELECT * FROM durable_object_classes ORDER BY script_name, class_name",
    );
  }

  classesOf(scriptName: string): StoredDurableObjectClass[] {
    return this.durableObjectClasses().filter((owned) => owned.scriptName === scriptName);
  }

  /** Makes `classes` the whole set that the script owns. */
  setClasses(scriptName: string, classes: readonly StoredDurableObjectClass[]): void {
    this.#database.run("DELETE FROM durable_object_classes WHERE script_name = ?", scriptName);
    for (const owned of classes) {
      this.#database.run(
        "INSERT INTO durable_object_classes (id, script_name, class_name, sqlite) VALUES (?, ?, ?, ?)",
        owned.id,
        scriptName,
        owned.className,
        owned.sqlite ? 1 : 0,
      );
    }
  }
}
