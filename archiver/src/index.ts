/** The archiver Worker: consume → archive → read. Handlers and RPC only; each part is a folder. */
import { WorkerEntrypoint } from "cloudflare:workers";
import { archiveRun, DEFAULT_BOUNDS } from "./archive/index.ts";
import {
  consumeForStable,
  consumeInLanes,
  probeCanary,
  type RunBindings,
  type RunKind,
  runInLanes,
  takeOrder,
} from "./background/index.ts";
import { compact, DEFAULT_COMPACTION_BOUNDS } from "./compaction/index.ts";
import type {
  ArchiveRunResult,
  ArchiverApi,
  ArchiverHealth,
  ArchiveStats,
  BackgroundApi,
  BackgroundDelivery,
  BackgroundMessage,
  BackgroundOrder,
  BackgroundRunRequest,
  BackgroundRunResult,
  BackgroundTally,
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
import { errorFields } from "./log.ts";
import { expectSuccess, runSteps, type Step } from "./schedule.ts";
import { readSettings } from "./settings.ts";
import { readStats } from "./stats.ts";
import { registry } from "./tables/index.ts";

/**
 * What the steps of one run may take. A cron's invocation has 15 minutes, in which
 * a canary may fail a run and a second one is made; 30 s of CPU, of which a MiB of
 * records takes up to 0.1 s, where a first merge may read 192 MiB; and D1 ends it at
 * its 1,001st query. A probe has seconds: what goes on after an RPC has answered is
 * cut off after 30. It archives what one pass takes, and plans merges without making any.
 */
const SCHEDULED = {
  cron: {
    archive: {
      ...DEFAULT_BOUNDS,
      runTime: 2 * 60_000,
      queriesPerRun: 400,
      bytesPerRun: DEFAULT_BOUNDS.bytesPerRun / 2,
    },
    erasures: { ...SCHEDULED_ERASURE_BOUNDS, runTime: 60_000, queries: 200 },
    retention: { ...DEFAULT_RETENTION_BOUNDS, runTime: 30_000, queries: 150 },
    compaction: {
      ...DEFAULT_COMPACTION_BOUNDS,
      runTime: 2 * 60_000,
      queries: 200,
      recordBytes: DEFAULT_COMPACTION_BOUNDS.recordBytes / 2,
    },
  },
  probe: {
    archive: { ...DEFAULT_BOUNDS, runTime: 0 },
    erasures: { ...SCHEDULED_ERASURE_BOUNDS, runTime: 2_000 },
    retention: { ...DEFAULT_RETENTION_BOUNDS, runTime: 2_000 },
    compaction: { ...DEFAULT_COMPACTION_BOUNDS, runTime: 0 },
  },
} as const;

/** ms that the canary has for a run: more than its bounds let it take, and little enough to do it again. */
const OVERDUE: Readonly<Record<RunKind, number>> = { cron: 7 * 60_000, probe: 12_000 };

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

function stepsOf(kind: RunKind, bindings: ArchiveBindings): readonly Step[] {
  const bounds = SCHEDULED[kind];
  return [
    { name: "archive", run: () => archiveRun(bindings, bounds.archive) },
    { name: "erasures", run: () => continueErasures(bindings, bounds.erasures) },
    { name: "retention", run: () => retain(bindings, bounds.retention) },
    { name: "compaction", run: () => compact(bindings, {}, bounds.compaction) },
  ];
}

/** What the stable archiver hands work to; a canary does everything itself. */
function canaryOf(env: Env): BackgroundApi | undefined {
  return env.LANE === "canary" ? undefined : env.CANARY;
}

function runBindings(env: Env): RunBindings {
  const bindings = archiveBindings(env, "cron");
  return {
    ...bindings,
    canary: canaryOf(env),
    overdue: OVERDUE,
    runHere: (kind) => runSteps(stepsOf(kind, bindings)),
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

  async background(order: BackgroundOrder): Promise<BackgroundTally> {
    const bindings = runBindings(this.env);
    const tally = await takeOrder(order, this.env.LANE, bindings);
    if (order.probe && tally.accepted) this.ctx.waitUntil(probeCanary(bindings));
    return tally;
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

/** The canary archiver as the stable one calls it. */
export class BackgroundWork extends WorkerEntrypoint<Env> implements BackgroundApi {
  consume(messages: readonly BackgroundMessage[]): Promise<BackgroundDelivery> {
    return consumeForStable(messages, archiveBindings(this.env, "canary queue"));
  }

  async run({ kind, holder }: BackgroundRunRequest): Promise<BackgroundRunResult> {
    const failed = await runSteps(stepsOf(kind, { ...archiveBindings(this.env, "canary"), holder }));
    return { failed: failed.map(({ step, error }) => ({ step, reason: errorFields(error).message })) };
  }
}

export default {
  fetch: (request, env) =>
    handleRequest(request, env, { runArchive: () => archiveRun(archiveBindings(env, "admin")) }),

  queue(batch, env) {
    const bindings = archiveBindings(env, "queue");
    return DEAD_LETTER_QUEUE.test(batch.queue)
      ? storeDeadLetters(batch, bindings)
      : consumeInLanes(batch, { ...bindings, deadLetters: env.DEAD_LETTERS, canary: canaryOf(env) });
  },

  async scheduled({ scheduledTime }, env) {
    expectSuccess(await runInLanes(scheduledTime, runBindings(env)));
  },
} satisfies ExportedHandler<Env>;
