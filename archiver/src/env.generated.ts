// Generated from infra/topology.ts by `npm run render:types`. Do not edit.
export interface Env {
  readonly DB: D1Database;
  readonly COLD: R2Bucket;
  readonly INGEST: Queue<Uint8Array>;
  readonly VERSION: WorkerVersionMetadata;
  readonly ENVIRONMENT: string;
  readonly ADMIN_TOKEN: string;
}
