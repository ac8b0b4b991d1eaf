/**
 * What exists, as pure data. Everything else (the Pulumi program, the wrangler
 * configs, the test configs, the binding types) is derived from this file; no
 * name is written a second time and no id is written by hand at all.
 */

export const ENVIRONMENTS = ["local", "staging", "production"] as const;
export type Environment = (typeof ENVIRONMENTS)[number];

export const WORKER_KEYS = ["archiver", "hub-canary", "hub"] as const;
export type WorkerKey = (typeof WORKER_KEYS)[number];

export const KV_KEYS = ["cache", "snapshots"] as const;
export type KvKey = (typeof KV_KEYS)[number];

export const D1_KEYS = ["hub", "archive"] as const;
export type D1Key = (typeof D1_KEYS)[number];

export const R2_KEYS = ["media", "cold", "backups"] as const;
export type R2Key = (typeof R2_KEYS)[number];

export const QUEUE_KEYS = ["ingest", "ingest-dlq"] as const;
export type QueueKey = (typeof QUEUE_KEYS)[number];

/** Settings that a stack file may change; see `infra/config.ts`. */
export interface StackSettings {
  /** Days after which cold archive objects are deleted; `null` keeps them for ever. */
  coldExpiryDays: number | null;
  /** Days after which backups are deleted. */
  backupExpiryDays: number;
  /** Standard five-field cron expressions on which the archiver runs. */
  archiveCrons: readonly string[];
  /** How long an undelivered queue message is kept, in seconds. */
  queueRetentionSeconds: number;
  /** How long a record stays in D1 before a run may archive it, in seconds. */
  hotWindowSeconds: number;
  /** Bytes of records that a block of an archive file aims at, before compression. */
  archiveBlockBytes: number;
  /** Bytes of records that a file of an archive run aims at, before compression. */
  archiveFileBytes: number;
  /** How the blocks of archive files are compressed. */
  archiveCodec: ArchiveCodec;
  /** Whether tables without a schema take records, as time and JSON. */
  genericTables: GenericTables;
}

export const ARCHIVE_CODECS = ["deflate", "zstandard", "null"] as const;
export type ArchiveCodec = (typeof ARCHIVE_CODECS)[number];

export const GENERIC_TABLES = ["allow", "refuse"] as const;
export type GenericTables = (typeof GENERIC_TABLES)[number];

export interface KvNamespace {
  readonly title: string;
}

export interface D1Database {
  readonly name: string;
  readonly readReplication: "auto" | "disabled";
  /** Folder of migrations, relative to the repository. */
  readonly migrations: string;
}

export type LifecycleRule =
  | { readonly id: string; readonly kind: "abort-multipart"; readonly afterSeconds: number }
  | { readonly id: string; readonly kind: "expire"; readonly afterSeconds: number };

export interface R2Bucket {
  readonly name: string;
  readonly lifecycle: readonly LifecycleRule[];
}

export interface Queue {
  readonly name: string;
  readonly deliveryDelaySeconds: number;
  readonly retentionSeconds: number;
}

export type Binding =
  | { readonly kind: "kv"; readonly name: string; readonly namespace: KvKey }
  | { readonly kind: "d1"; readonly name: string; readonly database: D1Key }
  | { readonly kind: "r2"; readonly name: string; readonly bucket: R2Key }
  | { readonly kind: "queue"; readonly name: string; readonly queue: QueueKey }
  | {
      readonly kind: "service";
      readonly name: string;
      readonly worker: WorkerKey;
      readonly entrypoint?: string;
    }
  | { readonly kind: "durable-object"; readonly name: string; readonly className: string }
  | { readonly kind: "version-metadata"; readonly name: string };

export interface QueueConsumer {
  readonly queue: QueueKey;
  /** `null` where a message that fails too often is gone. */
  readonly deadLetter: QueueKey | null;
  readonly maxBatchSize: number;
  readonly maxBatchTimeoutSeconds: number;
  readonly maxRetries: number;
}

export interface DurableObjectMigration {
  readonly tag: string;
  readonly newSqliteClasses: readonly string[];
}

