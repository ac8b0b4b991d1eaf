/**
 * Ingest, queue, buffer and dead letters against their model: a list of what was
 * accepted. Whatever is uploaded, refused, repeated, delivered twice, failed by
 * the database and replayed, every accepted record is stored exactly once.
 */
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Flight, flight, TestArchiver, type TestMessage, useStorage } from "../../test/archiver.ts";
import { deliverLetters, refusingSends, storedRecords } from "../../test/letters.ts";
import { gatedDatabase, type Gate } from "../../test/faults.ts";
import type { IngestResult } from "../contract.ts";
import { replayDeadLetters } from "../deadletters/index.ts";

useStorage();

/** Deliveries after which the queue gives a message up: few, so that many become letters. */
const MAX_ATTEMPTS = 1;

/** When D1 fails during a step: at which operation, and whether that one took effect all the same. */
interface Outage {
  readonly at: number;
  readonly length: number;
  readonly answerLost: boolean;
}

type Step =
  | {
      readonly kind: "upload";
      readonly records: number;
      readonly keyed: boolean;
      /** Sends that the queue refuses, and sends that it takes although it says no. */
      readonly refused: readonly number[];
      readonly lost: readonly number[];
      readonly outage: Outage | null;
    }
  | {
      readonly kind: "repeat";
      readonly pick: number;
      readonly refused: readonly number[];
      readonly outage: Outage | null;
    }
  | {
      readonly kind: "deliver";
      readonly count: number;
      readonly twice: boolean;
      readonly outage: Outage | null;
    }
  | { readonly kind: "redeliver"; readonly pick: number }
  | { readonly kind: "letters"; readonly twice: boolean; readonly outage: Outage | null }
  | { readonly kind: "replay"; readonly refused: readonly number[]; readonly outage: Outage | null };

const outage = fc.option(
  fc.record({
    at: fc.constantFrom(0, 0, 0, 1, 2),
    length: fc.integer({ min: 1, max: 5 }),
    answerLost: fc.boolean(),
  }),
  { freq: 2 },
);
const sends = fc.uniqueArray(fc.nat(4), { maxLength: 2 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("upload"),
      records: fc.integer({ min: 1, max: 9 }),
      keyed: fc.boolean(),
      refused: sends,
      lost: sends,
      outage,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("repeat"), pick: fc.nat(20), refused: sends, outage }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("deliver"),
      count: fc.integer({ min: 1, max: 8 }),
      twice: fc.boolean(),
      outage,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("redeliver"), pick: fc.nat(50) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("letters"), twice: fc.boolean(), outage }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("replay"),
      refused: fc.constantFrom([], [0], [1]),
      outage,
    }),
  },
);

/** D1 that is away for some operations. */
function database(away: Outage | null): D1Database {
  let operations = 0;
  const gate: Gate = async (_, perform) => {
    const operation = operations;
    operations += 1;
    const failing = away !== null && operation >= away.at && operation < away.at + away.length;
    if (failing && !away.answerLost) throw new Error("D1_ERROR: Network connection lost.");
    const result = await perform();
    if (failing) throw new Error("D1_ERROR: Network connection lost.");
    return result;
  };
  return gatedDatabase(gate);
}

interface Upload {
  readonly records: readonly Flight[];
  readonly key: string | undefined;
  /** Records that are in the queue for certain: a beginning of `records`. */
  accepted: number;
  /** Of these many records the queue may or may not have the rest. */
  unsure: boolean;
}

/** The queue, and the list that the buffer must equal. */
class World {
  readonly uploads: Upload[] = [];
  readonly #archiver = new TestArchiver();
  readonly #seen: TestMessage[] = [];
  #records = 0;
  #ids = 0;

  /** Large records, so that a few of them make several batches; each is another one. */
  #newRecords(count: number): readonly Flight[] {
    return Array.from({ length: count }, () => {
      this.#records += 1;
      return flight(this.#records, { origin: "x".repeat(80_000) });
    });
  }

  async upload({ records, keyed, ...faults }: Extract<Step, { kind: "upload" }>): Promise<void> {
    const key = keyed ? `key-${this.uploads.length}` : undefined;
    const upload: Upload = { records: this.#newRecords(records), key, accepted: 0, unsure: false };
    this.uploads.push(upload);
    // A send whose answer is lost can be repeated safely under a key only.
    await this.#send(upload, { ...faults, lost: keyed ? faults.lost : [] });
  }

  /** A client repeats an upload under its key until it has its answer; without one it goes on where it was refused. */
  async repeat({ pick, ...faults }: Extract<Step, { kind: "repeat" }>): Promise<void> {
    const upload = this.uploads[pick % this.uploads.length];
    if (upload === undefined) return;
    if (upload.key === undefined && upload.accepted === upload.records.length) return;
    await this.#send(upload, { ...faults, lost: [] });
  }

  async #send(
    upload: Upload,
    {
      refused,
      lost,
      outage: away,
    }: { refused: readonly number[]; lost: readonly number[]; outage: Outage | null },
  ): Promise<void> {
    let sent = 0;
    const sendBatch: Queue<Uint8Array>["sendBatch"] = async (messages) => {
      const index = sent;
      sent += 1;
      if (refused.includes(index)) throw new Error("Queue sendBatch failed: Too Many Requests");
      for (const { body } of messages) this.#enqueue(body);
      if (lost.includes(index)) throw new Error("Queue sendBatch failed: Network connection lost.");
      return { metadata: { metrics: { backlogCount: 0, backlogBytes: 0 } } };
    };
    const from = upload.key === undefined ? upload.accepted : 0;
    const archiver = new TestArchiver({ db: database(away), sendBatch });
    const result = await archiver
      .ingest({
        datasetId: "LAS",
        table: "flights",
        idempotencyKey: upload.key,
        records: upload.records.slice(from),
      })
      .catch((): null => null);
    this.#note(upload, from, result, lost.length > 0);
  }

