// Generated from infra/topology.ts by `npm run render:types`. Do not edit.
import type { BackgroundApi } from "./contract.ts";

export interface Env {
  readonly DB: D1Database;
  readonly COLD: R2Bucket;
  readonly INGEST: Queue<Uint8Array>;
  readonly DEAD_LETTERS: Queue<Uint8Array>;
  readonly VERSION: WorkerVersionMetadata;
  readonly CANARY?: BackgroundApi & Fetcher;
  readonly ENVIRONMENT: string;
  readonly LANE: string;
  readonly COLD_EXPIRY_DAYS: string;
  readonly HOT_WINDOW_SECONDS: string;
  readonly ARCHIVE_BLOCK_BYTES: string;
  readonly ARCHIVE_FILE_BYTES: string;
  readonly ARCHIVE_CODEC: string;
  readonly GENERIC_TABLES: string;
  readonly ADMIN_TOKEN: string;
}
