/**
 * The archiver's parts joined as the Worker joins them, with a queue that holds
 * its messages until the test delivers them and a clock that the test moves.
 */
import {
  applyD1Migrations,
  createExecutionContext,
  createMessageBatch,
  getQueueResult,
  reset,
} from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { afterEach, beforeEach } from "vitest";
import { archiveRun, DEFAULT_BOUNDS, type RunBounds } from "../src/archive/index.ts";
import { consume } from "../src/buffer/index.ts";
import type {
  ArchiveRunResult,
  ArchiverApi,
  IngestRequest,
  IngestResult,
  ReadRequest,
  ReadResult,
} from "../src/contract.ts";
import { ingest } from "../src/ingest/index.ts";
import { DEFAULT_READ_BOUNDS, read, type ReadBounds } from "../src/read/read.ts";
import { registry as tables, type SchemaRegistry } from "../src/tables/index.ts";

export const QUEUE_NAME = "strata-ingest-local";
export const DAY = 86_400_000;
export const EPOCH = Date.parse("2026-11-20T00:00:00Z");

export type Flight = Readonly<{
  time: number;
  delay: number;
  distance: number;
  origin: string;
  destination: string;
}>;

/** A flight that departs `minutes` after `EPOCH`. */
export function flight(minutes: number, fields: Partial<Flight> = {}): Flight {
  return {
    time: EPOCH + minutes * 60_000,
    delay: 4,
    distance: 407,
    origin: "LAS",
    destination: "OAK",
    ...fields,
  };
}

/** What became of a delivery, by message id. */
export interface Delivered {
  readonly acked: readonly string[];
  readonly retried: readonly string[];
}

export interface TestMessage {
  readonly id: string;
  readonly body: unknown;
  readonly attempts: number;
}

/** Replaces bindings of a `TestArchiver`. */
export interface Overrides {
  readonly db?: D1Database;
  readonly bucket?: R2Bucket;
  readonly registry?: SchemaRegistry;
  readonly sendBatch?: Queue<Uint8Array>["sendBatch"];
}

export class TestArchiver {
  now = EPOCH + 2 * DAY;
  readonly waiting: TestMessage[] = [];
  readonly #overrides: Overrides;
  #ids = 0;

  constructor(overrides: Overrides = {}) {
    this.#overrides = overrides;
  }

  get registry(): SchemaRegistry {
    return this.#overrides.registry ?? tables;
  }

  get db(): D1Database {
    return this.#overrides.db ?? env.DB;
  }

  get bucket(): R2Bucket {
    return this.#overrides.bucket ?? env.COLD;
  }

  ingest(request: IngestRequest): Promise<IngestResult> {
    const sendBatch: Queue<Uint8Array>["sendBatch"] = async (messages) => {
      for (const { body } of messages) {
        this.#ids += 1;
        this.waiting.push({ id: `delivery-${this.#ids}`, body, attempts: 1 });
      }
      return { metadata: { metrics: { backlogCount: 0, backlogBytes: 0 } } };
    };
    return ingest(request, {
      queue: { sendBatch: this.#overrides.sendBatch ?? sendBatch },
      registry: this.registry,
      randomId: () => crypto.randomUUID(),
    });
  }

  /** Gives messages to the consumer; those that wait, unless others are named. */
  async deliver(messages: readonly TestMessage[] = this.waiting.splice(0)): Promise<Delivered> {
    const batch = createMessageBatch(
      QUEUE_NAME,
      messages.map((message) => ({ ...message, timestamp: this.now })),
    );
    const context = createExecutionContext();
    await consume(batch, { db: this.db, registry: this.registry, now: () => this.now });
    const result = await getQueueResult(batch, context);
    return {
      acked: result.explicitAcks,
      retried: result.retryMessages.map(({ msgId }) => msgId),
    };
  }

  archive(bounds: Partial<RunBounds> = {}): Promise<ArchiveRunResult> {
    return archiveRun(
      { db: this.db, bucket: this.bucket, registry: this.registry, now: () => this.now, holder: "test" },
      { ...DEFAULT_BOUNDS, ...bounds },
    );
  }

  read(request: Partial<ReadRequest> = {}, bounds: Partial<ReadBounds> = {}): Promise<ReadResult> {
    return read(
      {
        datasetId: "LAS",
        table: "flights",
        from: EPOCH - 400 * DAY,
        to: EPOCH + 400 * DAY,
        limit: 10_000,
        ...request,
      },
      { db: this.db, bucket: this.bucket, registry: this.registry },
      { ...DEFAULT_READ_BOUNDS, ...bounds },
    );
  }

  /** Ingests and stores records of one dataset; fails when they are refused. */
  async store(records: readonly unknown[], request: Partial<IngestRequest> = {}): Promise<void> {
    const result = await this.ingest({ datasetId: "LAS", table: "flights", records, ...request });
    if (!result.ok) throw new Error(`refused: ${JSON.stringify(result)}`);
    await this.deliver();
  }

  /** Every record of every page, with the pages' sizes. */
  async readAll(
    request: Partial<ReadRequest> = {},
    bounds: Partial<ReadBounds> = {},
    betweenPages: () => Promise<void> = () => Promise.resolve(),
  ): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const records: Readonly<Record<string, unknown>>[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < 1_000; page += 1) {
      const result = await this.read({ ...request, cursor }, bounds);
      if (!result.ok) throw new Error(`refused: ${JSON.stringify(result)}`);
      records.push(...result.records);
      if (result.nextCursor === null) return records;
      cursor = result.nextCursor;
      await betweenPages();
    }
    throw new Error("the pages do not end");
  }
}

/** Gives every test of a file empty, migrated storage. */
export function useStorage(): void {
  beforeEach(() => applyD1Migrations(env.DB, env.TEST_MIGRATIONS));
  afterEach(() => reset());
}

/** Number of rows of a table. */
export async function countRows(table: string): Promise<number> {
  const row = await env.DB.prepare(`SELECT count(*) AS rows FROM ${table}`).first<{ rows: number }>();
  return row?.rows ?? 0;
}

/** The entrypoint over RPC, as the hub has it. The pool's types know no named exports. */
export function archiveService(): ArchiverApi {
  const named: unknown = exports;
  return (named as { readonly ArchiveService: ArchiverApi }).ArchiveService;
}