export interface Worker {
  readonly name: string;
  /** Entry module, relative to the repository. */
  readonly main: string;
  readonly bindings: readonly Binding[];
  readonly vars: Readonly<Record<string, string>>;
  /** Names of the secrets that the Worker needs to run. */
  readonly secrets: readonly string[];
  readonly consumers: readonly QueueConsumer[];
  readonly durableObjectMigrations: readonly DurableObjectMigration[];
  readonly crons: readonly string[];
  /** Whether the Worker has a public workers.dev address. */
  readonly workersDev: boolean;
}

export interface Topology {
  readonly environment: Environment;
  /** What the stack chose; everything below follows from it. */
  readonly settings: StackSettings;
  /** Whether Pulumi refuses to delete or replace what holds data or code. */
  readonly protect: boolean;
  readonly compatibilityDate: string;
  readonly compatibilityFlags: readonly string[];
  readonly kv: Readonly<Record<KvKey, KvNamespace>>;
  readonly d1: Readonly<Record<D1Key, D1Database>>;
  readonly r2: Readonly<Record<R2Key, R2Bucket>>;
  readonly queues: Readonly<Record<QueueKey, Queue>>;
  readonly workers: Readonly<Record<WorkerKey, Worker>>;
}

const DAY_SECONDS = 86_400;
const ABORT_MULTIPART_AFTER_DAYS = 7;

/** avsc compiles at start-up only, which needs a date of 2025-06-01 or later. */
export const COMPATIBILITY_DATE = "2026-11-17";

const ARCHIVE_FILES = {
  archiveBlockBytes: 64 * 1024,
  archiveFileBytes: 4 * 1024 * 1024,
  archiveCodec: "deflate",
  genericTables: "refuse",
} as const;

const DEFAULTS: Readonly<Record<Environment, StackSettings>> = {
  local: {
    ...ARCHIVE_FILES,
    hotWindowSeconds: 0,
    coldExpiryDays: 30,
    backupExpiryDays: 90,
    archiveCrons: ["*/5 * * * *"],
    queueRetentionSeconds: 4 * DAY_SECONDS,
  },
  staging: {
    ...ARCHIVE_FILES,
    hotWindowSeconds: 900,
    coldExpiryDays: 30,
    backupExpiryDays: 90,
    archiveCrons: ["7 * * * *"],
    queueRetentionSeconds: 4 * DAY_SECONDS,
  },
  production: {
    ...ARCHIVE_FILES,
    hotWindowSeconds: 900,
    coldExpiryDays: null,
    backupExpiryDays: 90,
    archiveCrons: ["7 * * * *"],
    queueRetentionSeconds: 14 * DAY_SECONDS,
  },
};

/** The settings that hold where a stack file says nothing. */
export function defaultSettings(environment: Environment): StackSettings {
  return DEFAULTS[environment];
}

/** `strata-<thing>[-<env>]`; production has no suffix. */
export function resourceName(thing: string, environment: Environment): string {
  return environment === "production" ? `strata-${thing}` : `strata-${thing}-${environment}`;
}

function abortMultipart(): LifecycleRule {
  return {
    id: `abort-multipart-${ABORT_MULTIPART_AFTER_DAYS}d`,
    kind: "abort-multipart",
    afterSeconds: ABORT_MULTIPART_AFTER_DAYS * DAY_SECONDS,
  };
}

function expireAfter(days: number): LifecycleRule {
  return { id: `expire-${days}d`, kind: "expire", afterSeconds: days * DAY_SECONDS };
}

function hubBindings(): readonly Binding[] {
  return [
    { kind: "kv", name: "CACHE", namespace: "cache" },
    { kind: "kv", name: "SNAPSHOTS", namespace: "snapshots" },
    { kind: "d1", name: "DB", database: "hub" },
    { kind: "r2", name: "MEDIA", bucket: "media" },
    { kind: "service", name: "ARCHIVER", worker: "archiver", entrypoint: "ArchiveService" },
    { kind: "version-metadata", name: "VERSION" },
  ];
}

const HUB_SECRETS = ["BOOTSTRAP_API_KEY", "ADMIN_TOKEN"] as const;

