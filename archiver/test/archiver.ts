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
import { consumeInLanes, takeOrder } from "../src/background/index.ts";
import type {
  ArchiveRunResult,
  ArchiverApi,
  BackgroundApi,
  BackgroundOrder,
  BackgroundTally,
  IngestRequest,
  IngestResult,
  Page,
  ReadRequest,
  ReadResult,
} from "../src/contract.ts";
import type { Env } from "../src/env.generated.ts";
import { ingest } from "../src/ingest/index.ts";
import type { ArchiveBindings } from "../src/manifest/index.ts";
import { DEFAULT_READ_BOUNDS, read, type ReadBounds } from "../src/read/index.ts";
import type { Settings } from "../src/settings.ts";
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

export type TestRecord = Readonly<Record<string, unknown>>;

/** A page whose body has been read. */
export type TestReadResult =
  | (Omit<Page, "body"> & { readonly records: readonly TestRecord[] })
  | Extract<ReadResult, { ok: false }>;

export interface TestMessage {
  readonly id: string;
  readonly body: unknown;
  readonly attempts: number;
}

/** What the stacks set unless told otherwise, without a hot window. */
export const TEST_SETTINGS: Settings = {
  coldExpiryDays: null,
  hotWindow: 0,
  blockBytes: 64 * 1024,
  fileBytes: 4 * 1024 * 1024,
  codec: "deflate",
  genericTables: false,
};

/** Replaces bindings of a `TestArchiver`. */
export interface Overrides {
  readonly settings?: Partial<Settings>;
  readonly db?: D1Database;
  readonly bucket?: R2Bucket;
  readonly registry?: SchemaRegistry;
  readonly sendBatch?: Queue<Uint8Array>["sendBatch"];
  readonly canary?: BackgroundApi;
}

export class TestArchiver {
  now = EPOCH + 2 * DAY;
  /** Messages in the ingest queue and in the dead-letter queue. */
  readonly waiting: TestMessage[] = [];
  readonly dead: TestMessage[] = [];
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

