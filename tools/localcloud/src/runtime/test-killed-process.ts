/** A process that tests kill: it runs a script that queues numbers and, slowly, stores them. */
import { fileURLToPath } from "node:url";
import type { DataPlaneState } from "../model.ts";
import { createRuntime } from "./index.ts";
import { bound, state } from "./test-scripts.ts";

/** The state of such a process: `POST /` queues the numbers of its body; the consumer stores each in D1. */
export function queueingState(port: number, slow: boolean): DataPlaneState {
  const source = `export default {
    async fetch(request, env) {
      await env.QUEUE.sendBatch((await request.json()).map((body) => ({ body })));
      return new Response("queued");
    },
    async queue(batch, env) {
      await env.DB.prepare("CREATE TABLE IF NOT EXISTS stored (n INTEGER PRIMARY KEY)").run();
      if (${slow}) await scheduler.wait(300);
      const insert = env.DB.prepare("INSERT OR IGNORE INTO stored VALUES (?)");
      await env.DB.batch(batch.messages.map(({ body }) => insert.bind(body)));
    },
  };`;
  const bindings = [
    { type: "queue", name: "QUEUE", queue_name: "numbers" },
    { type: "d1", name: "DB", id: "numbers-db" },
  ] as const;
  const versions = [{ version: bound("numbers", bindings, source), percentage: 100 }];
  const settings = { batchSize: 10, maxWaitMs: 0, maxRetries: 5, retryDelaySeconds: 0, maxConcurrency: null };
  return state([{ name: "numbers", port, versions, durableObjectClasses: [], crons: [], public: true }], {
    queues: [
      {
        id: "numbers-id",
        name: "numbers",
        deliveryDelaySeconds: 0,
        deliveryPaused: false,
        retentionSeconds: 3600,
      },
    ],
    consumers: [{ id: "c", queueId: "numbers-id", scriptName: "numbers", deadLetterQueue: null, settings }],
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , directory = "", port = ""] = process.argv;
  const runtime = await createRuntime({ directory, host: "127.0.0.1", log: () => undefined });
  await runtime.apply(queueingState(Number(port), true));
  process.stdout.write("ready\n");
}