  #note(upload: Upload, from: number, result: IngestResult | null, unsure: boolean): void {
    if (result === null) return;
    if (!result.ok && result.reason !== "queue-unavailable") throw new Error(`refused: ${result.reason}`);
    upload.accepted = Math.max(upload.accepted, from + result.accepted);
    upload.unsure ||= unsure;
    if (upload.accepted === upload.records.length) upload.unsure = false;
  }

  #enqueue(body: Uint8Array): void {
    this.#ids += 1;
    this.#archiver.waiting.push({ id: `message-${this.#ids}`, body, attempts: 1 });
  }

  /** What is retried waits again, until the queue gives it up. */
  async deliver({
    count,
    twice,
    outage: away,
  }: Omit<Extract<Step, { kind: "deliver" }>, "kind">): Promise<void> {
    const messages = this.#archiver.waiting.splice(0, count);
    if (messages.length === 0) return;
    this.#seen.push(...messages);
    const again = twice ? messages.map((message) => ({ ...message, id: `${message.id}-again` })) : [];
    const consumer = new TestArchiver({ db: database(away) });
    const { retried } = await consumer.deliver([...messages, ...again]);
    for (const message of messages.filter(({ id }) => retried.includes(id))) {
      const next = { ...message, attempts: message.attempts + 1 };
      if (next.attempts > MAX_ATTEMPTS) this.#archiver.dead.push({ ...next, attempts: 1 });
      else this.#archiver.waiting.push(next);
    }
  }

  async redeliver(pick: number): Promise<void> {
    const message = this.#seen[pick % this.#seen.length];
    if (message !== undefined) await this.#archiver.deliver([message]);
  }

  /** The dead-letter queue never gives a letter up here, as its deliveries outlast its retention. */
  async letters(twice: boolean, away: Outage | null): Promise<void> {
    const letters = this.#archiver.dead.splice(0);
    if (letters.length === 0) return;
    const consumer = new TestArchiver({ db: database(away) });
    const { retried } = await deliverLetters(consumer, letters);
    this.#archiver.dead.push(...letters.filter(({ id }) => retried.includes(id)));
    if (twice) await deliverLetters(new TestArchiver(), letters);
  }

  async replay(refused: readonly number[], away: Outage | null): Promise<void> {
    const sendBatch = refusingSends(new Set(refused), (bodies) => {
      for (const body of bodies) this.#enqueue(body);
    });
    await replayDeadLetters({ all: true }, { db: database(away), queue: { sendBatch } }).catch(() => null);
  }

  async run(next: Step): Promise<void> {
    switch (next.kind) {
      case "upload":
        return this.upload(next);
      case "repeat":
        return this.repeat(next);
      case "deliver":
        return this.deliver(next);
      case "redeliver":
        return this.redeliver(next.pick);
      case "letters":
        return this.letters(next.twice, next.outage);
      case "replay":
        return this.replay(next.refused, next.outage);
    }
  }

  /** Everything works again: clients get their answers, the queues run empty, the letters are sent back. */
  async settle(): Promise<void> {
    const calm = { refused: [], lost: [], outage: null };
    for (const upload of this.uploads) if (upload.unsure) await this.#send(upload, calm);
    for (let round = 0; round < 4; round += 1) {
      await this.deliver({ count: Number.POSITIVE_INFINITY, twice: true, outage: null });
      await this.letters(false, null);
      await this.replay([], null);
    }
  }
}

const timesOf = (records: readonly Readonly<Record<string, unknown>>[]): readonly number[] =>
  records.map((record) => Number(record["time"])).sort((a, b) => a - b);

describe("every record that ingest has accepted, whatever happens on its way,", () => {
  it("is stored exactly once", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 20, size: "max" }), async (steps) => {
        const tables = ["buffer_logs", "dead_letters", "ingest_keys"];
        await env.DB.batch(tables.map((table) => env.DB.prepare(`DELETE FROM ${table}`)));
        const world = new World();
        for (const next of steps) await world.run(next);
        await world.settle();
        const accepted = world.uploads.flatMap(({ records, accepted: count }) => records.slice(0, count));
        const stored = (await storedRecords()).map(({ record }) => record);
        expect(timesOf(stored)).toEqual(timesOf(accepted));
      }),
      { numRuns: 80 },
    );
  });
});
