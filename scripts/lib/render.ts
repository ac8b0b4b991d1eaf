/**
 * Renders the wrangler configs and the binding types from the topology and the
 * ids that provisioning returned. It is the only place that knows wrangler's
 * config format. Crons are left out on purpose: Pulumi owns them, and an absent
 * `triggers` leaves them alone.
 */
import path from "node:path";
import {
  byWorker,
  WORKER_KEYS,
  type Binding,
  type D1Key,
  type KvKey,
  type Topology,
  type Worker,
  type WorkerKey,
} from "../../infra/topology.ts";
import { writeJson } from "./json-file.ts";

/** Ids that only exist once a stack is provisioned. */
export interface ResourceIds {
  readonly accountId: string;
  readonly kv: Readonly<Record<KvKey, string>>;
  readonly d1: Readonly<Record<D1Key, string>>;
}

/** Where a rendered config stands, and where paths inside it lead. */
export interface RenderPaths {
  /** Root of the repository. */
  readonly root: string;
  /** Directory that will hold the config. */
  readonly directory: string;
}

export type WranglerConfig = Readonly<Record<string, unknown>>;

const byKind = <K extends Binding["kind"]>(worker: Worker, kind: K): Extract<Binding, { kind: K }>[] =>
  worker.bindings.filter((binding): binding is Extract<Binding, { kind: K }> => binding.kind === kind);

/** Ids for configs that never leave this machine (tests, type generation). */
export function placeholderIds(): ResourceIds {
  return {
    accountId: "00000000000000000000000000000000",
    kv: { cache: "00000000000000000000000000000001", snapshots: "00000000000000000000000000000002" },
    d1: {
      hub: "00000000-0000-4000-8000-000000000001",
      archive: "00000000-0000-4000-8000-000000000002",
    },
  };
}

/** The wrangler config of one Worker. */
export function renderWorker(
  topology: Topology,
  key: WorkerKey,
  ids: ResourceIds,
  paths: RenderPaths,
): WranglerConfig {
  const worker = topology.workers[key];
  const fromRoot = (file: string): string => path.relative(paths.directory, path.join(paths.root, file));
  const [versionMetadata] = byKind(worker, "version-metadata");

  return {
    $schema: fromRoot("node_modules/wrangler/config-schema.json"),
    name: worker.name,
    account_id: ids.accountId,
    main: fromRoot(worker.main),
    compatibility_date: topology.compatibilityDate,
    compatibility_flags: topology.compatibilityFlags,
    workers_dev: worker.workersDev,
    preview_urls: false,
    send_metrics: false,
    observability: { enabled: true },
    vars: worker.vars,
    kv_namespaces: byKind(worker, "kv").map(({ name, namespace }) => ({
      binding: name,
      id: ids.kv[namespace],
    })),
    d1_databases: byKind(worker, "d1").map(({ name, database }) => ({
      binding: name,
      database_name: topology.d1[database].name,
      database_id: ids.d1[database],
      migrations_dir: fromRoot(topology.d1[database].migrations),
    })),
    r2_buckets: byKind(worker, "r2").map(({ name, bucket }) => ({
      binding: name,
      bucket_name: topology.r2[bucket].name,
    })),
    queues: {
      producers: byKind(worker, "queue").map(({ name, queue }) => ({
        binding: name,
        queue: topology.queues[queue].name,
      })),
      consumers: worker.consumers.map((consumer) => ({
        queue: topology.queues[consumer.queue].name,
        ...(consumer.deadLetter === null
          ? {}
          : { dead_letter_queue: topology.queues[consumer.deadLetter].name }),
        max_batch_size: consumer.maxBatchSize,
        max_batch_timeout: consumer.maxBatchTimeoutSeconds,
        max_retries: consumer.maxRetries,
      })),
    },
    services: byKind(worker, "service").map(({ name, worker: target, entrypoint }) => ({
      binding: name,
      service: topology.workers[target].name,
      ...(entrypoint === undefined ? {} : { entrypoint }),
    })),
    durable_objects: {
      bindings: byKind(worker, "durable-object").map(({ name, className }) => ({
        name,
        class_name: className,
      })),
    },
    migrations: worker.durableObjectMigrations.map(({ tag, newSqliteClasses }) => ({
      tag,
      new_sqlite_classes: newSqliteClasses,
    })),
    ...(versionMetadata === undefined ? {} : { version_metadata: { binding: versionMetadata.name } }),
  };
}

/** The directory of an environment's rendered configs; git-ignored. */
export function configDirectory(root: string, environment: string): string {
  return path.join(root, ".wrangler", "deploy", environment);
}

/** The file of one Worker's rendered config. */
export function configFile(root: string, environment: string, key: WorkerKey): string {
  return path.join(configDirectory(root, environment), `${key}.json`);
}

/**
 * Writes the configs of all Workers of an environment, each atomically.
 * @returns the file of each Worker's config
 */
export async function writeConfigs(
  root: string,
  environment: string,
  topology: Topology,
  ids: ResourceIds,
): Promise<Readonly<Record<WorkerKey, string>>> {
  const directory = configDirectory(root, environment);
  const write = async (key: WorkerKey): Promise<void> => {
    const config = renderWorker(topology, key, ids, { root, directory });
    await writeJson(configFile(root, environment, key), config);
  };
  await Promise.all(WORKER_KEYS.map(write));
  return byWorker((key) => configFile(root, environment, key));
}

function bindingType(binding: Binding, serviceTypes: Readonly<Record<string, string>>): string {
  switch (binding.kind) {
    case "kv":
      return "KVNamespace";
    case "d1":
      return "D1Database";
    case "r2":
      return "R2Bucket";
    case "queue":
      return "Queue<Uint8Array>";
    case "service":
      return serviceTypes[`${binding.worker}#${binding.entrypoint ?? "default"}`] ?? "Fetcher";
    case "durable-object":
      return `DurableObjectNamespace<import("./rollout/index.ts").${binding.className}>`;
    case "version-metadata":
      return "WorkerVersionMetadata";
  }
}

/** TypeScript for a binding type that several Workers share one bundle of. */
export interface EnvTypeOptions {
  readonly banner: string;
  /** Types of service bindings by `<worker>#<entrypoint>`. */
  readonly serviceTypes: Readonly<Record<string, string>>;
}

/**
 * The `Env` interface of the Workers that run one bundle: a binding that only
 * some of them have is optional.
 */
export function renderEnvType(workers: readonly Worker[], options: EnvTypeOptions): string {
  const fields = new Map<string, { type: string; count: number }>();
  const add = (name: string, type: string, needed = 1): void => {
    const seen = fields.get(name);
    fields.set(name, { type, count: (seen?.count ?? 0) + needed });
  };
  for (const worker of workers) {
    for (const binding of worker.bindings) add(binding.name, bindingType(binding, options.serviceTypes));
    for (const name of Object.keys(worker.vars)) add(name, "string");
    for (const name of worker.secrets) add(name, "string");
    for (const name of worker.optionalSecrets) add(name, "string", 0);
  }
  const lines = [...fields].map(
    ([name, { type, count }]) => `  readonly ${name}${count === workers.length ? "" : "?"}: ${type};`,
  );
  return `${options.banner}\nexport interface Env {\n${lines.join("\n")}\n}\n`;
}
