/**
 * Which version a release replaced, kept in the messages of the deployments
 * themselves: a rollback needs no database and works from any laptop.
 *
 *     strata r-3f2a9c01d4e5 replaces <version id>
 *     strata rollback to <version id> replaces <version id>
 *
 * `replaces` names the last good version before the deployed one. A rollback
 * repeats the predecessor of the version it returns to, not the version it
 * leaves, so that rolling back twice goes back twice and never to a bad version.
 */
import type { Deployment, VersionShare } from "../cloudflare-api.ts";

const ID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
const MESSAGE = new RegExp(
  `^strata (?:r-[0-9a-f]{12}(?: settings [0-9a-f]{8})?|rollback to ${ID})(?: replaces (${ID}))?$`,
);

/**
 * The message of a release's deployment; `predecessor` is `null` when nothing good came before.
 * @param release the tag, with or without the settings' fingerprint
 */
export function releaseMessage(release: string, predecessor: string | null): string {
  return `strata ${release}${predecessor === null ? "" : ` replaces ${predecessor}`}`;
}

/** The message of a deployment that returns to `target`. */
export function rollbackMessage(target: string, predecessor: string | null): string {
  return `strata rollback to ${target}${predecessor === null ? "" : ` replaces ${predecessor}`}`;
}

/** The one version that serves everything; `null` for a split or for none. */
export function soleVersion(versions: readonly VersionShare[]): string | null {
  const [only] = versions.filter(({ percentage }) => percentage > 0);
  return only?.percentage === 100 && versions.length === 1 ? only.versionId : null;
}

/** The last good version before `version`, from the newest deployment of it that says so. */
export function predecessorOf(version: string, deployments: readonly Deployment[]): string | null {
  for (const { message, versions } of deployments) {
    if (soleVersion(versions) !== version || message === null) continue;
    const match = MESSAGE.exec(message);
    if (match !== null) return match[1] ?? null;
  }
  return null;
}

/** Where a rollback of the current deployment leads. */
export interface RollbackTarget {
  readonly from: string;
  readonly to: string;
  /** Predecessor of `to`; goes into the message. */
  readonly predecessor: string | null;
}

/**
 * The last good version of a script, or `null` when nothing came before. A
 * current deployment that another tool made is left for the newest version
 * that a release of ours had put there.
 * @param deployments newest first
 */
export function rollbackTarget(deployments: readonly Deployment[]): RollbackTarget | null {
  const [current] = deployments;
  const from = current === undefined ? null : soleVersion(current.versions);
  if (current === undefined || from === null) return null;
  const to = isOurs(current) ? predecessorOf(from, deployments) : lastOfOurs(deployments, from);
  if (to === null || to === from) return null;
  return { from, to, predecessor: predecessorOf(to, deployments) };
}

function isOurs({ message }: Deployment): boolean {
  return message !== null && MESSAGE.test(message);
}

function lastOfOurs(deployments: readonly Deployment[], except: string): string | null {
  for (const deployment of deployments) {
    const version = soleVersion(deployment.versions);
    if (isOurs(deployment) && version !== null && version !== except) return version;
  }
  return null;
}
