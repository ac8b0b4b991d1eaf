import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { QueueConsumer, QueueConsumerSettings, QueueRecord } from "../../model.ts";
import { Broker, type Clock } from "./broker.ts";
import { MessageStore, StoreInUseError, type NewMessage, type StoredMessage } from "./message-store.ts";
import type { DeliveryResult } from "./settlement.ts";

/** A clock that moves when told to. */
class ManualClock implements Clock {
  time = 1_000_000;
  #tasks: { readonly at: number; readonly task: () => void }[] = [];

  now(): number {
    return this.time;
  }

  after(ms: number, task: () => void): () => void {
    const entry = { at: this.time + ms, task };
    this.#tasks.push(entry);
    return () => {
      this.#tasks = this.#tasks.filter((other) => other !== entry);
    };
  }

  /** Lets time pass, and everything happen that is due by then. */
  async pass(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      await turn();
      const [next] = this.#tasks.filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#tasks = this.#tasks.filter((other) => other !== next);
      this.time = Math.max(this.time, next.at);
      next.task();
    }
    this.time = end;
    await turn();
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const DONE: DeliveryResult = { outcome: "ok", ackAll: false, retryBatch: { retry: false }, explicitAcks: [] };
const FAILED: DeliveryResult = { ...DONE, outcome: "exception" };

interface Delivery {
  readonly queue: string;
  readonly messages: readonly StoredMessage[];
}

let directory: string;
let clock: ManualClock;
let store: MessageStore;
let lines: string[];
let deliveries: Delivery[];
let handler: (delivery: Delivery) => DeliveryResult | Promise<DeliveryResult>;

function openBroker(): Broker {
  store = new MessageStore(join(directory, "queues.sqlite"));
  return new Broker({
    store,
    clock,
    log: (line) => lines.push(line),
    deliver: async (_script, queue, messages) => {
      deliveries.push({ queue, messages });
      return await handler({ queue, messages });
    },
  });
}

let broker: Broker;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "localcloud-broker-"));
  clock = new ManualClock();
  lines = [];
  deliveries = [];
  handler = () => DONE;
  broker = openBroker();
});
afterEach(async () => {
  await broker.close();
  rmSync(directory, { recursive: true });
});

function queue(name: string, overrides: Partial<QueueRecord> = {}): QueueRecord {
  return {
    id: `${name}-id`,
    name,
    deliveryDelaySeconds: 0,
    deliveryPaused: false,
    retentionSeconds: 3600,
    ...overrides,
  };
}

function consumer(
  name: string,
  settings: Partial<QueueConsumerSettings> = {},
  deadLetterQueue: string | null = null,
): QueueConsumer {
  return {
    id: `${name}-consumer`,
    queueId: `${name}-id`,
    scriptName: "hub",
    deadLetterQueue,
    settings: {
      batchSize: 3,
      maxWaitMs: 1000,
      maxRetries: 1,
      retryDelaySeconds: 10,
      maxConcurrency: null,
      ...settings,
    },
  };
}

function messages(...bodies: readonly string[]): readonly NewMessage[] {
  return bodies.map((body) => ({
    contentType: "text",
    body: new TextEncoder().encode(body),
    visibleAt: clock.now(),
  }));
}

/** The bodies of each delivered batch. */
function delivered(): readonly (readonly string[])[] {
  return deliveries.map((delivery) => delivery.messages.map(({ body }) => new TextDecoder().decode(body)));
}

describe("delivery", () => {
  it("waits for a full batch, or until the oldest message has waited long enough", async () => {
    broker.configure([queue("q")], [consumer("q")]);
    broker.send("q-id", messages("a"));
    await clock.pass(999);
    expect(delivered()).toEqual([]);
    await clock.pass(1);
    expect(delivered()).toEqual([["a"]]);
    broker.send("q-id", messages("b", "c", "d", "e"));
    await clock.pass(0);
    expect(delivered()).toEqual([["a"], ["b", "c", "d"]]);
    await clock.pass(1000);
    expect(delivered()).toEqual([["a"], ["b", "c", "d"], ["e"]]);
  });

  it("waits for a message's delay", async () => {
    broker.configure([queue("q")], [consumer("q", { batchSize: 1 })]);
    const [message] = messages("later");
    if (message !== undefined) broker.send("q-id", [{ ...message, visibleAt: clock.now() + 5000 }]);
    await clock.pass(4999);
    expect(delivered()).toEqual([]);
    await clock.pass(1);
    expect(delivered()).toEqual([["later"]]);
  });

  it("runs one batch at a time, or as many as the consumer allows", async () => {
    const ends: (() => void)[] = [];
    handler = () => new Promise((resolve) => ends.push(() => resolve(DONE)));
    broker.configure([queue("q")], [consumer("q", { batchSize: 1 })]);
    broker.send("q-id", messages("a", "b", "c", "d"));
    await clock.pass(0);
    expect(delivered()).toHaveLength(1);
    broker.configure([queue("q")], [consumer("q", { batchSize: 1, maxConcurrency: 3 })]);
    await clock.pass(0);
    expect(delivered()).toHaveLength(3);
    ends[0]?.();
    await clock.pass(0);
    expect(delivered()).toHaveLength(4);
    for (const end of ends) end();
    await clock.pass(0);
  });

  it("pauses with the queue and resumes where it was", async () => {
    broker.configure([queue("q", { deliveryPaused: true })], [consumer("q", { batchSize: 1 })]);
    broker.send("q-id", messages("a"));
    await clock.pass(60_000);
    expect(delivered()).toEqual([]);
    broker.configure([queue("q")], [consumer("q", { batchSize: 1 })]);
    await clock.pass(0);
    expect(delivered()).toEqual([["a"]]);
  });

  it("does not count when no handler could be run", async () => {
    handler = () => Promise.reject(new Error("workerd is gone"));
    broker.configure([queue("q")], [consumer("q", { batchSize: 1, maxRetries: 0 })]);
    broker.send("q-id", messages("a"));
    await clock.pass(0);
    handler = () => DONE;
    await clock.pass(1000);
    expect(deliveries.map((delivery) => delivery.messages[0]?.attempts)).toEqual([1, 1]);
    expect(lines[0]).toContain("workerd is gone");
  });
});

