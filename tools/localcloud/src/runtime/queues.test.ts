import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { QueueConsumer, QueueRecord, ScriptBinding } from "../model.ts";
import { bound, read, script, state, testRuntime, type TestRuntime } from "./test-scripts.ts";

let plane: TestRuntime;
beforeAll(async () => {
  plane = await testRuntime();
});
afterAll(() => plane[Symbol.asyncDispose]());

const QUEUES: readonly QueueRecord[] = ["work", "dead"].map((name) => ({
  id: `${name}-id`,
  name,
  deliveryDelaySeconds: 0,
  deliveryPaused: false,
  retentionSeconds: 3600,
}));

const CONSUMERS: readonly QueueConsumer[] = QUEUES.map(({ id, name }) => ({
  id: `${name}-consumer`,
  queueId: id,
  scriptName: "worker",
  deadLetterQueue: name === "work" ? "dead" : null,
  settings: { batchSize: 10, maxWaitMs: 100, maxRetries: 1, retryDelaySeconds: 0, maxConcurrency: null },
}));

const BINDINGS: readonly ScriptBinding[] = [
  { type: "queue", name: "WORK", queue_name: "work" },
  { type: "queue", name: "UNKNOWN", queue_name: "unknown" },
  { type: "kv_namespace", name: "KV", namespace_id: "seen" },
];

/** Sends what the path says, and notes in KV what each message was received as. */
const SOURCE = `export default {
  async fetch(request, env) {
    const name = new URL(request.url).pathname.slice(1);
    const sends = {
      json: () => env.WORK.send({ when: new Date(0), name }),
      text: () => env.WORK.send("text", { contentType: "text" }),
      bytes: () => env.WORK.send(new Uint8Array([1, 2]), { contentType: "bytes" }),
      v8: () => env.WORK.send(new Map([[1, new Date(5)]]), { contentType: "v8" }),
      batch: () => env.WORK.sendBatch([{ body: { name: "b1" } }, { body: { name: "b2" } }]),
      poison: () => env.WORK.send({ name: "poison" }),
      long: () => env.WORK.send("x".repeat(128001), { contentType: "text" }),
      unknown: () => env.UNKNOWN.send(1),
      metrics: async () => JSON.stringify(await env.WORK.metrics()),
    };
    try { return new Response(JSON.stringify(await sends[name]()) ?? "sent"); }
    catch (error) { return new Response(error.message, { status: 400 }); }
  },
  async queue(batch, env) {
    for (const message of batch.messages) {
      const { body } = message;
      if (body.name === "poison" && batch.queue === "work") { message.retry(); continue; }
      const kind = body instanceof ArrayBuffer ? [...new Uint8Array(body)]
        : body instanceof Map ? [...body].flat() : body;
      const key = body.name ?? (typeof body === "string" ? body : body instanceof Map ? "v8" : "bytes");
      await env.KV.put(key, JSON.stringify([batch.queue, kind, message.attempts,
        message.timestamp instanceof Date, message.id.length]));
    }
  },
};`;

async function seen(key: string): Promise<unknown> {
  const found = await plane.runtime.kv("seen").get(key);
  return found === null ? undefined : JSON.parse(new TextDecoder().decode(found.value));
}

describe("a queue", () => {
  beforeAll(async () => {
    const worker = await script("worker", bound("worker", BINDINGS, SOURCE));
    await plane.runtime.apply(state([worker], { queues: QUEUES, consumers: CONSUMERS }));
  });

  it.each([
    ["json", { when: "1970-01-01T00:00:00.000Z", name: "json" }],
    ["text", "text"],
    ["bytes", [1, 2]],
    ["v8", [1, "1970-01-01T00:00:00.005Z"]],
  ])("delivers what was sent as %s", async (name, body) => {
    await read(await script("worker", []), `/${name}`);
    await expect.poll(() => seen(name), { timeout: 5000 }).toEqual(["work", body, 1, true, 32]);
  });

  it("delivers a batch", async () => {
    await read(await script("worker", []), "/batch");
    await expect
      .poll(() => Promise.all([seen("b1"), seen("b2")]), { timeout: 5000 })
      .not.toContain(undefined);
  });

  it("moves a message that is retried too often to the dead-letter queue", async () => {
    await read(await script("worker", []), "/poison");
    await expect
      .poll(() => seen("poison"), { timeout: 5000 })
      .toEqual(["dead", { name: "poison" }, 1, true, 32]);
    expect(await plane.runtime.queueStats()).toMatchObject([{ queueId: "work-id", deadLettered: 1 }, {}]);
  });

  it("refuses in the platform's words", async () => {
    const worker = await script("worker", []);
    expect(await read(worker, "/long")).toBe(
      "Queue send failed: message length of 128001 bytes exceeds limit of 128000",
    );
    expect(await read(worker, "/unknown")).toBe("Queue send failed: queue unknown does not exist");
  });

  it("tells its backlog", async () => {
    const metrics: unknown = JSON.parse(
      JSON.parse(await read(await script("worker", []), "/metrics")) as string,
    );
    expect(metrics).toMatchObject({ backlogCount: expect.any(Number), backlogBytes: expect.any(Number) });
  });
});
