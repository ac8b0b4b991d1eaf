import { z } from "zod";
import type { DataPlaneState, DeployedScript, ScriptVersion, VersionShare } from "../model.ts";
import { Database } from "./database.ts";
import { Queues } from "./queues.ts";
import { D1Databases, KvNamespaces, R2Buckets } from "./resources.ts";
import { Scripts, type StoredScript } from "./scripts.ts";
import { Deployments, type VersionRecord, Versions } from "./versions.ts";

const metaRow = z.object({ value: z.string() });

/** Everything that the control plane knows, in one SQLite file. */
export class Store {
  readonly #database: Database;
  readonly kv: KvNamespaces;
  readonly d1: D1Databases;
  readonly r2: R2Buckets;
  readonly queues: Queues;
  readonly scripts: Scripts;
  readonly versions: Versions;
  readonly deployments: Deployments;

  /**
   * Opens the state in `directory`; creates it when it is not there.
   * @throws {DirectoryInUseError} when another process serves it.
   */
  constructor(directory: string) {
    this.#database = new Database(directory);
    this.kv = new KvNamespaces(this.#database);
    this.d1 = new D1Databases(this.#database);
    this.r2 = new R2Buckets(this.#database);
    this.queues = new Queues(this.#database);
    this.scripts = new Scripts(this.#database);
    this.versions = new Versions(this.#database);
    this.deployments = new Deployments(this.#database);
  }

  begin(): void {
    this.#database.exec("BEGIN");
  }

  commit(): void {
    this.#database.exec("COMMIT");
  }

  rollback(): void {
    this.#database.exec("ROLLBACK");
  }

  getMeta(key: string): string | null {
    return this.#database.get(metaRow, "SELECT value FROM meta WHERE key = ?", key)?.value ?? null;
  }

  setMeta(key: string, value: string): void {
    this.#database.run(
      "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
      key,
      value,
    );
  }

  /** The version with its modules, as the data plane runs it. */
  load(record: VersionRecord): ScriptVersion {
    const { source: _source, triggeredBy: _trigger, etag, migrationTag: _tag, ...version } = record;
    return { ...version, modules: this.versions.modules(etag) };
  }

  /** What the data plane must run now. */
  dataPlaneState(): DataPlaneState {
    return {
      scripts: this.scripts.list().map((script) => this.#deployed(script)),
      kvNamespaceIds: this.kv.list().map(({ id }) => id),
      d1DatabaseIds: this.d1.list().map(({ id }) => id),
      r2BucketNames: this.r2.list().map(({ name }) => name),
      queues: this.queues.list().map(({ createdAt: _created, modifiedAt: _modified, ...queue }) => queue),
      consumers: this.queues.consumers().map(({ createdAt: _created, ...consumer }) => consumer),
    };
  }

  close(): void {
    this.#database.close();
  }

  #deployed(script: StoredScript): DeployedScript {
    return {
      name: script.name,
      port: script.port,
      versions: this.#shares(script.name),
      durableObjectClasses: this.scripts
        .classesOf(script.name)
        .map(({ className, sqlite }) => ({ className, sqlite })),
      crons: script.crons,
      public: script.subdomainEnabled,
    };
  }

  #shares(scriptName: string): VersionShare[] {
    const shares: VersionShare[] = [];
    for (const { versionId, percentage } of this.deployments.current(scriptName)?.versions ?? []) {
      const record = this.versions.get(scriptName, versionId);
      if (record !== null) {
        shares.push({ version: this.load(record), percentage });
      }
    }
    return shares;
  }
}
