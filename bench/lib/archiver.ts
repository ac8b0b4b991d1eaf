/** The built archiver in plain workerd, with local D1, R2 and queues, and a driver that calls it as the hub does. */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type {
  ArchiveRunResult,
  ArchiveStats,
  CompactionResult,
  IngestRequest,
  IngestResult,
  Ingested,
  PageInfo,
  ReadRequest,
  RetentionResult,
} from "../../archiver/src/contract.ts";
import { topology } from "../../infra/topology.ts";
import type { Process } from "./process.ts";
import type { Spent } from "./spent.ts";
import { bundle, COMPATIBILITY, startWorkerd, type Workerd } from "./workerd.ts";

const MIGRATIONS = path.join(import.meta.dirname, "../../migrations/archive");
const { vars, consumers } = topology("production").workers.archiver;

/** A production stack's, without the wait before a record may be archived. */
const VARS = { ...vars, HOT_WINDOW_SECONDS: "0" };

/**
 * MiB of V8's heap, array buffers not counted: an isolate of the platform has 128 MB
 * for both, the local one would take what the machine has.
 */
const HEAP_MIB = 64;

/** How long the queue may take to deliver what it holds. */
const DRAIN_MS = 10 * 60_000;
const POLL_MS = 100;

const STORED = `
  SELECT (SELECT coalesce(sum(record_count), 0) FROM buffer_logs) +
         (SELECT coalesce(sum(record_count), 0) FROM archived_files WHERE state = 'live') AS stored,
         (SELECT count(*) FROM dead_letters) AS dead`;

/** The Worker's variables that a bench may choose. */
export interface ArchiverOptions {
  readonly vars?: Readonly<Record<string, string>>;
  /** Counts what it takes of D1, R2 and the queue. */
  readonly metered?: boolean;
}

/** A page and its body. */
export interface ReadPage extends PageInfo {
  readonly body: string;
}

export type ReadQuery = Omit<ReadRequest, "format" | "cursor" | "ifNoneMatch">;

export class BenchArchiver implements AsyncDisposable {
  readonly #workerd: Workerd;
  #ingested = 0;

  private constructor(workerd: Workerd) {
    this.#workerd = workerd;
  }

  static async start({ vars: chosen = {}, metered = false }: ArchiverOptions = {}): Promise<BenchArchiver> {
    const main = metered ? "bench/workers/metered-archiver.ts" : "archiver/src/index.ts";
    const [driver, script] = await Promise.all([bundle("bench/workers/driver.ts"), bundle(main)]);
    const [ingest] = consumers;
    process.env["MINIFLARE_WORKERD_V8_FLAGS"] ??= `--max-heap-size=${HEAP_MIB}`;
    const workerd = await startWorkerd([
      {
        name: "driver",
        modules: true,
        script: driver,
        ...COMPATIBILITY,
        serviceBindings: { ARCHIVER: { name: "archiver", entrypoint: "ArchiveService" } },
      },
      {
        name: "archiver",
        modules: true,
        script,
        ...COMPATIBILITY,
        d1Databases: { DB: "archive" },
        r2Buckets: { COLD: "cold" },
        queueProducers: { INGEST: "ingest", DEAD_LETTERS: "ingest-dlq" },
        queueConsumers: {
          ingest: {
            maxBatchSize: ingest?.maxBatchSize ?? 100,
            maxBatchTimeout: ingest?.maxBatchTimeoutSeconds ?? 1,
            deadLetterQueue: "ingest-dlq",
          },
        },
        bindings: {
          ...VARS,
          ...chosen,
          ADMIN_TOKEN: "bench-token",
          VERSION: { id: "bench", tag: "bench", timestamp: "" },
        },
      },
    ]);
    const archiver = new BenchArchiver(workerd);
    await archiver.#migrate();
    return archiver;
  }

  /** The process that runs the archiver, and the simulators of D1, R2 and the queue with it. */
  get process(): Process {
    return this.#workerd.process;
  }

