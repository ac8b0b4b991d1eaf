/** The archiver Worker: consume → archive → read. Handlers and RPC only; each part is a folder. */
import { WorkerEntrypoint } from "cloudflare:workers";
import { type ArchiveBindings, archiveRun, DEFAULT_BOUNDS } from "./archive/index.ts";
import { consume, forgetArchivedMessages } from "./buffer/index.ts";
import type {
  ArchiveRunResult,
  ArchiverApi,
  ArchiverHealth,
  ArchiveStats,
  IngestRequest,
  IngestResult,
  ReadRequest,
  ReadResult,
} from "./contract.ts";
import type { Env } from "./env.generated.ts";
import { readHealth } from "./health.ts";
import { handleRequest } from "./http.ts";
import { ingest } from "./ingest/index.ts";
import { log } from "./log.ts";
import { read } from "./read/index.ts";
import { readStats } from "./stats.ts";
import { registry } from "./tables/index.ts";

const DAY_MS = 86_400_000;

/** Wall time of a run that the cron starts; further passes wait for the next one. */
const SCHEDULED_RUN_MS = 5 * 60_000;

/**
 * A queue keeps a message for at most 14 days. One that was stored although D1's
 * answer was lost may wait so long among the dead letters, and again when an
 * operator sends it back; after that it cannot come a second time.
 */
const MESSAGE_MEMORY_MS = 30 * DAY_MS;

/** Ids that one cron run forgets, in about a second of the database's time. */
const FORGET_LIMIT = 100_000;

function archiveBindings(env: Env, holder: string): ArchiveBindings {
  return {
    db: env.DB,
    bucket: env.COLD,
    registry,
    now: Date.now,
    holder: `${holder} ${crypto.randomUUID()}`,
  };
}

/** The archiver as the hub calls it. */
export class ArchiveService extends WorkerEntrypoint<Env> implements ArchiverApi {
  ingest(request: IngestRequest): Promise<IngestResult> {
    return ingest(request, { queue: this.env.INGEST, registry, randomId: () => crypto.randomUUID() });
  }

  read(request: ReadRequest): Promise<ReadResult> {
    return read(request, { db: this.env.DB, bucket: this.env.COLD, registry });
  }

  archive(): Promise<ArchiveRunResult> {
    return archiveRun(archiveBindings(this.env, "rpc"));
  }

  stats(): Promise<ArchiveStats> {
    return readStats(this.env.DB);
  }

  health(): Promise<ArchiverHealth> {
    return readHealth(this.env);
  }

  async tables(): Promise<readonly string[]> {
    return registry.tables;
  }
}

export default {
  fetch: (request, env) =>
    handleRequest(request, env, { runArchive: () => archiveRun(archiveBindings(env, "admin")) }),

  queue: (batch, env) => consume(batch, { db: env.DB, registry, now: Date.now }),

  async scheduled(_controller, env) {
    await archiveRun(archiveBindings(env, "cron"), { ...DEFAULT_BOUNDS, runTime: SCHEDULED_RUN_MS });
    const forgotten = await forgetArchivedMessages(env.DB, Date.now() - MESSAGE_MEMORY_MS, FORGET_LIMIT);
    if (forgotten > 0) log.info("buffer.messages_forgotten", { messages: forgotten });
  },
} satisfies ExportedHandler<Env>;
