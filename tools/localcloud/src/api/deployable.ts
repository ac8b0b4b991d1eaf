import type { StoredScript } from "../state/scripts.ts";
import type { Store } from "../state/store.ts";
import type { VersionRecord } from "../state/versions.ts";
import { targetRefusal } from "./bindings.ts";
import { ApiError, CODE } from "./errors.ts";

/** Only so many of the last uploads can be deployed, secret edits included. */
const DEPLOYABLE_VERSIONS = 100;

/**
 * Why a version cannot be deployed now, forward or back; `null` when it can: it is one of
 * the last uploads, from after the last Durable Object migration, and all that it binds exists.
 */
export function deployRefusal(store: Store, script: StoredScript, version: VersionRecord): ApiError | null {
  const newest = store.versions.latest(script.name)?.number ?? 0;
  if (version.number <= newest - DEPLOYABLE_VERSIONS) {
    return new ApiError(
      400,
      CODE.WORKER_INVALID,
      `Version ${version.id} is too old: only the last ${DEPLOYABLE_VERSIONS} versions can be deployed.`,
    );
  }
  if (version.migrationTag !== script.migrationTag) {
    return new ApiError(
      400,
      CODE.CLASS_LIFECYCLE,
      `Version ${version.id} is from before Durable Object migration '${script.migrationTag ?? ""}' and cannot be deployed after it.`,
    );
  }
  const owner = { scriptName: script.name, classes: store.scripts.classesOf(script.name) };
  return targetRefusal(store, owner, version.bindings);
}
