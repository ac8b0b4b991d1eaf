import { isTable, type Table } from "./document.ts";

/**
 * Where the names of bindings stand in a wrangler config: a list of tables, each with the
 * name under `key`; one table; or a table whose keys are the names.
 */
interface Place {
  /** Of the table that holds it, from the top of the environment. */
  readonly path: readonly string[];
  readonly shape: "list" | "one" | "keys";
  /** `binding` unless given. */
  readonly key?: string;
}

const list = (path: string, key = "binding"): Place => ({ path: path.split("."), shape: "list", key });
const one = (path: string): Place => ({ path: [path], shape: "one" });
const keys = (path: string): Place => ({ path: [path], shape: "keys" });

/**
 * Bindings an environment has to repeat. Source: developers.cloudflare.com/workers/wrangler/configuration
 * (“Non-inheritable keys”) and the schema that wrangler 4 ships.
 */
const OF_ENVIRONMENT: readonly Place[] = [
  ...[
    "agent_memory",
    "ai_search",
    "ai_search_namespaces",
    "analytics_engine_datasets",
    "artifacts",
    "d1_databases",
    "dispatch_namespaces",
    "flagship",
    "hyperdrive",
    "k2",
    "mtls_certificates",
    "pipelines",
    "queues.producers",
    "r2_buckets",
    "secrets_store_secrets",
    "services",
    "unsafe_hello_world",
    "vectorize",
    "vpc_networks",
    "vpc_services",
    "worker_loaders",
    "workflows",
  ].map((path) => list(path)),
  ...["durable_objects.bindings", "logfwdr.bindings", "ratelimits", "send_email"].map((path) =>
    list(path, "name"),
  ),
  ...["ai", "analytics", "browser", "images", "media", "stream", "version_metadata"].map(one),
  keys("vars"),
];

/** Bindings that an environment takes from the top level. */
const INHERITED: readonly Place[] = [
  one("assets"),
  ...["wasm_modules", "text_blobs", "data_blobs"].map(keys),
];

/** The namespace that Workers Sites adds, by the name wrangler gives it. */
const SITES_NAMESPACE = "__STATIC_CONTENT";

export interface Bindings {
  /** Sorted. */
  readonly kv: readonly string[];
  /** Sorted. */
  readonly other: readonly string[];
  /** A sentence for each entry that has no name. */
  readonly faults: readonly string[];
}

/**
 * The bindings of a Worker.
 * @param top what the config says at its top level
 * @param own what applies to this environment alone; `top` again at the top level
 */
export function readBindings(top: Table, own: Table): Bindings {
  const faults: string[] = [];
  const kv = namesAt(own, list("kv_namespaces"), faults);
  if (isTable(top["site"])) kv.push(SITES_NAMESPACE);
  const other = OF_ENVIRONMENT.flatMap((place) => namesAt(own, place, faults));
  for (const place of INHERITED) {
    const holder = place.path.every((key) => Object.hasOwn(own, key)) ? own : top;
    other.push(...namesAt(holder, place, faults));
  }
  for (const { name, type } of unsafeBindings(own)) (type === "kv_namespace" ? kv : other).push(name);
  return { kv: sortedOnce(kv), other: sortedOnce(other), faults };
}

function namesAt(table: Table, place: Place, faults: string[]): string[] {
  const path = place.path.join(".");
  const value = place.path.reduce<unknown>((at, key) => (isTable(at) ? at[key] : undefined), table);
  if (value === undefined || value === null) return [];
  switch (place.shape) {
    case "keys":
      if (isTable(value)) return Object.keys(value);
      break;
    case "one":
      // Assets may be served without the code seeing them.
      if (isTable(value)) return nameIn(value, "binding") ?? [];
      break;
    case "list":
      if (Array.isArray(value)) return value.flatMap((entry, index) => nameOf(entry, index, place, faults));
      break;
  }
  faults.push(`\`${path}\` is not a ${place.shape === "list" ? "list of tables" : "table"}.`);
  return [];
}

function nameOf(entry: unknown, index: number, place: Place, faults: string[]): string[] {
  const key = place.key ?? "binding";
  const name = isTable(entry) ? nameIn(entry, key) : null;
  if (name !== null) return name;
  faults.push(`\`${place.path.join(".")}[${index}]\` has no \`${key}\`.`);
  return [];
}

function nameIn(table: Table, key: string): string[] | null {
  const name = table[key];
  return typeof name === "string" && name !== "" ? [name] : null;
}

function unsafeBindings(own: Table): readonly { readonly name: string; readonly type: unknown }[] {
  const unsafe = own["unsafe"];
  const bindings: unknown[] = isTable(unsafe) && Array.isArray(unsafe["bindings"]) ? unsafe["bindings"] : [];
  return bindings.flatMap((entry) => {
    const name = isTable(entry) ? entry["name"] : undefined;
    return isTable(entry) && typeof name === "string" ? [{ name, type: entry["type"] }] : [];
  });
}

function sortedOnce(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort();
}
