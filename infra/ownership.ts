/**
 * Who owns which field. Pulumi says what exists, wrangler says what runs; a
 * field with two owners is one that each of them resets behind the other.
 */

export type Owner = "pulumi" | "wrangler";

export const RESOURCES = [
  "kv-namespace",
  "d1-database",
  "r2-bucket",
  "r2-lifecycle",
  "queue",
  "worker",
  "cron-trigger",
] as const;
export type ResourceKind = (typeof RESOURCES)[number];

/** One field of one kind of resource. */
export interface OwnedField {
  readonly resource: ResourceKind;
  /** What the field is, in one name for both tools. */
  readonly field: string;
  readonly owner: Owner;
  /** The input of the Pulumi resource that carries it, where there is one. */
  readonly input?: string;
  /** The key of the wrangler config that carries it; `[]` stands for each element of a list. */
  readonly configKey?: string;
}

export const OWNERSHIP: readonly OwnedField[] = [
  { resource: "kv-namespace", field: "title", owner: "pulumi", input: "title" },
  { resource: "d1-database", field: "name", owner: "pulumi", input: "name" },
  { resource: "d1-database", field: "read replication", owner: "pulumi", input: "readReplication" },
  { resource: "r2-bucket", field: "name", owner: "pulumi", input: "name" },
  { resource: "r2-bucket", field: "storage class", owner: "pulumi", input: "storageClass" },
  { resource: "r2-lifecycle", field: "bucket", owner: "pulumi", input: "bucketName" },
  { resource: "r2-lifecycle", field: "rules", owner: "pulumi", input: "rules" },
  { resource: "queue", field: "name", owner: "pulumi", input: "queueName" },
  {
    resource: "queue",
    field: "settings",
    owner: "pulumi",
    input: "settings",
    configKey: "queues.producers[].delivery_delay",
  },
  { resource: "queue", field: "consumers", owner: "wrangler", configKey: "queues.consumers" },
  { resource: "cron-trigger", field: "script", owner: "pulumi", input: "scriptName" },
  // Absent leaves the schedules alone; an empty list would delete them all.
  {
    resource: "cron-trigger",
    field: "schedules",
    owner: "pulumi",
    input: "schedules",
    configKey: "triggers",
  },
  { resource: "worker", field: "name", owner: "pulumi", input: "name" },
  { resource: "worker", field: "route", owner: "pulumi", configKey: "route" },
  { resource: "worker", field: "routes", owner: "pulumi", configKey: "routes" },
  { resource: "worker", field: "code", owner: "wrangler", configKey: "main" },
  { resource: "worker", field: "compatibility date", owner: "wrangler", configKey: "compatibility_date" },
  { resource: "worker", field: "compatibility flags", owner: "wrangler", configKey: "compatibility_flags" },
  { resource: "worker", field: "vars", owner: "wrangler", configKey: "vars" },
  { resource: "worker", field: "kv bindings", owner: "wrangler", configKey: "kv_namespaces" },
  { resource: "worker", field: "d1 bindings", owner: "wrangler", configKey: "d1_databases" },
  { resource: "worker", field: "r2 bindings", owner: "wrangler", configKey: "r2_buckets" },
  { resource: "worker", field: "queue bindings", owner: "wrangler", configKey: "queues.producers" },
  { resource: "worker", field: "service bindings", owner: "wrangler", configKey: "services" },
  { resource: "worker", field: "durable object bindings", owner: "wrangler", configKey: "durable_objects" },
  { resource: "worker", field: "durable object migrations", owner: "wrangler", configKey: "migrations" },
  { resource: "worker", field: "version metadata", owner: "wrangler", configKey: "version_metadata" },
  { resource: "worker", field: "secrets", owner: "wrangler" },
  { resource: "worker", field: "versions", owner: "wrangler" },
  { resource: "worker", field: "deployments", owner: "wrangler" },
  {
    resource: "worker",
    field: "observability",
    owner: "wrangler",
    input: "observability",
    configKey: "observability",
  },
  { resource: "worker", field: "tags", owner: "wrangler", input: "tags" },
  {
    resource: "worker",
    field: "tail consumers",
    owner: "wrangler",
    input: "tailConsumers",
    configKey: "tail_consumers",
  },
  { resource: "worker", field: "logpush", owner: "wrangler", input: "logpush", configKey: "logpush" },
  { resource: "worker", field: "subdomain", owner: "wrangler", input: "subdomain", configKey: "workers_dev" },
  { resource: "worker", field: "preview addresses", owner: "wrangler", configKey: "preview_urls" },
];

/** The inputs of a resource that wrangler changes, which Pulumi must not set and must not take for drift. */
export function ignoredInputs(resource: ResourceKind): string[] {
  return OWNERSHIP.filter((row) => row.resource === resource && row.owner === "wrangler")
    .map((row) => row.input)
    .filter((input) => input !== undefined);
}

/** The inputs of a resource that the Pulumi program may set. */
export function pulumiInputs(resource: ResourceKind): readonly string[] {
  return OWNERSHIP.filter((row) => row.resource === resource && row.owner === "pulumi")
    .map((row) => row.input)
    .filter((input) => input !== undefined);
}

/** Every value that a dotted path reaches; `[]` after a key stands for each element of its list. */
function valuesAt(value: unknown, path: readonly string[]): readonly unknown[] {
  const [step, ...rest] = path;
  if (step === undefined) {
    return [value];
  }
  const key = step.replace(/\[\]$/, "");
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) {
    return [];
  }
  const next: unknown = Reflect.get(value, key);
  return step.endsWith("[]") && Array.isArray(next)
    ? next.flatMap((element: unknown) => valuesAt(element, rest))
    : valuesAt(next, rest);
}

/**
 * What a rendered wrangler config says about fields that Pulumi owns, one
 * sentence each; empty when it keeps to the table.
 */
export function wranglerConfigFaults(config: unknown): readonly string[] {
  return OWNERSHIP.flatMap(({ owner, configKey, resource, field }) =>
    owner === "pulumi" && configKey !== undefined && valuesAt(config, configKey.split(".")).length > 0
      ? [`${configKey}: Pulumi owns the ${field} of a ${resource}`]
      : [],
  );
}
