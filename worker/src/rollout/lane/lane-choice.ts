/** Which lane a request takes: pure, and the same for a client as shares grow. */
import { API_KEY_HEADER, apiKey } from "../../auth/index.ts";
import { CLIENT_HEADER, type HttpClass, type Lane } from "../contract.ts";
import type { RolloutView } from "../view.ts";

/** Clients are spread over this many buckets, so that a share has steps of 0.01 %. */
export const BUCKETS = 10_000;
const BUCKETS_PER_PERCENT = BUCKETS / 100;

const READ_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Reads are GET, HEAD and OPTIONS; everything else is a write. */
export function trafficClass(method: string): HttpClass {
  return READ_METHODS.has(method) ? "read" : "write";
}

/** Whether a request may be done twice: a safe method, and no body that is used up. */
export function isRepeatable(request: Request): boolean {
  return trafficClass(request.method) === "read" && request.body === null;
}

/** FNV-1a, 32 bits (RFC 9923), over UTF-16 code units. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash;
}

/** The finalizer of MurmurHash3: FNV-1a alone leaves its high bits unmixed for short keys. */
function avalanche(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** The bucket of a client in one rollout, 0 to `BUCKETS` − 1; another rollout draws anew. */
export function clientBucket(rolloutId: string, client: string): number {
  return Math.floor((avalanche(fnv1a(`${rolloutId}\n${client}`)) / 2 ** 32) * BUCKETS);
}

/** Clients fall into this many groups, as `ClientGroups` counts them. */
export const CLIENT_GROUPS = 32;

/** The group of a client, 0 to `CLIENT_GROUPS` − 1: the same in every rollout, and no matter in which bucket it is. */
export function clientGroup(client: string): number {
  return avalanche(fnv1a(`group\n${client}`)) % CLIENT_GROUPS;
}

/**
 * Who sends a request: what it calls itself, else its API key, else its
 * address. A request without any of these is a client of its own. A tenant with
 * one key thus sees one version only, unless its clients have names.
 */
export function clientOf(headers: Headers, requestId: string): string {
  const named = headers.get(CLIENT_HEADER);
  if (named !== null && named !== "") return `client ${named}`;
  const key = apiKey(headers);
  if (key !== null && key !== "") return `${API_KEY_HEADER} ${key}`;
  const address = headers.get("cf-connecting-ip");
  return address === null ? `request ${requestId}` : `address ${address}`;
}

/** The lane of a client's requests of one class. */
export function chooseLane(view: RolloutView, traffic: HttpClass, client: string): Lane {
  if (view.id === null) return "stable";
  const share = view.shares[traffic];
  return clientBucket(view.id, client) < share * BUCKETS_PER_PERCENT ? "canary" : "stable";
}
