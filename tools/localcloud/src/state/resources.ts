import { z } from "zod";
import { jsonColumn } from "./columns.ts";
import type { Database } from "./database.ts";

export interface KvNamespace {
  /** 32 hex digits. */
  readonly id: string;
  readonly title: string;
}

export interface D1DatabaseRecord {
  /** UUID. */
  readonly id: string;
  readonly name: string;
  /** Milliseconds UTC. */
  readonly createdAt: number;
  readonly readReplication: string;
}

export interface R2BucketRecord {
  readonly name: string;
  /** Milliseconds UTC. */
  readonly createdAt: number;
  readonly location: string | null;
  readonly storageClass: string;
  /** Lifecycle rules, in the API's own shape. */
  readonly lifecycle: readonly unknown[];
}

const kvRow = z.object({ id: z.string(), title: z.string() });

/** KV namespaces: id and title; their keys live in the data plane. */
export class KvNamespaces {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  list(): KvNamespace[] {
    return this.#database.all(kvRow, "SELECT id, title FROM kv_namespaces ORDER BY title");
  }

  get(id: string): KvNamespace | null {
    return this.#database.get(kvRow, "SELECT id, title FROM kv_namespaces WHERE id = ?", id);
  }

  byTitle(title: string): KvNamespace | null {
    return this.#database.get(kvRow, "SELECT id, title FROM kv_namespaces WHERE title = ?", title);
  }

  put(namespace: KvNamespace): void {
    this.#database.run(
      "INSERT INTO kv_namespaces (id, title) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET title = excluded.title",
      namespace.id,
      namespace.title,
    );
  }

  delete(id: string): void {
    this.#database.run("DELETE FROM kv_namespaces WHERE id = ?", id);
  }
}

const d1Row = z
  .object({ id: z.string(), name: z.string(), created_at: z.number(), read_replication: z.string() })
  .transform((row): D1DatabaseRecord => ({
    id: row.id,
    name: row.name,
    createdAt: row.created_at,
    readReplication: row.read_replication,
  }));

/** D1 databases: identity and settings; their tables live in the data plane. */
export class D1Databases {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  list(): D1DatabaseRecord[] {
    return this.#database.all(d1Row, "SELECT * FROM d1_databases ORDER BY created_at, name");
  }

  /** By id or by name: Cloudflare's own route takes either. */
  get(idOrName: string): D1DatabaseRecord | null {
    return this.#database.get(d1Row, "SELECT * FROM d1_databases WHERE id = ?1 OR name = ?1", idOrName);
  }

  put(record: D1DatabaseRecord): void {
    this.#database.run(
      `INSERT INTO d1_databases (id, name, created_at, read_replication) VALUES (?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET read_replication = excluded.read_replication`,
      record.id,
      record.name,
      record.createdAt,
      record.readReplication,
    );
  }

  delete(id: string): void {
    this.#database.run("DELETE FROM d1_databases WHERE id = ?", id);
  }
}

const r2Row = z
  .object({
    name: z.string(),
    created_at: z.number(),
    location: z.string().nullable(),
    storage_class: z.string(),
    lifecycle: jsonColumn(z.array(z.unknown())),
  })
  .transform((row): R2BucketRecord => ({
    name: row.name,
    createdAt: row.created_at,
    location: row.location,
    storageClass: row.storage_class,
    lifecycle: row.lifecycle,
  }));

/** R2 buckets with their lifecycle rules; their objects live in the data plane. */
export class R2Buckets {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  list(): R2BucketRecord[] {
    return this.#database.all(r2Row, "SELECT * FROM r2_buckets ORDER BY name");
  }

  get(name: string): R2BucketRecord | null {
    return this.#database.get(r2Row, "SELECT * FROM r2_buckets WHERE name = ?", name);
  }

  put(bucket: R2BucketRecord): void {
    this.#database.run(
      `INSERT INTO r2_buckets (name, created_at, location, storage_class, lifecycle) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET storage_class = excluded.storage_class, lifecycle = excluded.lifecycle`,
      bucket.name,
      bucket.createdAt,
      bucket.location,
      bucket.storageClass,
      JSON.stringify(bucket.lifecycle),
    );
  }

  delete(name: string): void {
    this.#database.run("DELETE FROM r2_buckets WHERE name = ?", name);
  }
}