describe("a failed delivery", () => {
  it("is retried after the delay, with the attempts counted", async () => {
    handler = () => (deliveries.length === 1 ? FAILED : DONE);
    broker.configure([queue("q")], [consumer("q", { batchSize: 1 })]);
    broker.send("q-id", messages("a"));
    await clock.pass(9_999);
    expect(deliveries).toHaveLength(1);
    await clock.pass(1);
    expect(deliveries.map((delivery) => delivery.messages[0]?.attempts)).toEqual([1, 2]);
    expect(broker.stats()).toMatchObject([{ backlog: 0, inFlight: 0, delivered: 1, deadLettered: 0 }]);
  });

  it("ends in the dead-letter queue, as a new message under the same id", async () => {
    handler = (delivery) => (delivery.queue === "q" ? FAILED : DONE);
    const queues = [queue("q"), queue("dead")];
    broker.configure(queues, [consumer("q", { batchSize: 1, retryDelaySeconds: 0 }, "dead")]);
    broker.send("q-id", messages("a"));
    await clock.pass(1);
    expect(broker.stats()).toMatchObject([
      { queueId: "q-id", backlog: 0, deadLettered: 1 },
      { queueId: "dead-id", backlog: 1 },
    ]);
    broker.configure(queues, [consumer("dead", { batchSize: 1 })]);
    await clock.pass(0);
    const [first, , last] = deliveries.map((delivery) => delivery.messages[0]);
    expect(last).toEqual({ ...first, attempts: 1 });
  });

  it("is dropped with a line in the log when there is no dead-letter queue", async () => {
    handler = () => FAILED;
    broker.configure([queue("q")], [consumer("q", { batchSize: 1, maxRetries: 0 })]);
    broker.send("q-id", messages("a"));
    await clock.pass(0);
    expect(broker.stats()).toMatchObject([{ backlog: 0, delivered: 0, deadLettered: 0 }]);
    expect(lines).toEqual([
      "queue q: dropped 1 messages after 1 failed deliveries, for want of a dead-letter queue",
    ]);
  });

  it("retries only what the handler did not acknowledge", async () => {
    handler = ({ messages: [first] }) => ({ ...FAILED, explicitAcks: [first?.id ?? ""] });
    broker.configure([queue("q")], [consumer("q", { batchSize: 2, maxWaitMs: 0 })]);
    broker.send("q-id", messages("a", "b"));
    await clock.pass(10_000);
    expect(delivered()).toEqual([["a", "b"], ["b"]]);
  });
});

describe("a message", () => {
  it("expires after the queue's retention", async () => {
    broker.configure([queue("q", { retentionSeconds: 60 })], []);
    broker.send("q-id", messages("a"));
    await clock.pass(60_000);
    expect(broker.stats()).toMatchObject([{ backlog: 1 }]);
    await clock.pass(1);
    expect(broker.stats()).toMatchObject([{ backlog: 0 }]);
    expect(lines).toEqual(["queue q: 1 messages expired after 60 s"]);
  });

  it("survives the process, also one that was in flight", async () => {
    broker.send("q-id", messages("a", "b"));
    store.lease("q-id", 1, clock.now());
    await broker.close();
    broker = openBroker();
    broker.configure([queue("q")], [consumer("q", { batchSize: 2 })]);
    await clock.pass(0);
    expect(delivered()).toEqual([["a", "b"]]);
    expect(deliveries[0]?.messages.map(({ attempts }) => attempts)).toEqual([2, 1]);
  });

  it("goes with its dropped queue", () => {
    broker.configure([queue("q"), queue("other")], []);
    broker.send("q-id", messages("a"));
    broker.send("other-id", messages("b"));
    broker.drop("q-id");
    expect(broker.stats()).toMatchObject([{ backlog: 0 }, { backlog: 1 }]);
  });
});

describe("the store", () => {
  it("is held by one process at a time", () => {
    expect(() => new MessageStore(join(directory, "queues.sqlite"))).toThrow(StoreInUseError);
  });
});
