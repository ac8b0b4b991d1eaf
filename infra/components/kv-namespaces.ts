import * as cloudflare from "@pulumi/cloudflare";
import { mapRecord } from "../map-record.ts";
import { KV_KEYS, type KvKey, type Topology } from "../topology.ts";

/** KV namespaces. They hold caches and copies only, so nothing protects them. */
export function kvNamespaces(
  topology: Topology,
  accountId: string,
): Record<KvKey, cloudflare.WorkersKvNamespace> {
  return mapRecord(
    KV_KEYS,
    topology.kv,
    ({ title }, key) => new cloudflare.WorkersKvNamespace(`kv-${key}`, { accountId, title }),
  );
}
