/** The archiver Worker: consume → archive → read. Handlers and RPC only; each part is a folder. */
import { WorkerEntrypoint } from "cloudflare:workers";
import { archiveRun, DEFAULT_BOUNDS } from "./archive/index.ts";
import { consume } from "./buffer/index.ts";
import { compact, DEFAULT_COMPACTION_BOUNDS } from "./compaction/index.ts";
import type {
  ArchiveRunResult,
  ArchiverApi,
  ArchiverHealth,
  ArchiveStats,
  CompactionRequest,
  CompactionResult,
  DeadLetterChoice,
  DeadLetterOutcome,
  DeadLetterPage,
  EraseResult,
  ErasureReceipt,
  FileReport,
  IngestRequest,
  IngestResult,
  ReadRequest,
  ReadResult,
  ReindexRequest,
  ReindexResult,
  RetentionResult,
  VerifyRequest,
  VerifyResult,
} from "./contract.ts";
import {
  listDeadLetters,
  purgeDeadLetters,
  replayDeadLetters,
  storeDeadLetters,
} from "./deadletters/index.ts";
import type { Env } from "./env.generated.ts";
import { continueErasures, erase, listErasures, SCHEDULED_ERASURE_BOUNDS } from "./erasure/index.ts";
import { readHealth } from "./health.ts";
import { handleRequest } from "./http.ts";
import { ingest } from "./ingest/index.ts";
import { inspect, reindex, verify } from "./integrity/index.ts";
import type { ArchiveBindings } from "./manifest/index.ts";
import { read } from "./read/index.ts";
import { DEFAULT_RETENTION_BOUNDS, retain } from "./retention/index.ts";
import { runSteps } from "./schedule.ts";
import { readSettings } from "./settings.ts";
import { readStats } from "./stats.ts";
import { registry } from "./tables/index.ts";

/**
 * What the steps of one cron may take: an invocation has 15 minutes, and D1 ends
 * it at its 1,001st query, so the steps share 1,000.
 */
const SCHEDULED = {
  archive: { ...DEFAULT_BOUNDS, runTime: 5 * 60_000, queriesPerRun: 400 },
  erasures: { ...SCHEDULED_ERASURE_BOUNDS, runTime: 2 * 60_000, queries: 200 },
  retention: { ...DEFAULT_RETENTION_BOUNDS, runTime: 60_000, queries: 150 },
  compaction: { ...DEFAULT_COMPACTION_BOUNDS, runTime: 5 * 60_000, queries: 200 },
} as const;

/** Queues of dead letters are named after the queue that the letters come from. */
const DEAD_LETTER_QUEUE = /(^|-)dlq(-|$)/;

function archiveBindings(env: Env, holder: string): ArchiveBindings {
  return {
    db: env.DB,
    bucket: env.COLD,
    registry,
    settings: readSettings(env),
    now: Date.now,
    randomId: () => crypto.randomUUID(),
    holder: `${holder} ${crypto.randomUUID()}`,
  };
}

/** The archiver as the hub calls it. */
export class ArchiveService extends WorkerEntrypoint<Env> implements ArchiverApi {
  ingest(request: IngestRequest): Promise<IngestResult> {
    return ingest(request, { ...this.#bindings(), queue: this.env.INGEST });
  }

  read(request: ReadRequest): Promise<ReadResult> {
    return read(request, { ...this.#bindings(), cursorSecret: this.env.ADMIN_TOKEN });
  }

  archive(): Promise<ArchiveRunResult> {
    return archiveRun(this.#bindings());
  }

  compact(request: CompactionRequest): Promise<CompactionResult> {
    return compact(this.#bindings(), request);
  }

  retain(): Promise<RetentionResult> {
    return retain(this.#bindings());
  }

  erase(request: { readonly datasetId: string }): Promise<EraseResult> {
    return erase(this.#bindings(), request);
  }

  erasures(): Promise<readonly ErasureReceipt[]> {
    return listErasures(this.env.DB);
  }

  verify(request: VerifyRequest): Promise<VerifyResult> {
    return verify(this.#bindings(), request);
  }

  reindex(request: ReindexRequest): Promise<ReindexResult> {
    return reindex(this.#bindings(), request);
  }

  inspect({ key }: { readonly key: string }): Promise<FileReport | { readonly fault: string } | null> {
    return inspect(this.env.COLD, key);
  }

  deadLetters(request: {
    readonly after?: number | undefined;
    readonly limit: number;
  }): Promise<DeadLetterPage> {
    return listDeadLetters(request, { db: this.env.DB });
  }

  replayDeadLetters(choice: DeadLetterChoice): Promise<DeadLetterOutcome> {
    return replayDeadLetters(choice, { db: this.env.DB, queue: this.env.INGEST });
  }

  purgeDeadLetters(choice: DeadLetterChoice): Promise<DeadLetterOutcome> {
    return purgeDeadLetters(choice, { db: this.env.DB });
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

  #bindings(): ArchiveBindings {
    return archiveBindings(this.env, "rpc");
  }
}

export default {
  fetch: (request, env) =>
    handleRequest(request, env, { runArchive: () => archiveRun(archiveBindings(env, "admin")) }),

  queue(batch, env) {
    const bindings = archiveBindings(env, "queue");
    return DEAD_LETTER_QUEUE.test(batch.queue)
      ? storeDeadLetters(batch, bindings)
      : consume(batch, { ...bindings, deadLetters: env.DEAD_LETTERS });
  },

  scheduled(_controller, env) {
    const bindings = archiveBindings(env, "cron");
    return runSteps([
      { name: "archive", run: () => archiveRun(bindings, SCHEDULED.archive) },
      { name: "erasures", run: () => continueErasures(bindings, SCHEDULED.erasures) },
      { name: "retention", run: () => retain(bindings, SCHEDULED.retention) },
      { name: "compaction", run: () => compact(bindings, {}, SCHEDULED.compaction) },
    ]);
  },
} satisfies ExportedHandler<Env>;