  async #migrate(): Promise<void> {
    for (const name of (await readdir(MIGRATIONS)).filter((file) => file.endsWith(".sql")).sort()) {
      const sql = await readFile(path.join(MIGRATIONS, name), "utf8");
      for (const statement of sql.split("--> statement-breakpoint")) await this.sql(statement);
    }
  }

  /** Asks the archiver's database past the archiver. */
  async sql<Row>(statement: string, ...values: readonly (string | number)[]): Promise<readonly Row[]> {
    const database = await this.#workerd.miniflare.getD1Database("DB", "archiver");
    const { results } = await database
      .prepare(statement)
      .bind(...values)
      .all<Row>();
    return results;
  }

  async #post(
    method: string,
    body: string | Uint8Array<ArrayBuffer>,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Response> {
    const response = await fetch(new URL(method, this.#workerd.url), { method: "POST", body, headers });
    if (response.ok) return response;
    throw new Error(`${method}: ${response.status} ${await response.text()}`);
  }

  async #call<Result>(method: string, argument: unknown = {}): Promise<Result> {
    const response = await this.#post(method, JSON.stringify(argument));
    return (await response.json()) as Result;
  }

  #accepted(result: IngestResult): Ingested {
    if (!result.ok) throw new Error(`ingest refused: ${JSON.stringify(result)}`);
    this.#ingested += result.accepted;
    return result;
  }

  /** Uploads records. @throws Error when they are refused */
  async ingest(request: IngestRequest): Promise<Ingested> {
    return this.#accepted(await this.#call("ingest", request));
  }

  /** Uploads an Avro object container file. @throws Error when it is refused */
  async ingestContainer(
    target: Pick<IngestRequest, "datasetId" | "table" | "periodTag">,
    container: Uint8Array<ArrayBuffer>,
  ): Promise<Ingested> {
    const headers = { "x-request": JSON.stringify(target) };
    const response = await this.#post("ingest-container", container, headers);
    return this.#accepted((await response.json()) as IngestResult);
  }

  /** Waits until every record that was uploaded is stored, past the archiver. @throws Error when that takes too long */
  async drainQueue(): Promise<void> {
    const deadline = performance.now() + DRAIN_MS;
    for (;;) {
      const [found] = await this.sql<{ stored: number; dead: number }>(STORED);
      const { stored = 0, dead = 0 } = found ?? {};
      if (stored === this.#ingested) return;
      if (performance.now() > deadline || stored > this.#ingested || dead > 0) {
        throw new Error(
          `of ${this.#ingested} records the queue delivered ${stored}, and ${dead} dead letters`,
        );
      }
      await wait(POLL_MS);
    }
  }

  /** Archives until nothing is hot any more. @returns what each run did */
  async archiveAll(): Promise<readonly ArchiveRunResult[]> {
    const runs: ArchiveRunResult[] = [];
    for (;;) {
      const run = await this.#call<ArchiveRunResult>("archive");
      if (!run.ran) throw new Error("another run holds the lease");
      runs.push(run);
      if (run.remaining === 0) return runs;
      if (run.hotRows === 0) throw new Error(`a run left ${run.remaining} rows and moved none`);
    }
  }

  /** Compacts, open periods too, until there is nothing to merge. @returns what each run did */
  async compactAll(): Promise<readonly CompactionResult[]> {
    const runs: CompactionResult[] = [];
    for (;;) {
      const run = await this.#call<CompactionResult>("compact", { force: true });
      if (!run.ran) throw new Error("another run holds the lease");
      runs.push(run);
      if (run.merges === 0) return runs;
    }
  }

  retain(): Promise<RetentionResult> {
    return this.#call("retain");
  }

  stats(): Promise<ArchiveStats> {
    return this.#call("stats");
  }

  /** What was counted since this was asked last; of a metered archiver only. */
  takeSpent(): Promise<Spent> {
    return this.#call("take-spent");
  }

  /** Reads page by page to the end, NDJSON. */
  async *read(query: ReadQuery): AsyncGenerator<ReadPage> {
    let cursor: string | undefined;
    do {
      const response = await this.#post("read", JSON.stringify({ ...query, format: "ndjson", cursor }));
      const page = JSON.parse(response.headers.get("x-page") ?? "null") as PageInfo;
      yield { ...page, body: await response.text() };
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#workerd[Symbol.asyncDispose]();
  }
}
