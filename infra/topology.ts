/**
 * What exists, as pure data. Everything else (the Pulumi program, the wrangler
 * configs, the test configs, the binding types) is derived from this file; no
 * name is written a second time and no id is written by hand at all.
 */

export const ENVIRONMENTS = ["local", "staging", "production"] as const;
export type Environment = (typeof ENVIRONMENTS)[number];

/** In the order of their first release: each binds only what stands before it. */
export const WORKER_KEYS = ["archiver-canary", "archiver", "hub-canary", "hub"] as const;
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
  /** Names of secrets that it can do without; a release writes those that are known. */
  readonly optionalSecrets: readonly string[];
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

/** A value for each Worker. */
export function byWorker<T>(value: (key: WorkerKey) => T): Readonly<Record<WorkerKey, T>> {
  return {
    "archiver-canary": value("archiver-canary"),
    archiver: value("archiver"),
    "hub-canary": value("hub-canary"),
    hub: value("hub"),
  };
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

function hubBindings(archiver: WorkerKey): readonly Binding[] {
  return [
    { kind: "kv", name: "CACHE", namespace: "cache" },
    { kind: "kv", name: "SNAPSHOTS", namespace: "snapshots" },
    { kind: "d1", name: "DB", database: "hub" },
    { kind: "r2", name: "MEDIA", bucket: "media" },
    { kind: "service", name: "ARCHIVER", worker: archiver, entrypoint: "ArchiveService" },
    { kind: "version-metadata", name: "VERSION" },
  ];
}

const HUB_SECRETS = ["BOOTSTRAP_API_KEY", "ADMIN_TOKEN"] as const;

/** Where the rollout tells what it does, and the key with which it signs webhooks. */
const ROLLOUT_SECRETS = [
  "ROLLOUT_WEBHOOK_KEY",
  "NOTIFY_SLACK_URL",
  "NOTIFY_DISCORD_URL",
  "NOTIFY_WEBHOOK_URL",
] as const;

function archiverBindings(): readonly Binding[] {
  return [
    { kind: "d1", name: "DB", database: "archive" },
    { kind: "r2", name: "COLD", bucket: "cold" },
    { kind: "queue", name: "INGEST", queue: "ingest" },
    { kind: "queue", name: "DEAD_LETTERS", queue: "ingest-dlq" },
    { kind: "version-metadata", name: "VERSION" },
  ];
}

function archiverVars(environment: Environment, settings: StackSettings, lane: string): Worker["vars"] {
  return {
    ENVIRONMENT: environment,
    LANE: lane,
    COLD_EXPIRY_DAYS: String(settings.coldExpiryDays ?? "never"),
    HOT_WINDOW_SECONDS: String(settings.hotWindowSeconds),
    ARCHIVE_BLOCK_BYTES: String(settings.archiveBlockBytes),
    ARCHIVE_FILE_BYTES: String(settings.archiveFileBytes),
    ARCHIVE_CODEC: settings.archiveCodec,
    GENERIC_TABLES: settings.genericTables,
  };
}

/**
 * The topology of one environment.
 *
 * Each Worker has a canary: a second script with the same bindings, but no
 * triggers and no canary of its own. The stable hub decides who is sent to the
 * hub's canary, measures what it answers and takes the traffic back; the stable
 * archiver hands queue messages and crons to the archiver's. The two canaries
 * call each other, so that a release of both is met as a whole.
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
      "archiver-canary": {
        name: name("archiver-canary"),
        main: "archiver/src/index.ts",
        bindings: archiverBindings(),
        vars: archiverVars(environment, settings, "canary"),
        secrets: ["ADMIN_TOKEN"],
        optionalSecrets: [],
        consumers: [],
        durableObjectMigrations: [],
        crons: [],
        workersDev: environment === "local",
      },
      archiver: {
        name: name("archiver"),
        main: "archiver/src/index.ts",
        bindings: [
          ...archiverBindings(),
          { kind: "service", name: "CANARY", worker: "archiver-canary", entrypoint: "BackgroundWork" },
        ],
        vars: archiverVars(environment, settings, "stable"),
        secrets: ["ADMIN_TOKEN"],
        optionalSecrets: [],
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
        bindings: hubBindings("archiver-canary"),
        vars: { ENVIRONMENT: environment, LANE: "canary" },
        secrets: HUB_SECRETS,
        optionalSecrets: [],
        consumers: [],
        durableObjectMigrations: [],
        crons: [],
        workersDev: environment === "local",
      },
      hub: {
        name: name("hub"),
        main: "worker/src/index.ts",
        bindings: [
          ...hubBindings("archiver"),
          { kind: "service", name: "CANARY", worker: "hub-canary" },
          { kind: "durable-object", name: "ROLLOUT", className: "RolloutController" },
        ],
        vars: { ENVIRONMENT: environment, LANE: "stable" },
        secrets: HUB_SECRETS,
        optionalSecrets: ROLLOUT_SECRETS,
        consumers: [],
        durableObjectMigrations: [{ tag: "v1", newSqliteClasses: ["RolloutController"] }],
        crons: [],
        workersDev: true,
      },
    },
  };
}
