import { z } from "zod";
import { D1_KEYS, KV_KEYS, QUEUE_KEYS, R2_KEYS, WORKER_KEYS } from "./topology.ts";

const id = z.string().min(1);
const named = z.strictObject({ id, name: z.string().min(1) });

/**
 * What the Pulumi program reports: every id that the topology cannot know.
 * Wrangler configs and binding types are rendered from this and the topology.
 */
export const stackOutputsSchema = z.strictObject({
  accountId: id,
  /** Namespace ids. */
  kv: z.record(z.enum(KV_KEYS), id),
  /** Database ids (UUIDs). */
  d1: z.record(z.enum(D1_KEYS), id),
  /** Bucket names; a bucket has no other id. */
  r2: z.record(z.enum(R2_KEYS), id),
  queues: z.record(z.enum(QUEUE_KEYS), named),
  workers: z.record(z.enum(WORKER_KEYS), named),
});

export type StackOutputs = z.infer<typeof stackOutputsSchema>;

/** The outputs are not those of the present program: the stack was provisioned by an older one, or not at all. */
export class StackOutputsError extends Error {
  override readonly name = "StackOutputsError";
}

/**
 * Reads outputs that came from outside (`pulumi stack output --json`, a file).
 *
 * @throws {StackOutputsError} naming every output that is missing or wrong
 */
export function parseStackOutputs(value: unknown, source: string): StackOutputs {
  const parsed = stackOutputsSchema.safeParse(value);
  if (parsed.success) {
    return parsed.data;
  }
  const faults = parsed.error.issues.map((issue) => `  ${issue.path.join(".") || "(all)"}: ${issue.message}`);
  throw new StackOutputsError(
    [`${source} does not hold the outputs of this program:`, ...faults, "Provision the stack again."].join(
      "\n",
    ),
  );
}
