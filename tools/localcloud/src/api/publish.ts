import type { DurableObjectClass, ScriptBinding, ScriptModule } from "../model.ts";
import { lexerReady, moduleExports } from "../runtime/module-exports.ts";
import type { StoredScript } from "../state/scripts.ts";
import {
  bundleEtag,
  type Source,
  type StoredDeployment,
  type Trigger,
  type VersionRecord,
} from "../state/versions.ts";
import { requireTargets } from "./bindings.ts";
import { type Control, newHexId, newUuid } from "./control.ts";
import { requireExports } from "./durable-objects.ts";
import { ApiError, CODE, workerNotFound } from "./errors.ts";

const SCRIPT_NAME = /^[a-z0-9_][a-z0-9_-]{0,62}$/;

/** What observability looks like where a client leaves parts of it out. */
const OBSERVABILITY_DEFAULTS = {
  enabled: false,
  head_sampling_rate: 1,
  traces: { enabled: false, head_sampling_rate: 1, persist: true },
};

/** A new version before it has an id and a number. */
export interface VersionDraft {
  readonly mainModule: string;
  readonly modules: readonly ScriptModule[];
  readonly compatibilityDate: string;
  readonly compatibilityFlags: readonly string[];
  readonly bindings: readonly ScriptBinding[];
  readonly tag: string | null;
  readonly message: string | null;
  readonly source: Source;
  readonly triggeredBy: Trigger | null;
}

export interface DeploymentDraft {
  readonly versions: StoredDeployment["versions"];
  readonly message: string | null;
  readonly source: Source;
  readonly triggeredBy: Trigger | null;
}

/** The script of that name. @throws {ApiError} 404 */
export function requireScript(control: Control, name: string): StoredScript {
  const script = control.store.scripts.get(name);
  if (script === null) {
    throw workerNotFound(name);
  }
  return script;
}

/** The given observability settings over the defaults. */
export function observabilityOf(
  given: Readonly<Record<string, unknown>> | null | undefined,
): Record<string, unknown> {
  return { ...OBSERVABILITY_DEFAULTS, ...given };
}

/**
 * Stores a new script without code.
 * @throws {ApiError} 400 when the name cannot be a Worker's.
 */
export async function createScript(
  control: Control,
  name: string,
  settings: Partial<
    Pick<StoredScript, "subdomainEnabled" | "previewsEnabled" | "logpush" | "observability" | "tags">
  > = {},
): Promise<StoredScript> {
  if (!SCRIPT_NAME.test(name)) {
    throw new ApiError(
      400,
      CODE.WORKER_NAME_REFUSED,
      `Invalid Worker name '${name}': lower-case letters, digits, hyphens and underscores, at most 63.`,
    );
  }
  const at = control.now();
  const script: StoredScript = {
    name,
    id: newHexId(),
    tag: newHexId(),
    port: await control.freePort(),
    createdAt: at,
    modifiedAt: at,
    subdomainEnabled: false,
    previewsEnabled: false,
    logpush: false,
    observability: observabilityOf({}),
    tags: [],
    migrationTag: null,
    crons: [],
    ...settings,
  };
  control.store.scripts.put(script);
  return script;
}

/**
 * Checks a new version against the platform's rules, starts it once alone, and
 * stores it.
 * @param classesBefore the script's Durable Object classes before the migrations that come with this upload.
 * @throws {ApiError} when a binding's target is missing, the code does not start, or it lacks a class.
 */
export async function addVersion(
  control: Control,
  script: StoredScript,
  draft: VersionDraft,
  classesBefore: readonly DurableObjectClass[] = control.store.scripts.classesOf(script.name),
): Promise<{ version: VersionRecord; startupMs: number }> {
  const { store, runtime } = control;
  const classes = store.scripts.classesOf(script.name);
  requireTargets(store, { scriptName: script.name, classes }, draft.bindings);
  const { modules, ...rest } = draft;
  const version: VersionRecord = {
    ...rest,
    id: newUuid(),
    scriptName: script.name,
    number: (store.versions.latest(script.name)?.number ?? 0) + 1,
    createdAt: control.now(),
    etag: bundleEtag(draft.mainModule, modules),
    migrationTag: script.migrationTag,
  };
  store.versions.insert(version, modules);
  const loaded = store.load(version);
  const startedAt = performance.now();
  const fault = await runtime.checkStartup(loaded);
  if (fault !== null) {
    throw new ApiError(400, CODE.WORKER_VALIDATION, fault.message);
  }
  const startupMs = Math.round(performance.now() - startedAt);
  await lexerReady;
  requireExports(moduleExports(loaded), classes, classesBefore);
  store.scripts.put({ ...script, modifiedAt: version.createdAt });
  return { version, startupMs };
}

/** Makes `draft` the script's current deployment. */
export function addDeployment(
  control: Control,
  scriptName: string,
  draft: DeploymentDraft,
): StoredDeployment {
  const deployment: StoredDeployment = {
    ...draft,
    id: newUuid(),
    scriptName,
    createdAt: control.now(),
  };
  control.store.deployments.insert(deployment);
  return deployment;
}

/** Deletes a script and all that is its own, stored data included. */
export async function deleteScript(control: Control, name: string): Promise<void> {
  const { store, changes, runtime } = control;
  await changes.deploy(() => store.scripts.delete(name));
  await runtime.dropScript(name);
}

/** Scripts, other than itself, whose deployed versions bind the script as a service. */
export function callersOf(control: Control, name: string): { service: string; binding: string }[] {
  const { store } = control;
  return store.scripts.list().flatMap((script) => {
    if (script.name === name) {
      return [];
    }
    const deployed = store.deployments.current(script.name)?.versions ?? [];
    const bindings = deployed.flatMap(
      ({ versionId }) => store.versions.get(script.name, versionId)?.bindings ?? [],
    );
    const names = bindings
      .filter((binding) => binding.type === "service" && binding.service === name)
      .map((binding) => binding.name);
    return [...new Set(names)].map((binding) => ({ service: script.name, binding }));
  });
}
