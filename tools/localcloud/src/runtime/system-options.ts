/** The local cloud's own workers, as Miniflare takes them. Their code is TypeScript that workerd strips itself. */
import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { WorkerOptions } from "miniflare";
import type { DeployedScript } from "../model.ts";
import { newestFirst, sharesOf, splitterName, missingName, workerName } from "./placement.ts";
import { rawBinding } from "./raw-bindings.ts";
import type { MissingParts } from "./wiring.ts";
import type { Environment, Exports } from "./worker-options.ts";

export type NodeHandler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

export const SYSTEM_WORKER = "system";
/** The system worker's entrypoint behind queue bindings. */
export const QUEUE_PRODUCER = "QueueProducer";
/** The system worker's entrypoint that receives logs. */
export const LOG_TAIL = "LogTail";

const COMPATIBILITY = {
  compatibilityDate: "2026-01-01",
  compatibilityFlags: ["experimental", "typescript_strip_types", "service_binding_extra_handlers"],
};

/**
 * @param workerNames the version workers that receive queue batches and crons.
 * @param splitScripts the scripts that have a splitter.
 */
export function systemWorker(
  workerNames: readonly string[],
  splitScripts: readonly string[],
  handler: NodeHandler,
): WorkerOptions {
  const targets = [
    ...workerNames.map((worker) => [worker, { type: "worker", worker }] as const),
    ...splitScripts.map((script) => {
      const worker = splitterName(script);
      return [worker, { type: "worker", worker, exportName: "SplitterControl" }] as const;
    }),
  ];
  const env: Environment = {
    NODE: { type: "node-handler", handler },
    KV: rawBinding({ service: { name: "kv:ns:entry" } }),
    D1: rawBinding({ service: { name: "d1:db:entry" } }),
    R2: rawBinding({ service: { name: "r2:bucket:entry" } }),
    // Miniflare runs a kind of store only when some worker binds one of it.
    UNUSED_KV: { type: "kv", id: "unused" },
    UNUSED_D1: { type: "d1", id: "unused" },
    UNUSED_R2: { type: "r2", name: "unused" },
    ...Object.fromEntries(targets.map(([name, binding]) => [`worker:${name}`, binding])),
  };
  return {
    config: {
      name: SYSTEM_WORKER,
      ...COMPATIBILITY,
      env,
      manifest: systemManifest(["system-workers/system.worker.ts"]),
    },
    dev: { unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }] },
  };
}

/** The worker that splits calls from other scripts among a script's versions. */
export function splitterWorker(script: DeployedScript, entrypoints: readonly string[]): WorkerOptions {
  const env: Environment = {
    SCRIPT: { type: "text", value: script.name },
    SHARES: { type: "json", value: sharesOf(script).map((share) => ({ ...share })) },
  };
  for (const entrypoint of entrypoints) {
    for (const { version } of newestFirst(script)) {
      const exportName = entrypoint === "default" ? {} : { exportName: entrypoint };
      env[`${entrypoint}:${version.id}`] = { type: "worker", worker: workerName(version), ...exportName };
    }
  }
  const source = [
    `import { splitterFor, SplitterControl } from "./splitter.ts";`,
    `export { SplitterControl };`,
    ...entrypoints.map((name, i) => exportAs(name, `s${i}`, `splitterFor(${JSON.stringify(name)})`)),
  ];
  return {
    config: {
      name: splitterName(script.name),
      ...COMPATIBILITY,
      env,
      manifest: systemManifest(["system-workers/splitter.ts", "picker.ts"], source),
    },
  };
}

/** The worker that stands in for what bindings expect of a script but it does not offer. */
export function missingWorker(scriptName: string, parts: MissingParts): WorkerOptions {
  const exports: Exports = {};
  for (const className of parts.objects.keys()) {
    exports[className] = {
      type: "durable-object",
      storage: "sqlite",
      unsafeUniqueKey: `${missingName(scriptName)}-${className}`,
    };
  }
  const entrypoints = new Map(parts.entrypoints);
  if (!entrypoints.has("default")) entrypoints.set("default", `script "${scriptName}" is not deployed`);
  const source = [
    `import { missing, missingObject } from "./missing.ts";`,
    ...[...entrypoints].map(([name, reason], i) =>
      exportAs(name, `e${i}`, `missing(${JSON.stringify(reason)})`),
    ),
    ...[...parts.objects].map(([name, reason], i) =>
      exportAs(name, `o${i}`, `missingObject(${JSON.stringify(reason)})`),
    ),
  ];
  return {
    config: {
      name: missingName(scriptName),
      ...COMPATIBILITY,
      exports,
      manifest: systemManifest(["system-workers/missing.ts"], source),
    },
  };
}

/** A statement that exports a value under a name that need not be an identifier. */
function exportAs(name: string, local: string, value: string): string {
  return `const ${local} = ${value}; export { ${local} as ${JSON.stringify(name)} };`;
}

type Manifest = NonNullable<WorkerOptions["config"]["manifest"]>;

const sources = new Map<string, string>();

/** @param file relative to this folder, which is how the modules import each other. */
function sourceOf(file: string): string {
  const known = sources.get(file) ?? readFileSync(new URL(file, import.meta.url), "utf8");
  sources.set(file, known);
  return known;
}

function systemManifest(files: readonly string[], generated?: readonly string[]): Manifest {
  const modules: Manifest["modules"] = {};
  for (const file of files) modules[file] = { type: "esm", contents: sourceOf(file) };
  const [first = ""] = files;
  if (generated === undefined) return { mainModule: first, modules };
  const mainModule = "system-workers/main.ts";
  return {
    mainModule,
    modules: { ...modules, [mainModule]: { type: "esm", contents: generated.join("\n") } },
  };
}
