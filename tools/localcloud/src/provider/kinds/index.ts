import type { Kind } from "../kind.ts";
import { d1Database } from "./d1-database.ts";
import { kvNamespace } from "./kv-namespace.ts";
import { queue } from "./queue.ts";
import { r2BucketLifecycle } from "./r2-bucket-lifecycle.ts";
import { r2Bucket } from "./r2-bucket.ts";
import { worker } from "./worker.ts";
import { workersCronTrigger } from "./workers-cron-trigger.ts";

const KINDS: readonly Kind[] = [
  kvNamespace,
  d1Database,
  r2Bucket,
  r2BucketLifecycle,
  queue,
  worker,
  workersCronTrigger,
];

const BY_TYPE: ReadonlyMap<string, Kind> = new Map(KINDS.map((kind) => [kind.type, kind]));

/**
 * The kind that a Pulumi type token names.
 *
 * @throws {Error} naming the kinds that the stand-in knows
 */
export function kindOf(type: string): Kind {
  const kind = BY_TYPE.get(type);
  if (kind === undefined) {
    throw new Error(
      `The stand-in Cloudflare provider does not know "${type}"; it knows ${[...BY_TYPE.keys()].join(", ")}.`,
    );
  }
  return kind;
}
