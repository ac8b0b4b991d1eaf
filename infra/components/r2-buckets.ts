import * as cloudflare from "@pulumi/cloudflare";
import { mapRecord } from "../map-record.ts";
import { dataOptions } from "../protection.ts";
import { R2_KEYS, type LifecycleRule, type R2Key, type Topology } from "../topology.ts";

/** A bucket and the rules that delete from it. */
export interface BucketWithLifecycle {
  readonly bucket: cloudflare.R2Bucket;
  readonly lifecycle: cloudflare.R2BucketLifecycle;
}

function lifecycleRule(rule: LifecycleRule): cloudflare.types.input.R2BucketLifecycleRule {
  // `maxAge` is in seconds, whatever the console shows.
  const condition = { type: "Age", maxAge: rule.afterSeconds };
  const common = { id: rule.id, enabled: true, conditions: { prefix: "" } };
  switch (rule.kind) {
    case "abort-multipart":
      return { ...common, abortMultipartUploadsTransition: { condition } };
    case "expire":
      return { ...common, deleteObjectsTransition: { condition } };
  }
}

/**
 * R2 buckets with their lifecycle rules. A new name means a new, empty bucket,
 * so the engine must refuse it: `protect` outside `local`. The rules have no
 * protection; they survive the stack anyway, because the API cannot delete them.
 */
export function r2Buckets(topology: Topology, accountId: string): Record<R2Key, BucketWithLifecycle> {
  return mapRecord(R2_KEYS, topology.r2, ({ name, lifecycle }, key) => {
    const bucket = new cloudflare.R2Bucket(
      `r2-${key}`,
      { accountId, name, storageClass: "Standard" },
      dataOptions(topology),
    );
    const rules = new cloudflare.R2BucketLifecycle(`r2-${key}-lifecycle`, {
      accountId,
      bucketName: bucket.name,
      rules: lifecycle.map(lifecycleRule),
    });
    return { bucket, lifecycle: rules };
  });
}
