import { z } from "zod";
import {
  ARCHIVE_CODECS,
  D1_KEYS,
  GENERIC_TABLES,
  KV_KEYS,
  QUEUE_KEYS,
  R2_KEYS,
  WORKER_KEYS,
  type StackSettings,
} from "./topology.ts";

const id = z.string().min(1);
const named = z.strictObject({ id, name: z.string().min(1) });

/** The bounds of the values were checked when the stack was brought up (infra/config.ts). */
const settingsSchema: z.ZodType<StackSettings> = z.strictObject({
  coldExpiryDays: z.int().nullable(),
  backupExpiryDays: z.int(),
  archiveCrons: z.array(z.string()),
  queueRetentionSeconds: z.int(),
  hotWindowSeconds: z.int(),
  archiveBlockBytes: z.int(),
  archiveFileBytes: z.int(),
  archiveCodec: z.enum(ARCHIVE_CODECS),
  genericTables: z.enum(GENERIC_TABLES),
});

/**
 * What the Pulumi program reports: every id that the topology cannot know, and
 * the settings that make it. Wrangler configs are rendered from nothing else.
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
  /** Of the stack file, as it was brought up. */
  settings: settingsSchema,
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
