// Generated from infra/topology.ts by `npm run render:types`. Do not edit.
import type { ArchiverApi } from "../../archiver/src/contract.ts";

export interface Env {
  readonly CACHE: KVNamespace;
  readonly SNAPSHOTS: KVNamespace;
  readonly DB: D1Database;
  readonly MEDIA: R2Bucket;
  readonly ARCHIVER: ArchiverApi & Fetcher;
  readonly VERSION: WorkerVersionMetadata;
  readonly CANARY?: Fetcher;
  readonly ROLLOUT?: DurableObjectNamespace<import("./rollout/index.ts").RolloutController>;
  readonly ENVIRONMENT: string;
  readonly LANE: string;
  readonly BOOTSTRAP_API_KEY: string;
  readonly ADMIN_TOKEN: string;
  readonly ROLLOUT_WEBHOOK_KEY?: string;
  readonly NOTIFY_SLACK_URL?: string;
  readonly NOTIFY_DISCORD_URL?: string;
  readonly NOTIFY_WEBHOOK_URL?: string;
}
