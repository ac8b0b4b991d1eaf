/** Maps the deployed scripts to the workers that Miniflare runs. */
import type { WorkerOptions } from "miniflare";
import type { DeployedScript, ScriptBinding, ScriptModule, ScriptVersion } from "../model.ts";
import { hostedClasses, newestFirst, workerName } from "./placement.ts";
import { rawBinding } from "./raw-bindings.ts";
import {
  LOG_TAIL,
  missingWorker,
  QUEUE_PRODUCER,
  splitterWorker,
  SYSTEM_WORKER,
  systemWorker,
  type NodeHandler,
} from "./system-options.ts";
import { Wiring } from "./wiring.ts";

type Config = WorkerOptions["config"];
export type Environment = NonNullable<Config["env"]>;
export type Exports = NonNullable<Config["exports"]>;
type Manifest = NonNullable<Config["manifest"]>;

export interface BuiltWorkers {
  readonly workers: readonly WorkerOptions[];
  /** The scripts that have a splitter among the workers. */
  readonly splitScripts: ReadonlySet<string>;
}

/**
 * Every worker that the data plane runs: each version of each script, the splitters and
 * stand-ins that their bindings need, and the system worker.
 * @param handler answers what the system worker sends to Node.
 */
export function buildWorkers(scripts: readonly DeployedScript[], handler: NodeHandler): BuiltWorkers {
  const wiring = new Wiring(scripts);
  const versions = scripts.flatMap((script) =>
    newestFirst(script).map(({ version }) => versionWorker(script, version, wiring)),
  );
  const deployed = scripts.filter((script) => script.versions.length > 0);
  const splitters = deployed.flatMap((script) => {
    const entrypoints = wiring.splitters.get(script.name);
    return entrypoints === undefined ? [] : [splitterWorker(script, [...entrypoints])];
  });
  const missing = [...wiring.missing].map(([name, parts]) => missingWorker(name, parts));
  const names = deployed.flatMap((script) => script.versions.map(({ version }) => workerName(version)));
  const system = systemWorker(names, [...wiring.splitters.keys()], handler);
  return {
    workers: [system, ...versions, ...splitters, ...missing],
    splitScripts: new Set(wiring.splitters.keys()),
  };
}

function versionWorker(script: DeployedScript, version: ScriptVersion, wiring: Wiring): WorkerOptions {
  return {
    config: {
      name: workerName(version),
      compatibilityDate: version.compatibilityDate,
      compatibilityFlags: [...version.compatibilityFlags],
      manifest: manifestOf(version),
      env: environmentOf(version, wiring),
      exports: objectExports(script, hostedClasses(script, version)),
      tailConsumers: [
        {
          worker: SYSTEM_WORKER,
          entrypoint: LOG_TAIL,
          props: { scriptName: script.name, versionId: version.id },
        },
      ],
    },
    dev: { unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }], zone: script.name },
  };
}

/** The unique key names the storage: it depends on script and class only, so objects outlive versions. */
export function objectKey(scriptName: string, className: string): string {
  return `${scriptName}-${className}`;
}

function objectExports(script: DeployedScript, classNames: readonly string[]): Exports {
  const exports: Exports = {};
  for (const { className, sqlite } of script.durableObjectClasses) {
    if (!classNames.includes(className)) continue;
    exports[className] = {
      type: "durable-object",
      storage: sqlite ? "sqlite" : "legacy-kv",
      unsafeUniqueKey: objectKey(script.name, className),
    };
  }
  return exports;
}

/** A version's modules as Miniflare takes them. Stack traces name the modules as they were uploaded. */
export function manifestOf(version: ScriptVersion): Manifest {
  const modules = Object.fromEntries(version.modules.map((module) => [module.name, manifestModule(module)]));
  return { mainModule: version.mainModule, modules };
}

function manifestModule(module: ScriptModule): Manifest["modules"][string] {
  const text = () => new TextDecoder().decode(module.contents);
  switch (module.type) {
    case "esm":
      return { type: "esm", contents: `${text()}\n//# sourceURL=${module.name}` };
    case "commonjs":
      return { type: "cjs", contents: `${text()}\n//# sourceURL=${module.name}` };
    case "text":
    case "json":
      return { type: module.type, contents: text() };
    case "wasm":
    case "data":
      return { type: module.type, contents: new Uint8Array(module.contents) };
  }
}

function environmentOf(version: ScriptVersion, wiring: Wiring): Environment {
  return Object.fromEntries(
    version.bindings.map((binding) => [binding.name, bindingOf(binding, version, wiring)]),
  );
}

function bindingOf(binding: ScriptBinding, version: ScriptVersion, wiring: Wiring): Environment[string] {
  switch (binding.type) {
    case "service":
      return { type: "worker", ...wiring.service(binding.service, binding.entrypoint) };
    case "durable_object_namespace":
      return {
        type: "durable-object",
        worker: wiring.objects(binding.script_name ?? version.scriptName, binding.class_name),
        exportName: binding.class_name,
      };
    case "queue":
      return queueBinding(binding.queue_name);
    default:
      return storeBinding(binding, version);
  }
}

/** The platform's own producer, over our broker; queues are found by name when a message is sent. */
function queueBinding(queueName: string): Environment[string] {
  return rawBinding({
    queue: {
      name: `core:user:${SYSTEM_WORKER}`,
      entrypoint: QUEUE_PRODUCER,
      props: { json: JSON.stringify({ queueName }) },
    },
  });
}

type LeafBinding = Exclude<ScriptBinding, { type: "service" | "durable_object_namespace" | "queue" }>;

/** Bindings that lead to no other worker. */
export function storeBinding(binding: LeafBinding, version: ScriptVersion): Environment[string] {
  switch (binding.type) {
    case "kv_namespace":
      return { type: "kv", id: binding.namespace_id };
    case "d1":
      return { type: "d1", id: binding.id };
    case "r2_bucket":
      return { type: "r2", name: binding.bucket_name };
    case "plain_text":
    case "secret_text":
      return { type: "text", value: binding.text };
    case "json":
      return { type: "json", value: binding.json as never };
    case "version_metadata": {
      const timestamp = new Date(version.createdAt).toISOString();
      return { type: "json", value: { id: version.id, tag: version.tag ?? "", timestamp } };
    }
  }
}
