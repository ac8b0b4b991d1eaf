/** Takes messages in, delivers them in batches, and settles what the handlers say. */
import type { QueueConsumer, QueueRecord } from "../../model.ts";
import type { QueueStats } from "../contract.ts";
import type { MessageStore, NewMessage, QueueTally, StoredMessage } from "./message-store.ts";
import { batchDueAt, settle, type DeliveryResult } from "./settlement.ts";

export interface Clock {
  /** Milliseconds UTC. */
  now(): number;
  /** Runs `task` after `ms`; returns how to call it off. */
  after(ms: number, task: () => void): () => void;
}

/** The machine's own time; waiting does not keep the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after: (ms, task) => {
    const timer = setTimeout(task, ms).unref();
    return () => clearTimeout(timer);
  },
};

export interface BrokerOptions {
  readonly store: MessageStore;
  readonly clock: Clock;
  readonly log: (line: string) => void;
  /**
   * Runs the `queue` handler of a script.
   * @throws when no handler could be run; the delivery then does not count.
   */
  readonly deliver: (
    scriptName: string,
    queueName: string,
    messages: readonly StoredMessage[],
    backlog: QueueTally,
  ) => Promise<DeliveryResult>;
}

/** After a delivery that could not be made. */
const REDELIVER_MS = 1000;

export class Broker {
  readonly #options: BrokerOptions;
  #queues: ReadonlyMap<string, QueueRecord> = new Map();
  /** By queue id. */
  #consumers: ReadonlyMap<string, QueueConsumer> = new Map();
  readonly #inFlight = new Map<string, number>();
  readonly #wakeups = new Map<string, () => void>();
  readonly #runs = new Set<Promise<void>>();
  #paused = false;

  constructor(options: BrokerOptions) {
    this.#options = options;
  }

