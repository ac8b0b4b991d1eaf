/** What is deployed on a script now, compared with what a release wants there. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { WorkerKey } from "../../../infra/topology.ts";
import type { Deployment, ScriptVersion } from "../cloudflare-api.ts";
import { requireSecret, type ReleaseContext } from "../environment.ts";
import { CliError, EXIT } from "../exit.ts";
import { soleVersion } from "./lineage.ts";

/** A release as it is found again on a script: the code by its tag, the settings by their fingerprint. */
export interface ReleaseMark {
  readonly tag: string;
  /** 8 hex digits over the rendered config. */
  readonly settings: string;
}

export interface ScriptState {
  readonly worker: WorkerKey;
  /** Newest first. */
  readonly deployments: readonly Deployment[];
  /** Newest first. */
  readonly versions: readonly ScriptVersion[];
  /** The version that serves everything; `null` before the first release. */
  readonly current: string | null;
  /** Secrets that a release must write: the missing ones, or all when they are rotated. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Whether code can only come by `wrangler deploy`: no code yet, or a Durable Object migration is pending. */
  readonly needsFullDeploy: boolean;
}

/** The message of an uploaded version; the settings' fingerprint is in no other place. */
export function versionMessage({ tag, settings }: ReleaseMark): string {
  return `strata ${tag} settings ${settings}`;
}

/** Whether a version is this release; a full deploy's message also names the predecessor. */
export function carries(version: ScriptVersion | undefined, mark: ReleaseMark): boolean {
  const message = versionMessage(mark);
  return (
    version !== undefined &&
    version.tag === mark.tag &&
    (version.message === message || (version.message?.startsWith(`${message} `) ?? false))
  );
}

/** Content tag of one of the script's versions; `null` when it is not known, or is none of ours. */
export function tagOf({ versions }: Pick<ScriptState, "versions">, versionId: string | null): string | null {
  return versions.find(({ id }) => id === versionId)?.tag ?? null;
}

/** Parts of a rendered config that say where it stands, not what the Worker gets. */
const PLACE_FIELDS = new Set(["$schema", "main", "migrations_dir"]);

/** Fingerprint of a rendered config. */
export function settingsFingerprint(config: string): string {
  const settings = JSON.stringify(
    JSON.parse(config, (key, value: unknown) => (PLACE_FIELDS.has(key) ? undefined : value)),
  );
  return createHash("sha256").update(settings).digest("hex").slice(0, 8);
}

/** The mark that `tag` has on one Worker of this environment. */
export async function markOf(context: ReleaseContext, worker: WorkerKey, tag: string): Promise<ReleaseMark> {
  return { tag, settings: settingsFingerprint(await readFile(context.configs[worker], "utf8")) };
}

/**
 * Someone else splits the script's traffic: a release would end that without a word.
 * @throws {CliError} naming the versions and their shares
 */
export function refuseForeignSplit(script: string, deployments: readonly Deployment[]): void {
  const [current] = deployments;
  if (current === undefined || soleVersion(current.versions) !== null) return;
  const shares = current.versions.map(({ versionId, percentage }) => `${versionId} at ${percentage} %`);
  throw new CliError(EXIT.failed, `${script} splits its traffic between versions: ${shares.join(", ")}`, {
    hints: [
      "This blueprint releases by lanes and never leaves such a split; someone else made it.",
      `Settle it first: npx wrangler versions deploy <version id>@100 --name ${script}`,
    ],
    data: { script, versions: current.versions },
  });
}

/**
 * Reads the state of a script.
 * @throws {CliError} on a foreign split, or when a secret that must be written is not known here
 */
export async function readScriptState(
  context: ReleaseContext,
  worker: WorkerKey,
  rotateSecrets: boolean,
): Promise<ScriptState> {
  const { api, topology } = context;
  const { name, secrets: needed, optionalSecrets, durableObjectMigrations } = topology.workers[worker];
  const [deployments, versions, present, migrationTag] = await Promise.all([
    api.deployments(name),
    api.versions(name),
    api.secretNames(name),
    durableObjectMigrations.length === 0 ? null : api.migrationTag(name),
  ]);
  refuseForeignSplit(name, deployments);
  const current = deployments[0] === undefined ? null : soleVersion(deployments[0].versions);
  const missing = needed.filter((secret) => rotateSecrets || !present.includes(secret));
  const why = `${name} needs it`;
  // What is optional is written when it is known here and missing there.
  const offered = optionalSecrets.filter(
    (secret) => context.secrets[secret] !== undefined && (rotateSecrets || !present.includes(secret)),
  );
  return {
    worker,
    deployments,
    versions,
    current,
    secrets: Object.fromEntries(
      [...missing, ...offered].map((secret) => [secret, requireSecret(context, secret, why)]),
    ),
    needsFullDeploy: current === null || (durableObjectMigrations.at(-1)?.tag ?? null) !== migrationTag,
  };
}

/** Whether the script serves this release already, with all its secrets. */
export function isCurrent({ current, versions, secrets }: ScriptState, mark: ReleaseMark): boolean {
  return (
    Object.keys(secrets).length === 0 &&
    current !== null &&
    carries(
      versions.find(({ id }) => id === current),
      mark,
    )
  );
}

/**
 * A version of this release that an earlier run uploaded and did not deploy.
 * Only the newest is taken: nothing, no secret either, was changed after it.
 */
export function uploadedBefore({ versions, secrets }: ScriptState, mark: ReleaseMark): string | null {
  const [newest] = versions;
  return Object.keys(secrets).length === 0 && newest !== undefined && carries(newest, mark)
    ? newest.id
    : null;
}
