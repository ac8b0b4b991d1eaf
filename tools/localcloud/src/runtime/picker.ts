/**
 * Which version of a script answers a call.
 * No imports: workerd runs this very file inside the splitter worker.
 */

/** A version's share of the traffic, in percent. */
export interface Share {
  readonly versionId: string;
  readonly percentage: number;
}

/** The two request headers that steer the choice; `null` when absent. */
export interface PickHints {
  /** `Cloudflare-Workers-Version-Key`: the same key stays on the same version. */
  readonly key: string | null;
  /** `Cloudflare-Workers-Version-Overrides`: a dictionary of script name to version id. */
  readonly overrides: string | null;
}

export const VERSION_KEY_HEADER = "cloudflare-workers-version-key";
export const VERSION_OVERRIDES_HEADER = "cloudflare-workers-version-overrides";

/**
 * Picks a version. An override counts only when it names a version of the current
 * deployment; any other is ignored, as the platform does. A key picks by its hash,
 * so that keys on the version that grows stay on it while it grows.
 * @param shares newest version first; the order must not change between deployments.
 * @param random a number in [0, 1).
 */
export function pickVersion(
  scriptName: string,
  shares: readonly Share[],
  hints: PickHints,
  random: () => number,
): string | undefined {
  const last = shares.at(-1);
  if (last === undefined) return undefined;
  if (hints.overrides !== null) {
    const wanted = parseOverrides(hints.overrides).get(scriptName);
    if (shares.some((share) => share.versionId === wanted)) return wanted;
  }
  if (shares.length === 1) return last.versionId;
  const total = shares.reduce((sum, share) => sum + share.percentage, 0);
  const point = (hints.key === null ? random() : hashFraction(hints.key)) * total;
  let end = 0;
  for (const share of shares) {
    end += share.percentage;
    if (point < end) return share.versionId;
  }
  return last.versionId;
}

/** A key's place in [0, 1): FNV-1a, then MurmurHash3's finaliser to spread short keys. */
function hashFraction(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i += 1) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

/** A member of the dictionary, its parameters, and the comma or the end after it. */
const MEMBER =
  /[ \t]*([a-z*][a-z0-9_\-.*]*)="((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"(?:;[^,"]*)?[ \t]*(,|$)/y;

/**
 * Reads the overrides header: a dictionary of strings (RFC 8941 §3.2). The last of two
 * equal keys wins. A malformed header counts as absent as a whole (§4.2).
 */
export function parseOverrides(header: string): ReadonlyMap<string, string> {
  const overrides = new Map<string, string>();
  MEMBER.lastIndex = 0;
  for (;;) {
    const member = MEMBER.exec(header);
    if (member === null) return new Map();
    const [, key = "", value = "", separator] = member;
    overrides.set(key, value.replace(/\\(["\\])/g, "$1"));
    if (separator === "") return overrides;
  }
}