  /** Serves these queues, and delivers to these consumers. */
  configure(queues: readonly QueueRecord[], consumers: readonly QueueConsumer[]): void {
    this.#queues = new Map(queues.map((queue) => [queue.id, queue]));
    this.#consumers = new Map(consumers.map((consumer) => [consumer.queueId, consumer]));
    for (const queueId of this.#wakeups.keys()) this.#callOff(queueId);
    for (const queueId of this.#consumers.keys()) this.#pump(queueId);
  }

  /** Serves a queue that no state has named yet: what is sent to it is counted, and expires. */
  adopt(queue: QueueRecord): void {
    if (!this.#queues.has(queue.id)) this.#queues = new Map([...this.#queues, [queue.id, queue]]);
  }

  queueNamed(name: string): QueueRecord | undefined {
    return [...this.#queues.values()].find((queue) => queue.name === name);
  }

  /** Stores messages; once it returns they are delivered even if the process ends. */
  send(queueId: string, messages: readonly NewMessage[]): QueueTally {
    const { store, clock } = this.#options;
    store.add(queueId, messages, clock.now());
    const queue = this.#queues.get(queueId);
    if (queue !== undefined) this.#expire(queue);
    this.#pump(queueId);
    return store.tally(queueId);
  }

  tally(queueId: string): QueueTally {
    return this.#options.store.tally(queueId);
  }

  stats(): readonly QueueStats[] {
    return [...this.#queues.values()].map((queue) => {
      this.#expire(queue);
      const { backlog, inFlight, delivered, deadLettered } = this.#options.store.tally(queue.id);
      return { queueId: queue.id, backlog, inFlight, delivered, deadLettered };
    });
  }

  drop(queueId: string): void {
    this.#options.store.drop(queueId);
  }

  /** Starts no more deliveries. */
  pause(): void {
    this.#paused = true;
    for (const queueId of this.#wakeups.keys()) this.#callOff(queueId);
  }

  /** Waits for the deliveries under way, then closes the store. */
  async close(): Promise<void> {
    this.pause();
    await Promise.all(this.#runs);
    this.#options.store.close();
  }

  /** Delivers what is due on a queue, and wakes up when the next batch is. */
  #pump(queueId: string): void {
    this.#callOff(queueId);
    const queue = this.#queues.get(queueId);
    const consumer = this.#consumers.get(queueId);
    if (this.#paused || queue === undefined || consumer === undefined || queue.deliveryPaused) return;
    const { store, clock } = this.#options;
    const { settings } = consumer;
    this.#expire(queue);
    while (this.#running(queueId) < (settings.maxConcurrency ?? 1)) {
      const now = clock.now();
      const ready = store.ready(queueId, settings.batchSize, now);
      const due = ready.count === 0 ? undefined : batchDueAt(ready, settings);
      if (due === undefined || due > now) {
        this.#wakeAt(queueId, earlier(due, store.nextVisible(queueId, now)));
        return;
      }
      const run = this.#run(queue, consumer, store.lease(queueId, settings.batchSize, now));
      this.#runs.add(run);
      void run.finally(() => this.#runs.delete(run));
    }
  }

  async #run(queue: QueueRecord, consumer: QueueConsumer, batch: readonly StoredMessage[]): Promise<void> {
    const { store, clock, log, deliver } = this.#options;
    this.#inFlight.set(queue.id, this.#running(queue.id) + 1);
    try {
      const result = await deliver(consumer.scriptName, queue.name, batch, store.tally(queue.id));
      this.#settle(queue, consumer, batch, result);
    } catch (error) {
      log(`queue ${queue.name}: not delivered to ${consumer.scriptName}: ${String(error)}`);
      store.release(
        batch.map((message) => message.id),
        clock.now() + REDELIVER_MS,
      );
    } finally {
      this.#inFlight.set(queue.id, this.#running(queue.id) - 1);
      this.#pump(queue.id);
    }
  }

  #settle(
    queue: QueueRecord,
    consumer: QueueConsumer,
    batch: readonly StoredMessage[],
    result: DeliveryResult,
  ): void {
    const { store, clock } = this.#options;
    const now = clock.now();
    const acknowledged: string[] = [];
    const givenUp: string[] = [];
    for (const message of batch) {
      const settlement = settle(message.id, message.attempts, result, consumer.settings);
      if (settlement.kind === "acknowledge") acknowledged.push(message.id);
      else if (settlement.kind === "give-up") givenUp.push(message.id);
      else store.retry([message.id], now + settlement.delaySeconds * 1000);
    }
    store.acknowledge(queue.id, acknowledged);
    if (givenUp.length > 0) this.#giveUp(queue, consumer, givenUp);
  }

  #giveUp(queue: QueueRecord, consumer: QueueConsumer, ids: readonly string[]): void {
    const { store, clock, log } = this.#options;
    const { deadLetterQueue, settings } = consumer;
    const target = deadLetterQueue === null ? undefined : this.queueNamed(deadLetterQueue);
    const after = `after ${settings.maxRetries + 1} failed deliveries`;
    if (target === undefined) {
      log(`queue ${queue.name}: dropped ${ids.length} messages ${after}, for want of a dead-letter queue`);
      store.discard(ids);
      return;
    }
    log(`queue ${queue.name}: moved ${ids.length} messages to ${target.name} ${after}`);
    store.deadLetter(queue.id, ids, target.id, clock.now());
    this.#pump(target.id);
  }

  #expire(queue: QueueRecord): void {
    const { store, clock, log } = this.#options;
    const expired = store.expire(queue.id, clock.now() - queue.retentionSeconds * 1000);
    if (expired > 0) {
      log(`queue ${queue.name}: ${expired} messages expired after ${queue.retentionSeconds} s`);
    }
  }

  #running(queueId: string): number {
    return this.#inFlight.get(queueId) ?? 0;
  }

  #wakeAt(queueId: string, at: number | undefined): void {
    if (at === undefined) return;
    const { clock } = this.#options;
    this.#wakeups.set(
      queueId,
      clock.after(Math.max(0, at - clock.now()), () => this.#pump(queueId)),
    );
  }

  #callOff(queueId: string): void {
    this.#wakeups.get(queueId)?.();
    this.#wakeups.delete(queueId);
  }
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.min(a, b);
}