/**
 * The topology of one environment.
 *
 * The canary is the hub's own bundle under a second script name. It has no
 * rollout object and no canary of its own: the stable hub decides who is sent
 * to it, measures what it answers and takes the traffic back.
 */
export function topology(
  environment: Environment,
  settings: StackSettings = defaultSettings(environment),
): Topology {
  const name = (thing: string): string => resourceName(thing, environment);
  const queue = (thing: string): Queue => ({
    name: name(thing),
    deliveryDelaySeconds: 0,
    retentionSeconds: settings.queueRetentionSeconds,
  });

  return {
    environment,
    settings,
    protect: environment !== "local",
    compatibilityDate: COMPATIBILITY_DATE,
    compatibilityFlags: ["nodejs_compat"],
    kv: {
      cache: { title: name("cache") },
      snapshots: { title: name("snapshots") },
    },
    d1: {
      hub: { name: name("hub"), readReplication: "disabled", migrations: "migrations/hub" },
      archive: { name: name("archive"), readReplication: "disabled", migrations: "migrations/archive" },
    },
    r2: {
      media: { name: name("media"), lifecycle: [abortMultipart()] },
      cold: {
        name: name("cold"),
        lifecycle:
          settings.coldExpiryDays === null
            ? [abortMultipart()]
            : [abortMultipart(), expireAfter(settings.coldExpiryDays)],
      },
      backups: {
        name: name("backups"),
        lifecycle: [abortMultipart(), expireAfter(settings.backupExpiryDays)],
      },
    },
    queues: { ingest: queue("ingest"), "ingest-dlq": queue("ingest-dlq") },
    workers: {
      archiver: {
        name: name("archiver"),
        main: "archiver/src/index.ts",
        bindings: [
          { kind: "d1", name: "DB", database: "archive" },
          { kind: "r2", name: "COLD", bucket: "cold" },
          { kind: "queue", name: "INGEST", queue: "ingest" },
          { kind: "queue", name: "DEAD_LETTERS", queue: "ingest-dlq" },
          { kind: "version-metadata", name: "VERSION" },
        ],
        vars: {
          ENVIRONMENT: environment,
          COLD_EXPIRY_DAYS: String(settings.coldExpiryDays ?? "never"),
          HOT_WINDOW_SECONDS: String(settings.hotWindowSeconds),
          ARCHIVE_BLOCK_BYTES: String(settings.archiveBlockBytes),
          ARCHIVE_FILE_BYTES: String(settings.archiveFileBytes),
          ARCHIVE_CODEC: settings.archiveCodec,
          GENERIC_TABLES: settings.genericTables,
        },
        secrets: ["ADMIN_TOKEN"],
        consumers: [
          {
            queue: "ingest",
            deadLetter: "ingest-dlq",
            maxBatchSize: 100,
            maxBatchTimeoutSeconds: 1,
            maxRetries: 25,
          },
          {
            // Dead letters are moved to the database, where an operator can list them.
            queue: "ingest-dlq",
            deadLetter: null,
            maxBatchSize: 100,
            maxBatchTimeoutSeconds: 5,
            maxRetries: 100,
          },
        ],
        durableObjectMigrations: [],
        crons: settings.archiveCrons,
        workersDev: environment === "local",
      },
      "hub-canary": {
        name: name("hub-canary"),
        main: "worker/src/index.ts",
        bindings: hubBindings(),
        vars: { ENVIRONMENT: environment, LANE: "canary" },
        secrets: HUB_SECRETS,
        consumers: [],
        durableObjectMigrations: [],
        crons: [],
        workersDev: environment === "local",
      },
      hub: {
        name: name("hub"),
        main: "worker/src/index.ts",
        bindings: [
          ...hubBindings(),
          { kind: "service", name: "CANARY", worker: "hub-canary" },
          { kind: "durable-object", name: "ROLLOUT", className: "RolloutController" },
        ],
        vars: { ENVIRONMENT: environment, LANE: "stable" },
        secrets: HUB_SECRETS,
        consumers: [],
        durableObjectMigrations: [{ tag: "v1", newSqliteClasses: ["RolloutController"] }],
        crons: [],
        workersDev: true,
      },
    },
  };
}