  get settings(): Settings {
    return { ...TEST_SETTINGS, ...this.#overrides.settings };
  }

  /** What everything that changes the archive works with. */
  get bindings(): ArchiveBindings {
    return {
      db: this.db,
      bucket: this.bucket,
      registry: this.registry,
      settings: this.settings,
      now: () => this.now,
      randomId: () => crypto.randomUUID(),
      holder: "test",
    };
  }

  ingest(request: IngestRequest): Promise<IngestResult> {
    const { sendBatch } = this.#queue(this.waiting);
    return ingest(request, {
      ...this.bindings,
      queue: { sendBatch: this.#overrides.sendBatch ?? sendBatch },
    });
  }

  /** Gives messages to the consumer; those that wait, unless others are named. */
  async deliver(messages: readonly TestMessage[] = this.waiting.splice(0)): Promise<Delivered> {
    const batch = createMessageBatch(
      QUEUE_NAME,
      messages.map((message) => ({ ...message, timestamp: this.now })),
    );
    const context = createExecutionContext();
    const deadLetters = this.#queue(this.dead);
    await consumeInLanes(batch, { ...this.bindings, deadLetters, canary: this.#overrides.canary });
    const result = await getQueueResult(batch, context);
    return {
      acked: result.explicitAcks,
      retried: result.retryMessages.map(({ msgId }) => msgId),
    };
  }

  /** Gives the archiver an order about its background work: all of it to the canary, unless told otherwise. */
  background(order: Partial<BackgroundOrder> = {}): Promise<BackgroundTally> {
    const whole = { rolloutId: "r1", phase: 1, revision: 1, share: 100, validMs: 60_000, overdueMs: 1_000 };
    return takeOrder({ ...whole, probe: false, ...order }, "stable", {
      ...this.bindings,
      canary: this.#overrides.canary,
    });
  }

  archive(bounds: Partial<RunBounds> = {}): Promise<ArchiveRunResult> {
    return archiveRun(this.bindings, { ...DEFAULT_BOUNDS, ...bounds });
  }

  /** The answer as the archiver gives it, with its stream. */
  readStream(request: Partial<ReadRequest> = {}, bounds: Partial<ReadBounds> = {}): Promise<ReadResult> {
    return read(
      {
        datasetId: "LAS",
        table: "flights",
        from: EPOCH - 400 * DAY,
        to: EPOCH + 400 * DAY,
        limit: 10_000,
        format: "json",
        ...request,
      },
      { ...this.bindings, cursorSecret: "test-cursor-secret" },
      { ...DEFAULT_READ_BOUNDS, ...bounds },
    );
  }

  /** A page with its records. */
  async read(
    request: Partial<Omit<ReadRequest, "format" | "ifNoneMatch">> = {},
    bounds: Partial<ReadBounds> = {},
  ): Promise<TestReadResult> {
    const result = await this.readStream(request, bounds);
    if (!result.ok) return result;
    if (!result.modified) throw new Error("a page was not modified although no tag was sent");
    const { body, ...page } = result;
    return { ...page, records: (await new Response(body).json()) as TestRecord[] };
  }

  /** A producer whose messages wait in `waiting`. */
  #queue(waiting: TestMessage[]): Pick<Queue<Uint8Array>, "send" | "sendBatch"> {
    const metadata = { metrics: { backlogCount: 0, backlogBytes: 0 } };
    const push = (body: Uint8Array): void => {
      this.#ids += 1;
      waiting.push({ id: `delivery-${this.#ids}`, body, attempts: 1 });
    };
    return {
      send: async (body) => {
        push(body);
        return { metadata };
      },
      sendBatch: async (messages) => {
        for (const { body } of messages) push(body);
        return { metadata };
      },
    };
  }

  /** Ingests and stores records of one dataset; fails when they are refused. */
  async store(records: readonly unknown[], request: Partial<IngestRequest> = {}): Promise<void> {
    const result = await this.ingest({ datasetId: "LAS", table: "flights", records, ...request });
    if (!result.ok) throw new Error(`refused: ${JSON.stringify(result)}`);
    await this.deliver();
  }

  /** Every record of every page, with the pages' sizes. */
  async readAll(
    request: Partial<Omit<ReadRequest, "format" | "ifNoneMatch">> = {},
    bounds: Partial<ReadBounds> = {},
    betweenPages: () => Promise<void> = () => Promise.resolve(),
  ): Promise<readonly TestRecord[]> {
    const records: TestRecord[] = [];
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

/** Gives every test of a file empty, migrated storage, whose hot rows are numbered from 1 for the reader's sake. */
export function useStorage(): void {
  beforeEach(async () => {
    await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
    await env.DB.batch([
      env.DB.prepare("DELETE FROM sqlite_sequence WHERE name = 'buffer_logs'"),
      env.DB.prepare("UPDATE row_spaces SET first_row = 0"),
    ]);
  });
  afterEach(() => reset());
}

/** Number of rows of a table. */
export async function countRows(table: string): Promise<number> {
  const row = await env.DB.prepare(`SELECT count(*) AS rows FROM ${table}`).first<{ rows: number }>();
  return row?.rows ?? 0;
}

/** The Worker's environment. The pool's types mix it with the hub's. */
export function workerEnv(): Env {
  const mixed: unknown = env;
  return mixed as Env;
}

/** The canary's entrypoint over RPC, as the stable archiver has it, with this Worker's own code behind it. */
export function backgroundWork(): BackgroundApi {
  const named: unknown = exports;
  return (named as { readonly BackgroundWork: BackgroundApi }).BackgroundWork;
}

/** The entrypoint over RPC, as the hub has it. The pool's types know no named exports. */
export function archiveService(): ArchiverApi {
  const named: unknown = exports;
  return (named as { readonly ArchiveService: ArchiverApi }).ArchiveService;
}
