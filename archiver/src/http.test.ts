import {
  createExecutionContext,
  createMessageBatch,
  createScheduledController,
  getQueueResult,
  waitOnExecutionContext,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { archiveService, countRows, flight, TestArchiver, useStorage, workerEnv } from "../test/archiver.ts";
import type { Env } from "./env.generated.ts";
import worker from "./index.ts";

useStorage();

type Init = RequestInit<IncomingRequestCfProperties>;

async function request(path: string, init?: Init, bindings: Partial<Env> = {}): Promise<Response> {
  const incoming = new Request<unknown, IncomingRequestCfProperties>(`https://archiver.example${path}`, init);
  return worker.fetch(incoming, { ...workerEnv(), ...bindings });
}

const bearer = (token: string): Init => ({ method: "POST", headers: { authorization: `Bearer ${token}` } });

describe("GET /health", () => {
  it("names version, bindings and tables", async () => {
    const response = await request("/health");
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      bindings: { DB: "ok", COLD: "ok", INGEST: "ok" },
      tables: ["earthquakes", "flights"],
    });
  });

  it("answers 503 and says which binding fails, but not how", async () => {
    await env.DB.prepare("DROP TABLE leases").run();
    const response = await request("/health");
    expect(response.status).toBe(503);
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({ bindings: { DB: "failing", COLD: "ok" } });
    expect(text).not.toContain("SQLITE");
  });
});

describe("POST /admin/archive/run", () => {
  it("runs the archive for the bearer of the admin token", async () => {
    await new TestArchiver().store([flight(1), flight(2)]);
    const response = await request("/admin/archive/run", bearer(env.ADMIN_TOKEN));
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ ran: true, files: 1, records: 2, remaining: 0 });
  });

  it.each([
    ["no token", { method: "POST" }, {}],
    ["a wrong token", bearer("test-admin-tokem"), {}],
    ["a longer token", bearer("test-admin-token2"), {}],
    ["a token while none is configured", bearer(""), { ADMIN_TOKEN: "" }],
  ])("answers 401 to %s and moves nothing", async (_, init, bindings) => {
    await new TestArchiver().store([flight(1)]);
    const response = await request("/admin/archive/run", init, bindings);
    expect(response.status).toBe(401);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(response.headers.get("www-authenticate")).toBe("Bearer");
    expect(await response.json()).toMatchObject({ type: "urn:strata:problem:unauthorized", status: 401 });
    expect(await countRows("buffer_logs")).toBe(1);
  });

  it("answers a problem without the cause when the run fails", async () => {
    await env.DB.prepare("DROP TABLE leases").run();
    const response = await request("/admin/archive/run", bearer(env.ADMIN_TOKEN));
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("SQLITE");
  });
});

describe("any other request", () => {
  it("is answered with a problem document", async () => {
    for (const [path, method, status] of [
      ["/", "GET", 404],
      ["/buffer", "POST", 404],
      ["/admin/archive/run", "GET", 405],
      ["/health", "DELETE", 405],
    ] as const) {
      const response = await request(path, { method });
      expect(response.status).toBe(status);
      expect(response.headers.get("content-type")).toBe("application/problem+json");
      expect(await response.json()).toMatchObject({ status });
    }
  });

  it("of an operator is shown the way to the hub", async () => {
    const { detail } = await (
      await request("/admin/archive/verify", { method: "POST" })
    ).json<{
      detail: string;
    }>();
    expect(detail).toContain("the hub's /admin/*");
  });
});

describe("the cron", () => {
  it("archives what is hot, merges what is closed, and forgets old messages", async () => {
    const archiver = new TestArchiver();
    await archiver.store([flight(-3_000)]);
    await archiver.archive();
    await archiver.store([flight(-3_001)]);
    await env.DB.prepare("INSERT INTO archived_messages (message_id, archived_at) VALUES ('old', 1)").run();
    const context = createExecutionContext();
    await worker.scheduled(createScheduledController(), workerEnv());
    await waitOnExecutionContext(context);
    expect(await countRows("buffer_logs")).toBe(0);
    const { results } = await env.DB.prepare(
      "SELECT state, level FROM archived_files ORDER BY level, id",
    ).all();
    expect(results).toEqual([
      { state: "compacted", level: 0 },
      { state: "compacted", level: 0 },
      { state: "live", level: 1 },
    ]);
    expect(
      (await env.DB.prepare("SELECT message_id FROM archived_messages WHERE message_id = 'old'").all())
        .results,
    ).toEqual([]);
  });
});

describe("the queue handler", () => {
  async function deliver(queue: string, body: unknown) {
    const batch = createMessageBatch(queue, [{ id: "m1", body, attempts: 1, timestamp: new Date() }]);
    const context = createExecutionContext();
    await worker.queue(batch, workerEnv());
    return getQueueResult(batch, context);
  }

  it("stores what the ingest queue brings", async () => {
    const archiver = new TestArchiver();
    await archiver.ingest({ datasetId: "LAS", table: "flights", records: [flight(1)] });
    const result = await deliver("strata-ingest", archiver.waiting[0]?.body);
    expect(result.explicitAcks).toEqual(["m1"]);
    expect([await countRows("buffer_logs"), await countRows("dead_letters")]).toEqual([1, 0]);
  });

  it.each(["strata-ingest-dlq", "strata-ingest-dlq-staging"])("keeps what %s brings", async (queue) => {
    const result = await deliver(queue, new Uint8Array([1, 2, 3]));
    expect(result.explicitAcks).toEqual(["m1"]);
    const [letter] = (await archiveService().deadLetters({ limit: 10 })).letters;
    expect(letter).toMatchObject({ datasetId: null, bytes: 3 });
    expect(await archiveService().purgeDeadLetters({ all: true })).toEqual({ done: 1, remaining: 0 });
  });
});

describe("the service that the hub calls", () => {
  it("answers over RPC with plain values", async () => {
    const archiver = new TestArchiver();
    const service = archiveService();
    await archiver.store([flight(1)]);
    expect(await service.archive()).toMatchObject({ ran: true, records: 1 });
    await archiver.store([flight(2), flight(3)]);
    const page = await service.read({
      datasetId: "LAS",
      table: "flights",
      from: 0,
      to: 9e15,
      limit: 10,
      format: "json",
    });
    expect(page).toMatchObject({ ok: true, modified: true, hot: 2, cold: 1, nextCursor: null });
    if (!page.ok || !page.modified) throw new Error("there is no page");
    expect(await new Response(page.body).json()).toEqual([flight(1), flight(2), flight(3)]);
    const stats = await service.stats();
    expect(stats).toMatchObject({ hot: { rows: 1, records: 2 }, cold: { files: 1, blocks: 1, records: 1 } });
    expect(stats.hot.bytes).toBeGreaterThan(20);
    expect(stats.cold.bytes).toBeGreaterThan(500);
    expect(await service.ingest({ datasetId: "LAS", table: "flights", records: [{}] })).toMatchObject({
      ok: false,
      reason: "invalid",
    });
    expect((await service.health()).tables).toEqual(["earthquakes", "flights"]);
  });

  it("counts an empty archive as zero", async () => {
    expect(await archiveService().stats()).toEqual({
      hot: { rows: 0, records: 0, bytes: 0 },
      cold: { files: 0, blocks: 0, records: 0, bytes: 0 },
      replaced: { files: 0, bytes: 0 },
      lost: { files: 0, records: 0 },
      deadLetters: 0,
    });
  });
});
