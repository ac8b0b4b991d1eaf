import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { TestApi } from "../../test/harness.ts";

const queueSchema = z.object({ queue_id: z.string().regex(/^[0-9a-f]{32}$/) });
const consumerSchema = z.object({ consumer_id: z.string() });

let api: TestApi;
let id: string;
beforeEach(async () => {
  api = new TestApi();
  id = (await api.result(queueSchema, "POST", "/queues", { queue_name: "ingest" })).queue_id;
});
afterEach(() => api.close());

describe("queues", () => {
  it("are created with the platform's defaults", async () => {
    expect((await api.call("GET", `/queues/${id}`)).result).toMatchObject({
      queue_name: "ingest",
      producers: [],
      consumers: [],
      settings: { delivery_delay: 0, delivery_paused: false, message_retention_period: 345_600 },
    });
  });

  it("are replaced as a whole by PUT, and in part by PATCH", async () => {
    const settings = { delivery_delay: 5, message_retention_period: 60 };
    await api.call("PUT", `/queues/${id}`, { queue_name: "ingest", settings });
    await api.call("PATCH", `/queues/${id}`, { settings: { delivery_paused: true } });
    expect((await api.call("GET", `/queues/${id}`)).result).toMatchObject({
      settings: { ...settings, delivery_paused: true },
    });
    await api.call("PUT", `/queues/${id}`, { queue_name: "ingest", settings: {} });
    expect((await api.call("GET", `/queues/${id}`)).result).toMatchObject({
      settings: { delivery_delay: 0, delivery_paused: false, message_retention_period: 345_600 },
    });
    expect(api.runtime.applied.at(-1)?.queues).toMatchObject([{ name: "ingest", deliveryPaused: false }]);
  });

  it("are filtered by any of several names", async () => {
    await api.call("POST", "/queues", { queue_name: "ingest-dlq" });
    await api.call("POST", "/queues", { queue_name: "other" });
    const answer = await api.call("GET", "/queues?name=ingest&name=ingest-dlq&page=1");
    expect(answer.result).toMatchObject([{ queue_name: "ingest" }, { queue_name: "ingest-dlq" }]);
  });

  it("refuse a name that is taken", async () => {
    expect(await api.refusal("POST", "/queues", { queue_name: "ingest" })).toEqual([409, 11009]);
  });

  it("answer 404 once deleted", async () => {
    await api.call("DELETE", `/queues/${id}`);
    expect(await api.refusal("GET", `/queues/${id}`)).toEqual([404, 11000]);
    expect(api.runtime.dropped).toEqual([`queue ${id}`]);
  });

  it("are created without touching what runs, unless it waits for one of that name", async () => {
    const applied = api.runtime.applied.length;
    await api.call("POST", "/queues", { queue_name: "other" });
    expect(api.runtime.applied).toHaveLength(applied);
    await api.deploy("hub", { metadata: { bindings: [{ type: "queue", name: "Q", queue_name: "ingest" }] } });
    await api.call("DELETE", `/queues/${id}`);
    await api.call("POST", "/queues", { queue_name: "ingest" });
    expect(api.runtime.applied.at(-1)?.queues.map(({ name }) => name)).toEqual(["other", "ingest"]);
  });

  it("name the Workers that send to them", async () => {
    await api.deploy("hub", { metadata: { bindings: [{ type: "queue", name: "Q", queue_name: "ingest" }] } });
    expect((await api.call("GET", `/queues/${id}`)).result).toMatchObject({
      producers: [{ type: "worker", script: "hub" }],
    });
  });
});

describe("queue consumers", () => {
  const path = (): string => `/queues/${id}/consumers`;
  beforeEach(async () => {
    await api.deploy("archiver");
  });

  it("are attached with the platform's defaults and reach the data plane", async () => {
    const created = await api.call("POST", path(), { type: "worker", script_name: "archiver", settings: {} });
    expect(created.result).toMatchObject({
      script: "archiver",
      settings: { batch_size: 10, max_wait_time_ms: 5000, max_retries: 3, retry_delay: 0 },
    });
    expect(api.runtime.applied.at(-1)?.consumers).toMatchObject([{ queueId: id, scriptName: "archiver" }]);
  });

  it("are replaced by PUT, settings and dead-letter queue", async () => {
    await api.call("POST", "/queues", { queue_name: "dlq" });
    const body = { type: "worker", script_name: "archiver" };
    const { consumer_id } = await api.result(consumerSchema, "POST", path(), body);
    const next = { ...body, dead_letter_queue: "dlq", settings: { batch_size: 50, max_retries: 0 } };
    expect((await api.call("PUT", `${path()}/${consumer_id}`, next)).result).toMatchObject({
      consumer_id,
      dead_letter_queue: "dlq",
      settings: { batch_size: 50, max_retries: 0 },
    });
  });

  it("are one a queue", async () => {
    await api.call("POST", path(), { type: "worker", script_name: "archiver" });
    expect(await api.refusal("POST", path(), { type: "worker", script_name: "archiver" })).toEqual([
      409, 11004,
    ]);
  });

  it("need a Worker and a dead-letter queue that exist", async () => {
    expect(await api.refusal("POST", path(), { type: "worker", script_name: "none" })).toEqual([404, 10007]);
    const body = { type: "worker", script_name: "archiver", dead_letter_queue: "none" };
    expect(await api.refusal("POST", path(), body)).toEqual([404, 11000]);
    expect((await api.call("GET", path())).result).toEqual([]);
  });

  it("of another kind than a Worker are not implemented", async () => {
    expect(await api.refusal("POST", path(), { type: "http_pull" })).toEqual([501, 501]);
  });

  it("are detached", async () => {
    const body = { type: "worker", script_name: "archiver" };
    const { consumer_id } = await api.result(consumerSchema, "POST", path(), body);
    await api.call("DELETE", `${path()}/${consumer_id}`);
    expect(await api.refusal("GET", `${path()}/${consumer_id}`)).toEqual([404, 11001]);
    expect(api.runtime.applied.at(-1)?.consumers).toEqual([]);
  });
});
