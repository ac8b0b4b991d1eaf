import Cloudflare, { NotFoundError } from "cloudflare";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LocalCloud, startLocalCloud } from "../src/index.ts";
import { FakeRuntime } from "./fake-runtime.ts";
import { temporaryDirectory } from "./harness.ts";

const directory = temporaryDirectory();
let cloud: LocalCloud;
let client: Cloudflare;
let account: { account_id: string };

beforeAll(async () => {
  cloud = await startLocalCloud({ directory: directory.path, createRuntime: () => new FakeRuntime() });
  client = new Cloudflare({ baseURL: cloud.apiUrl, apiToken: cloud.apiToken, maxRetries: 0 });
  account = { account_id: cloud.accountId };
});
afterAll(async () => {
  await cloud.stop();
  directory[Symbol.dispose]();
});

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) {
    all.push(item);
  }
  return all;
}

describe("the official SDK", () => {
  it("pages through all KV namespaces", async () => {
    for (let i = 0; i < 5; i++) {
      await client.kv.namespaces.create({ ...account, title: `cache-${i}` });
    }
    const listed = await collect(client.kv.namespaces.list({ ...account, per_page: 2 }));
    expect(listed.map(({ title }) => title)).toEqual(["cache-0", "cache-1", "cache-2", "cache-3", "cache-4"]);
  });

  it("creates, changes, reads and deletes what a provisioner owns", async () => {
    const database = await client.d1.database.create({ ...account, name: "hub" });
    await client.d1.database.update(database.uuid ?? "", { ...account, read_replication: { mode: "auto" } });
    expect(await client.d1.database.get(database.uuid ?? "", account)).toMatchObject({
      name: "hub",
      read_replication: { mode: "auto" },
    });

    await client.r2.buckets.create({ ...account, name: "cold", storageClass: "Standard" });
    const rules = [
      {
        id: "abort-multipart-7d",
        enabled: true,
        conditions: { prefix: "" },
        abortMultipartUploadsTransition: { condition: { type: "Age" as const, maxAge: 604_800 } },
      },
    ];
    await client.r2.buckets.lifecycle.update("cold", { ...account, rules });
    expect(await client.r2.buckets.lifecycle.get("cold", account)).toEqual({ rules });

    const queue = await client.queues.create({ ...account, queue_name: "ingest" });
    const settings = { delivery_delay: 0, delivery_paused: false, message_retention_period: 345_600 };
    const updated = await client.queues.update(queue.queue_id ?? "", {
      ...account,
      queue_name: "ingest",
      settings,
    });
    expect(updated.settings).toEqual(settings);

    const worker = await client.workers.beta.workers.create({ ...account, name: "hub" });
    await client.workers.scripts.schedules.update("hub", { ...account, body: [{ cron: "7 * * * *" }] });
    expect((await client.workers.scripts.schedules.get("hub", account)).schedules).toMatchObject([
      { cron: "7 * * * *" },
    ]);
    await client.workers.beta.workers.delete(worker.id, account);
    await expect(client.workers.beta.workers.get(worker.id, account)).rejects.toThrow(NotFoundError);
  });

  it("sends messages to a queue", async () => {
    const { queue_id = "" } = await client.queues.create({ ...account, queue_name: "events" });
    const pushed = await client.queues.messages.push(queue_id, { ...account, body: { id: 1 } });
    expect(pushed.metadata?.metrics).toMatchObject({ backlog_count: 1 });
    const messages = [{ body: "a", content_type: "text" as const }, { body: { id: 2 } }];
    const batch = await client.queues.messages.bulkPush(queue_id, { ...account, messages });
    expect(batch.metadata?.metrics).toMatchObject({ backlog_count: 2, backlog_bytes: 9 });
  });

  it("tells what is missing by the product's code", async () => {
    const missing: [() => PromiseLike<unknown>, number][] = [
      [() => client.kv.namespaces.get("none", account), 10013],
      [() => client.d1.database.get("none", account), 7404],
      [() => client.r2.buckets.get("none", account), 10006],
      [() => client.queues.get("none", account), 11000],
      [() => client.workers.beta.workers.get("none", account), 10007],
    ];
    for (const [ask, code] of missing) {
      await expect(ask()).rejects.toMatchObject({ status: 404, errors: [{ code }] });
    }
  });
});
