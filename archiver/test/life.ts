/**
 * The whole life of an archive, in seeded stories: requests, deliveries, runs,
 * merges, retention, erasures, reindexing and reads, any of which may die, fail,
 * come late or stall while others go on.
 */
import { env } from "cloudflare:workers";
import { compact } from "../src/compaction/index.ts";
import type { IngestRequest, IngestResult } from "../src/contract.ts";
import { purgeDeadLetters } from "../src/deadletters/index.ts";
import { continueErasures, erase } from "../src/erasure/index.ts";
import { reindex } from "../src/integrity/index.ts";
import { LEASE_TTL_MS } from "../src/manifest/index.ts";
import { decodeMessage } from "../src/message/index.ts";
import { retain } from "../src/retention/index.ts";
import type { Settings } from "../src/settings.ts";
import { decodeRecord, recordBytes, registry, scanRecords } from "../src/tables/index.ts";
import { DAY, EPOCH, TestArchiver, type TestMessage } from "./archiver.ts";
import { ClockedBucket } from "./clocked.ts";
import { type Gate, gatedBucket, gatedDatabase } from "./faults.ts";
import { deliverLetters, replay } from "./letters.ts";
import { Promises, type SentMessage } from "./promise.ts";
import { type Random, type Trouble, troubledGate } from "./trouble.ts";

export const HOUR = 3_600_000;

/** A queue keeps a message for so long. */
const QUEUE_DAYS = 14;

export type Work = "archive" | "compact" | "retain" | "erase" | "continue" | "reindex";

/** A copy of a message in a queue. */
interface Copy {
  readonly message: TestMessage;
  /** `null` for bytes that are no message. */
  readonly sent: SentMessage | null;
  /** ms UTC. */
  readonly since: number;
}

/** Where trouble is made, and what others do while a process stalls. */
export interface Plot {
  readonly trouble: Trouble;
  readonly isAt: (index: number, operation: string) => boolean;
  readonly meanwhile: () => Promise<void>;
}

/** What became of a request. */
export interface Ingestion {
  /** `null` where the process died. */
  readonly result: IngestResult | null;
  /** Records that reached the queue now, as JSON. */
  readonly pushed: readonly string[];
}

export class Life {
  readonly promises = new Promises();
  readonly clocked = new ClockedBucket(() => this.now);
  /** ms UTC. */
  now = EPOCH;
  readonly #random: Random;
  readonly #fired: Set<string>;
  readonly #arrivals: (() => Promise<void>)[] = [];
  #settings: Partial<Settings>;
  #queue: Copy[] = [];
  #dead: Copy[] = [];
  /** Copies that were acknowledged: a queue may deliver them once more. */
  #done: Copy[] = [];
  #copies = 0;
  /** When an object was last written, ms UTC. */
  #writtenAt = EPOCH;

  constructor(random: Random, fired: Set<string>) {
    this.#random = random;
    this.#fired = fired;
    this.#settings = { blockBytes: 1 + random(90), genericTables: true, coldExpiryDays: null };
  }

  get expiryDays(): number | null {
    return this.#settings.coldExpiryDays ?? null;
  }

  /** An archiver of the moment; every operation of its bindings passes the gate. */
  archiver(gate?: Gate): TestArchiver {
    const { bucket } = this.clocked;
    const archiver = new TestArchiver({
      settings: this.#settings,
      ...(gate === undefined ? { bucket } : { db: gatedDatabase(gate), bucket: gatedBucket(gate, bucket) }),
    });
    archiver.now = this.now;
    return archiver;
  }

  /** Looks what erasures there are. */
  async observe(): Promise<void> {
    const { results } = await env.DB.prepare(
      "SELECT id, dataset_id AS dataset, requested_at AS requestedAt FROM erasures ORDER BY requested_at, id",
    ).all<{ id: string; dataset: string; requestedAt: number }>();
    for (const erasure of results) this.promises.erased(erasure);
    this.promises.aged(this.expiryDays, this.now);
  }

  #gateOf(plot: Plot | undefined): Gate | undefined {
    if (plot === undefined) return undefined;
    const { gate, arrive } = troubledGate(plot.isAt, plot.trouble, plot.meanwhile, this.#fired);
    this.#arrivals.push(arrive);
    return gate;
  }

