/** Node's side of the system worker: opens stores, delivers queue batches, fires crons, splits traffic. */
import { z } from "zod";
import type { Engine } from "./engine.ts";
import type { Gate } from "./gate.ts";
import type { Share } from "./picker.ts";
import type { QueueTally, StoredMessage } from "./queues/message-store.ts";
import type { DeliveryResult } from "./queues/settlement.ts";
import type { StoreClient } from "./stores/store-client.ts";
import { SYSTEM_WORKER } from "./system-options.ts";

const deliverySchema = z.object({
  outcome: z.string(),
  ackAll: z.boolean(),
  retryBatch: z.object({ retry: z.boolean(), delaySeconds: z.number().optional() }),
  explicitAcks: z.array(z.string()),
  retryMessages: z.array(z.object({ msgId: z.string(), delaySeconds: z.number().optional() })).optional(),
});

const scheduledSchema = z.object({ outcome: z.string() });

export class SystemClient {
  readonly #engine: Engine;
  readonly #gate: Gate;

  constructor(engine: Engine, gate: Gate) {
    this.#engine = engine;
    this.#gate = gate;
  }

  readonly store: StoreClient = (store, id, path, request) =>
    this.#gate.through(() => this.#call(`${store}/${encodeURIComponent(id)}/${path}`, request));

  /**
   * Runs a `queue` handler.
   * @param pick which worker to run it on; asked once nothing is held back any more.
   */
  deliver(
    pick: () => string,
    queueName: string,
    messages: readonly StoredMessage[],
    backlog: QueueTally,
  ): Promise<DeliveryResult> {
    const body = {
      queue: queueName,
      messages: messages.map(({ id, sentAt, attempts, contentType, body: bytes }) => ({
        id,
        timestamp: sentAt,
        attempts,
        contentType,
        body: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64"),
      })),
      backlog: { count: backlog.backlog, bytes: backlog.backlogBytes, oldest: backlog.oldest },
    };
    return this.#gate.through(async () =>
      deliverySchema.parse(await this.#post(`queue/${encodeURIComponent(pick())}`, body)),
    );
  }

  /** Runs a `scheduled` handler. @param pick as for `deliver`. */
  fire(pick: () => string, cron: string, scheduledTime: number): Promise<{ readonly outcome: string }> {
    return this.#gate.through(async () =>
      scheduledSchema.parse(
        await this.#post(`scheduled/${encodeURIComponent(pick())}`, { cron, scheduledTime }),
      ),
    );
  }

  /** Tells a splitter how to split from now on. */
  async setShares(splitter: string, shares: readonly Share[]): Promise<void> {
    await this.#gate.through(() => this.#post(`shares/${encodeURIComponent(splitter)}`, shares));
  }

  /** Tells which scripts' invocations are to be told in full, until workerd starts anew. */
  async setWatched(scriptNames: readonly string[]): Promise<void> {
    await this.#gate.through(() => this.#post("watched", scriptNames));
  }

  async #post(path: string, body: unknown): Promise<unknown> {
    const response = await this.#call(path, { method: "POST", body: JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(text || `the system worker answered ${response.status}`);
    return text === "" ? undefined : JSON.parse(text);
  }

  #call(path: string, init: RequestInit): Promise<Response> {
    return fetch(new URL(path, this.#engine.url(SYSTEM_WORKER)), init);
  }
}
