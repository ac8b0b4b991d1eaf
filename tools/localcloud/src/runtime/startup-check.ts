/** Whether a version starts, tried in a workerd of its own that is thrown away. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { WorkerOptions } from "miniflare";
import type { ScriptBinding, ScriptVersion } from "../model.ts";
import type { StartupFault } from "./contract.ts";
import { Engine, EngineError } from "./engine.ts";
import { endStaleWorkerd } from "./leash.ts";
import { lexerReady, moduleExports } from "./module-exports.ts";
import { missingName } from "./placement.ts";
import { missingWorker } from "./system-options.ts";
import { manifestOf, storeBinding, type Environment, type Exports } from "./worker-options.ts";

/** Far above the platform's second of CPU time: a busy laptop must not refuse good code. */
const STARTUP_TIMEOUT_MS = 20_000;
const SUBJECT = "subject";
/** A script that does not exist, in the place of every other. */
const OTHER = "other";

/**
 * Starts a version with its bindings leading nowhere; `null` when workerd takes it.
 * @param timeoutMs how long it may take, in milliseconds.
 */
export async function checkStartup(
  version: ScriptVersion,
  timeoutMs = STARTUP_TIMEOUT_MS,
): Promise<StartupFault | null> {
  await lexerReady;
  const unexported = ownClasses(version).find(
    (className) => moduleExports(version)?.has(className) === false,
  );
  if (unexported !== undefined) {
    return {
      message: `Cannot create binding for class '${unexported}' because it is not exported by the script.`,
    };
  }
  const directory = await mkdtemp(join(tmpdir(), "localcloud-check-"));
  const pidFile = join(directory, "workerd.pid");
  const engine = new Engine({ pidFile, log: () => undefined });
  try {
    const started = engine.run(trialWorkers(version)).then(() => true);
    const timeout = delay(timeoutMs, false, { ref: false });
    if (await Promise.race([started, timeout])) return null;
    started.catch(() => undefined);
    // Code that spins at the top level never lets workerd say that it listens.
    await endStaleWorkerd(pidFile);
    return { message: `Script startup exceeded the time limit of ${timeoutMs / 1000} s.` };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return { message: faultMessage(error.sentences) };
  } finally {
    await engine.dispose();
    await rm(directory, { recursive: true, force: true });
  }
}

function trialWorkers(version: ScriptVersion): WorkerOptions[] {
  const foreign = version.bindings.flatMap((binding) =>
    binding.type === "durable_object_namespace" && isForeign(binding, version) ? [binding.class_name] : [],
  );
  const entrypoints = version.bindings.flatMap((binding) =>
    binding.type === "service" && binding.entrypoint !== undefined ? [binding.entrypoint] : [],
  );
  const exports: Exports = {};
  for (const className of ownClasses(version)) {
    exports[className] = { type: "durable-object", storage: "sqlite" };
  }
  const reason = "not reachable while a version is tried";
  return [
    {
      config: {
        name: SUBJECT,
        compatibilityDate: version.compatibilityDate,
        compatibilityFlags: [...version.compatibilityFlags],
        manifest: manifestOf(version),
        env: Object.fromEntries(version.bindings.map((binding) => [binding.name, trial(binding, version)])),
        exports,
      },
    },
    missingWorker(OTHER, {
      entrypoints: new Map(entrypoints.map((name) => [name, reason])),
      objects: new Map(foreign.map((name) => [name, reason])),
    }),
  ];
}

function trial(binding: ScriptBinding, version: ScriptVersion): Environment[string] {
  switch (binding.type) {
    case "service": {
      const { entrypoint } = binding;
      return {
        type: "worker",
        worker: missingName(OTHER),
        ...(entrypoint === undefined ? {} : { exportName: entrypoint }),
      };
    }
    case "durable_object_namespace": {
      const worker = isForeign(binding, version) ? missingName(OTHER) : SUBJECT;
      return { type: "durable-object", worker, exportName: binding.class_name };
    }
    case "queue":
      return { type: "queue", name: binding.queue_name };
    default:
      return storeBinding(binding, version);
  }
}

type ObjectBinding = Extract<ScriptBinding, { type: "durable_object_namespace" }>;

function isForeign(binding: ObjectBinding, version: ScriptVersion): boolean {
  return binding.script_name !== undefined && binding.script_name !== version.scriptName;
}

function ownClasses(version: ScriptVersion): readonly string[] {
  const own = version.bindings.flatMap((binding) =>
    binding.type === "durable_object_namespace" && !isForeign(binding, version) ? [binding.class_name] : [],
  );
  return [...new Set(own)];
}

/** What workerd said about the script, without the name that the script has here. */
function faultMessage(sentences: readonly string[]): string {
  const own = sentences.filter((sentence) => sentence.startsWith(SERVICE_PREFIX));
  return (own.length > 0 ? own : sentences)
    .map((sentence) => sentence.replace(SERVICE_PREFIX, ""))
    .join("; ");
}

const SERVICE_PREFIX = `service core:user:${SUBJECT}: `;