  /** Does a request. @param refusedAt which send the queue refuses, and whether it took it all the same */
  async ingest(
    request: IngestRequest,
    refused: { readonly at: number; readonly taken: boolean } | null,
    plot?: Plot,
  ): Promise<Ingestion> {
    const pushed: string[] = [];
    let sends = 0;
    const sendBatch: Queue<Uint8Array>["sendBatch"] = async (messages) => {
      const isRefused = refused?.at === sends;
      sends += 1;
      if (!isRefused || refused.taken) {
        for (const { body } of messages) {
          const sent = this.#push(body);
          pushed.push(...(sent?.records ?? []));
        }
      }
      if (isRefused) throw new Error("Queue sendBatch failed: Too Many Requests");
      return { metadata: { metrics: { backlogCount: 0, backlogBytes: 0 } } };
    };
    const gate = this.#gateOf(plot);
    const archiver = new TestArchiver({
      settings: this.#settings,
      sendBatch,
      ...(gate === undefined ? {} : { db: gatedDatabase(gate) }),
    });
    archiver.now = this.now;
    const result = await settled(plot, archiver.ingest(request));
    return { result, pushed };
  }

  #push(body: Uint8Array): SentMessage | null {
    const sent = sentOf(body);
    this.#copies += 1;
    this.#queue.push({
      message: { id: `copy-${this.#copies}`, body, attempts: 1 },
      sent,
      since: this.now,
    });
    if (sent !== null) this.promises.sent(sent);
    return sent;
  }

  /** A message comes garbled. */
  garble(): void {
    const copy = this.#queue.at(-1);
    if (!(copy?.message.body instanceof Uint8Array)) return;
    const body = copy.message.body.slice();
    body[body.length - 1] = (body.at(-1) ?? 0) ^ 0x55;
    this.#push(body);
  }

  /** Delivers some of what waits, twice or once; what died is delivered again later. */
  async deliver(count: number, plot?: Plot): Promise<void> {
    await this.observe();
    const copies = this.#take(count);
    if (copies.length === 0) return;
    for (const { sent } of copies) if (sent !== null) this.promises.attempted(sent, this.now);
    const archiver = this.archiver(this.#gateOf(plot));
    const delivered = await settled(plot, archiver.deliver(copies.map(({ message }) => message)));
    for (const { body } of archiver.dead.splice(0)) this.#bury({ id: "", body, attempts: 1 }, null);
    const acked = new Set(plot === undefined ? delivered?.acked : []);
    for (const copy of copies) {
      if (acked.has(copy.message.id)) {
        if (copy.sent !== null) this.promises.delivered(copy.sent, this.now);
        this.#done.push(copy);
      } else this.#queue.push(copy);
    }
  }

  #take(count: number): readonly Copy[] {
    const order = this.#queue.map((copy) => ({ copy, at: this.#random(1_000) })).sort((a, b) => a.at - b.at);
    const taken = new Set(order.slice(0, count).map(({ copy }) => copy));
    this.#queue = this.#queue.filter((copy) => !taken.has(copy));
    return [...taken];
  }

  /** The queue delivers something again that was acknowledged. */
  redeliver(): void {
    const recent = this.#done.filter(({ since }) => since > this.now - QUEUE_DAYS * DAY);
    const copy = recent[this.#random(Math.max(recent.length, 1))];
    if (copy === undefined) return;
    this.#copies += 1;
    this.#queue.push({ ...copy, message: { ...copy.message, id: `copy-${this.#copies}` } });
  }

  /** The queue gives a message up that it could not deliver. */
  giveUp(): void {
    const [copy] = this.#take(1);
    if (copy !== undefined) this.#bury(copy.message, copy.sent);
  }

  #bury(message: TestMessage, sent: SentMessage | null): void {
    this.#copies += 1;
    this.#dead.push({ message: { ...message, id: `dead-${this.#copies}` }, sent, since: this.now });
  }

  /** Stores what the dead-letter queue has. */
  async storeLetters(plot?: Plot): Promise<void> {
    const copies = this.#dead.splice(0);
    if (copies.length === 0) return;
    const letters = copies.map(({ message }) => message);
    const archiver = this.archiver(this.#gateOf(plot));
    const delivered = await settled(plot, deliverLetters(archiver, letters));
    const acked = new Set(plot === undefined ? delivered?.acked : []);
    this.#dead.push(...copies.filter(({ message }) => !acked.has(message.id)));
  }

  /** Sends every letter back into the queue. */
  async replayLetters(plot?: Plot): Promise<void> {
    const archiver = this.archiver(this.#gateOf(plot));
    await settled(plot, replay(archiver, { all: true }));
    for (const { body } of archiver.waiting) {
      if (body instanceof Uint8Array) this.#push(body);
    }
  }

  /** Does a piece of work, as an operator or a cron does. */
  async work(work: Work, dataset: string, plot?: Plot): Promise<unknown> {
    const archiver = this.archiver(this.#gateOf(plot));
    this.#writtenAt = this.now;
    const result = await settled(plot, this.#perform(archiver, work, dataset));
    this.#writtenAt = this.now;
    await this.observe();
    return result;
  }

  #perform(archiver: TestArchiver, work: Work, datasetId: string): Promise<unknown> {
    const { bindings } = archiver;
    switch (work) {
      case "archive":
        return archiver.archive({ rowsPerPass: 1 + this.#random(4), filesPerCommit: 1 + this.#random(2) });
      case "compact":
        return compact(bindings, { force: this.#random(3) > 0 });
      case "retain":
        return retain(bindings);
      case "erase":
        return erase(bindings, { datasetId });
      case "continue":
        return continueErasures(bindings);
      case "reindex":
        return reindexAll(archiver);
    }
  }

  /** Lets what is late arrive. */
  async arrive(): Promise<void> {
    for (const arrive of this.#arrivals.splice(0)) await arrive();
    this.#writtenAt = this.now;
    await this.observe();
  }

  /** Moves the clock. Nothing that is under way takes an hour. @param ms */
  async wait(ms: number): Promise<void> {
    if (ms >= HOUR) await this.arrive();
    this.now += ms;
    await this.observe();
  }

  /** The bucket's own rule removes what has expired. */
  async removeExpired(): Promise<void> {
    if (this.expiryDays !== null) await this.clocked.expire(this.expiryDays);
  }

  /** The stack keeps files for so long from now on. What has expired is cleared away before, so that none comes back. */
  async keepFor(days: number | null): Promise<void> {
    await this.arrive();
    this.now += LEASE_TTL_MS;
    await this.work("retain", "");
    this.now += HOUR;
    await this.work("retain", "");
    this.#settings = { ...this.#settings, coldExpiryDays: days };
    await this.observe();
  }

  /** Whether a message's records must have expired, as of now. */
  async expired(): Promise<(id: string) => boolean> {
    const { expiryDays } = this;
    if (expiryDays === null || this.now < this.#writtenAt + expiryDays * DAY) return () => false;
    const { results } = await env.DB.prepare("SELECT message_id AS id FROM buffer_logs").all<{
      id: string;
    }>();
    const hot = new Set(results.map(({ id }) => id));
    return (id) => !hot.has(id);
  }

  /** Everything that waits is delivered, and every letter sent back; garbled ones are purged. */
  async settle(): Promise<void> {
    await this.arrive();
    this.now += LEASE_TTL_MS;
    await this.storeLetters();
    await this.replayLetters();
    await this.deliver(Number.POSITIVE_INFINITY);
    await this.storeLetters();
    await purgeDeadLetters({ all: true }, { db: env.DB });
  }
}

/** The bytes of a message as the model sees it. */
function sentOf(body: Uint8Array): SentMessage | null {
  try {
    const { id, datasetId, table, fingerprint, payload, recordCount, acceptedAt } = decodeMessage(body);
    const schema = registry.find(table, fingerprint);
    if (schema === undefined) return null;
    const run = scanRecords(schema, payload, recordCount);
    const records = run.times.map((_, index) =>
      JSON.stringify(decodeRecord(schema, recordBytes(run, index))),
    );
    return { id, dataset: datasetId, table, acceptedAt, records };
  } catch {
    return null;
  }
}

/** Work in trouble may throw; the other must not. */
async function settled<T>(plot: Plot | undefined, work: Promise<T>): Promise<T | null> {
  if (plot === undefined) return work;
  return work.catch(() => null);
}

/** Scans every object, then applies. */
export async function reindexAll({ bindings }: TestArchiver): Promise<unknown> {
  let cursor: string | undefined;
  do {
    const scanned = await reindex(bindings, { step: "scan", cursor });
    if (!scanned.ok || scanned.step !== "scan") return scanned;
    cursor = scanned.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return reindex(bindings, { step: "apply", dryRun: false });
}
