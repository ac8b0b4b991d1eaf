import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { type LocalCloud, startLocalCloud } from "../src/index.ts";
import { HttpApi } from "./http-api.ts";
import { temporaryDirectory, uploadForm } from "./harness.ts";

const directory = temporaryDirectory();
let cloud: LocalCloud;
let api: HttpApi;
let kv: string;

beforeAll(async () => {
  cloud = await startLocalCloud({ directory: join(directory.path, "cloud") });
  api = new HttpApi(cloud);
  kv = await api.field("id", "POST", "/storage/kv/namespaces", { title: "seen" });
});
afterAll(async () => {
  await cloud.stop();
  directory[Symbol.dispose]();
});

describe("messages sent to a queue over REST", () => {
  const CODE = `export default {
    async queue(batch, env) {
      for (const { body } of batch.messages) {
        const shown = body instanceof ArrayBuffer ? "bytes " + new TextDecoder().decode(body) : JSON.stringify(body);
        await env.KV.put(shown, "seen");
      }
    },
  };`;
  const stateSchema = z.object({ queues: z.array(z.object({ name: z.string(), backlog: z.number() })) });
  const backlog = async () => {
    const state = stateSchema.parse(await (await fetch(new URL("/__local/state", cloud.apiUrl))).json());
    return state.queues.find(({ name }) => name === "jobs")?.backlog;
  };

  it("wait for a consumer, and reach it as they were sent", async () => {
    const queue = await api.field("queue_id", "POST", "/queues", { queue_name: "jobs" });
    const path = `/queues/${queue}/messages`;
    const first = await api.call("POST", path, { body: { id: 1 } });
    expect(first).toMatchObject({ status: 200, result: { metadata: { metrics: { backlog_count: 1 } } } });
    const messages = [
      { body: "plain", content_type: "text" },
      { body: "aGVsbG8=", content_type: "bytes" },
    ];
    await api.call("POST", `${path}/batch`, { messages });
    expect(await backlog()).toBe(3);

    const bindings = [{ type: "kv_namespace", name: "KV", namespace_id: kv }];
    await api.field(
      "deployment_id",
      "PUT",
      "/workers/scripts/hub",
      uploadForm({ code: CODE, metadata: { bindings } }),
    );
    const consumer = { type: "worker", script_name: "hub", settings: { max_wait_time_ms: 0 } };
    await api.field("consumer_id", "POST", `/queues/${queue}/consumers`, consumer);
    await expect.poll(backlog).toBe(0);
    expect((await api.call("GET", `/storage/kv/namespaces/${kv}/keys`)).result).toMatchObject([
      { name: '"plain"' },
      { name: "bytes hello" },
      { name: '{"id":1}' },
    ]);
  });
});

describe("keys with line breaks", () => {
  const KEY = encodeURIComponent("two\nlines\r\n/and more");

  it("hold values in KV and objects in R2", async () => {
    await api.field("name", "POST", "/r2/buckets", { name: "cold" });
    for (const path of [`/storage/kv/namespaces/${kv}/values/${KEY}`, `/r2/buckets/cold/objects/${KEY}`]) {
      expect((await api.raw("PUT", path, { body: "kept" })).status).toBe(200);
      expect(await (await api.raw("GET", path)).text()).toBe("kept");
      expect((await api.raw("DELETE", path)).status).toBe(200);
      expect((await api.raw("GET", path)).status).toBe(404);
    }
  });
});
