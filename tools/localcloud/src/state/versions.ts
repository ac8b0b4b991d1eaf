import { createHash } from "node:crypto";
import { z } from "zod";
import type { ScriptModule, ScriptVersion } from "../model.ts";
import { bindingSchema, jsonColumn } from "./columns.ts";
import type { Database } from "./database.ts";

/** Where an upload or a deployment came from, by the client's own name. */
export type Source = "wrangler" | "terraform" | "api";

/** What Cloudflare notes as the cause of a version or deployment. */
export type Trigger = "upload" | "secret";

/** A version without its modules: what lists and lookups need. */
export interface VersionRecord extends Omit<ScriptVersion, "modules"> {
  readonly source: Source;
  readonly triggeredBy: Trigger | null;
  /** SHA-256 of the bundle, in hex; versions with the same code share it. */
  readonly etag: string;
  /** The script's migration tag when the version was uploaded. */
  readonly migrationTag: string | null;
}

export interface StoredDeployment {
  readonly id: string;
  readonly scriptName: string;
  /** Milliseconds UTC. */
  readonly createdAt: number;
  readonly source: Source;
  readonly triggeredBy: Trigger | null;
  readonly message: string | null;
  /** One or two versions; percentages sum to 100. */
  readonly versions: readonly { readonly versionId: string; readonly percentage: number }[];
}

const sourceSchema: z.ZodType<Source> = z.enum(["wrangler", "terraform", "api"]);
const triggerSchema: z.ZodType<Trigger | null> = z.enum(["upload", "secret"]).nullable();

const versionRow = z
  .object({
    id: z.string(),
    script_name: z.string(),
    number: z.number(),
    created_at: z.number(),
    source: sourceSchema,
    triggered_by: triggerSchema,
    tag: z.string().nullable(),
    message: z.string().nullable(),
    etag: z.string(),
    main_module: z.string(),
    compatibility_date: z.string(),
    compatibility_flags: jsonColumn(z.array(z.string())),
    bindings: jsonColumn(z.array(bindingSchema)),
    migration_tag: z.string().nullable(),
  })
  .transform((row): VersionRecord => ({
    id: row.id,
    scriptName: row.script_name,
    number: row.number,
    createdAt: row.created_at,
    source: row.source,
    triggeredBy: row.triggered_by,
    tag: row.tag,
    message: row.message,
    etag: row.etag,
    mainModule: row.main_module,
    compatibilityDate: row.compatibility_date,
    compatibilityFlags: row.compatibility_flags,
    bindings: row.bindings,
    migrationTag: row.migration_tag,
  }));

const moduleRow: z.ZodType<ScriptModule> = z.object({
  name: z.string(),
  type: z.enum(["esm", "commonjs", "wasm", "text", "data", "json"]),
  contents: z.instanceof(Uint8Array),
});

const deploymentRow = z
  .object({
    id: z.string(),
    script_name: z.string(),
    created_at: z.number(),
    source: sourceSchema,
    triggered_by: triggerSchema,
    message: z.string().nullable(),
    versions: jsonColumn(z.array(z.object({ versionId: z.string(), percentage: z.number() }))),
  })
  .transform((row): StoredDeployment => ({
    id: row.id,
    scriptName: row.script_name,
    createdAt: row.created_at,
    source: row.source,
    triggeredBy: row.triggered_by,
    message: row.message,
    versions: row.versions,
  }));

const SELECT_VERSION = "SELECT v.*, b.main_module FROM versions v JOIN bundles b USING (etag)";

/** A hash of the code alone: equal bundles are stored once. */
export function bundleEtag(mainModule: string, modules: readonly ScriptModule[]): string {
  const hash = createHash("sha256").update(mainModule);
  for (const module of modules) {
    hash.update(`\0${module.name}\0${module.type}\0${module.contents.byteLength}\0`).update(module.contents);
  }
  return hash.digest("hex");
}

/** Immutable versions of scripts, with their bundles. */
export class Versions {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Newest first. */
  list(scriptName: string): VersionRecord[] {
    return this.#database.all(
      versionRow,
      `${SELECT_VERSION} WHERE v.script_name = ? ORDER BY v.number DESC`,
      scriptName,
    );
  }

  latest(scriptName: string): VersionRecord | null {
    return this.#database.get(
      versionRow,
      `${SELECT_VERSION} WHERE v.script_name = ? ORDER BY v.number DESC LIMIT 1`,
      scriptName,
    );
  }

  get(scriptName: string, id: string): VersionRecord | null {
    return this.#database.get(
      versionRow,
      `${SELECT_VERSION} WHERE v.script_name = ? AND v.id = ?`,
      scriptName,
      id,
    );
  }

  modules(etag: string): ScriptModule[] {
    return this.#database.all(
      moduleRow,
      "SELECT name, type, contents FROM bundle_modules WHERE etag = ? ORDER BY position",
      etag,
    );
  }

  /** Stores a version; its modules are stored only when no other version has the same bundle. */
  insert(version: VersionRecord, modules: readonly ScriptModule[]): void {
    const known = this.#database.get(
      z.object({ etag: z.string() }),
      "SELECT etag FROM bundles WHERE etag = ?",
      version.etag,
    );
    if (known === null) {
      this.#insertBundle(version, modules);
    }
    this.#database.run(
      `INSERT INTO versions
         (id, script_name, number, created_at, source, triggered_by, tag, message, etag,
          compatibility_date, compatibility_flags, bindings, migration_tag)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      version.id,
      version.scriptName,
      version.number,
      version.createdAt,
      version.source,
      version.triggeredBy,
      version.tag,
      version.message,
      version.etag,
      version.compatibilityDate,
      JSON.stringify(version.compatibilityFlags),
      JSON.stringify(version.bindings),
      version.migrationTag,
    );
  }

  #insertBundle(version: VersionRecord, modules: readonly ScriptModule[]): void {
    this.#database.run(
      "INSERT INTO bundles (etag, main_module) VALUES (?, ?)",
      version.etag,
      version.mainModule,
    );
    for (const [position, module] of modules.entries()) {
      this.#database.run(
        "INSERT INTO bundle_modules (etag, position, name, type, contents) VALUES (?, ?, ?, ?, ?)",
        version.etag,
        position,
        module.name,
        module.type,
        module.contents,
      );
    }
  }
}

/** Deployments: which versions serve a script, and in which shares. */
export class Deployments {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Newest first, at most `limit`. */
  list(scriptName: string, limit: number): StoredDeployment[] {
    return this.#database.all(
      deploymentRow,
      "SELECT * FROM deployments WHERE script_name = ? ORDER BY sequence DESC LIMIT ?",
      scriptName,
      limit,
    );
  }

  current(scriptName: string): StoredDeployment | null {
    return this.list(scriptName, 1)[0] ?? null;
  }

  get(scriptName: string, id: string): StoredDeployment | null {
    return this.#database.get(
      deploymentRow,
      "SELECT * FROM deployments WHERE script_name = ? AND id = ?",
      scriptName,
      id,
    );
  }

  insert(deployment: StoredDeployment): void {
    this.#database.run(
      `INSERT INTO deployments (id, script_name, created_at, source, triggered_by, message, versions)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
      deployment.id,
      deployment.scriptName,
      deployment.createdAt,
      deployment.source,
      deployment.triggeredBy,
      deployment.message,
      JSON.stringify(deployment.versions),
    );
  }
}
