import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { temporaryDirectory, uploadForm } from "../../test/harness.ts";
import { type LocalCloud, startLocalCloud } from "../index.ts";

const CODE = `import { WorkerEntrypoint } from "cloudflare:workers";
export class Internal extends WorkerEntrypoint { greet() { console.log("by call"); return "hi"; } }
export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/throw") throw new TypeError("no good");
    if (pathname === "/silent") return new Response(null, { status: 204 });
    if (pathname === "/send") await env.JOBS.send("job");
    if (pathname === "/call") await env.SELF.greet();
    console.log("path", pathname, { rows: 2 });
    console.warn("careful");
    return new Response("ok", { status: 201 });
  },
  scheduled(event) { console.log("by cron"); },
  queue(batch) { console.log("by queue"); },
};`;
const CRON = "0 0 1 1 *";

const directory = temporaryDirectory();
let cloud: LocalCloud;
let versionId: string;

beforeAll(async () => {
  cloud = await startLocalCloud({ directory: join(directory.path, "cloud") });
  const queueSchema = z.object({ queue_id: z.string() });
  const { queue_id } = queueSchema.parse(await api("POST", "/queues", { queue_name: "jobs" }));
  const bindings = [
    { type: "queue", name: "JOBS", queue_name: "jobs" },
    { type: "service", name: "SELF", service: "hub", entrypoint: "Internal" },
  ];
  versionId = await deploy({ code: CODE, metadata: { bindings } });
  await api("POST", "/workers/scripts/hub/subdomain", { enabled: true });
  await api("POST", `/queues/${queue_id}/consumers`, {
    script_name: "hub",
    type: "worker",
    settings: { batch_size: 1, max_wait_time_ms: 0 },
  });
});
afterAll(async () => {
  await cloud.stop();
  directory[Symbol.dispose]();
});

async function api(method: string, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(`${cloud.apiUrl}/accounts/${cloud.accountId}${path}`, {
    method,
    headers: { authorization: `Bearer ${cloud.apiToken}` },
    ...(body === undefined ? {} : { body: body instanceof FormData ? body : JSON.stringify(body) }),
  });
  const envelope = z.object({ errors: z.array(z.unknown()), result: z.unknown() });
  const { errors, result } = envelope.parse(await response.json());
  if (errors.length > 0) throw new Error(JSON.stringify(errors));
  return result;
}

async function deploy(upload: Parameters<typeof uploadForm>[0]): Promise<string> {
  const schema = z.object({ deployment_id: z.string() });
  const { deployment_id } = schema.parse(await api("PUT", "/workers/scripts/hub", uploadForm(upload)));
  return deployment_id.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

const traceSchema = z.looseObject({
  outcome: z.string(),
  event: z.record(z.string(), z.unknown()),
  logs: z.array(z.looseObject({ message: z.unknown() })),
});
type Item = z.infer<typeof traceSchema>;

const tailSchema = z.object({ id: z.string(), url: z.string(), expires_at: z.string() });

/** What a stream of items brings, in its order. */
class Items {
  readonly seen: Item[] = [];
  #arrived = Promise.withResolvers<void>();

  push(text: string): void {
    this.seen.push(traceSchema.parse(JSON.parse(text)));
    this.#arrived.resolve();
  }

  /** The first item that fits; waits for it. */
  async find(fits: (item: Item) => boolean): Promise<Item> {
    for (;;) {
      const found = this.seen.find(fits);
      if (found !== undefined) return found;
      this.#arrived = Promise.withResolvers<void>();
      await this.#arrived.promise;
    }
  }
}

interface Client extends AsyncDisposable {
  readonly id: string;
  readonly items: Items;
  readonly closed: Promise<number>;
}

/** A tail with a client that is connected. */
async function tail(filters: readonly unknown[] = []): Promise<Client> {
  const { id, url } = tailSchema.parse(await api("POST", "/workers/scripts/hub/tails", { filters }));
  const socket = new WebSocket(url, "trace-v1");
  const items = new Items();
  socket.addEventListener("message", ({ data }) => items.push(String(data)));
  const closed = new Promise<number>((resolve) => {
    socket.addEventListener("close", ({ code }) => resolve(code));
  });
  await once(socket, "open");
  return {
    id,
    items,
    closed,
    async [Symbol.asyncDispose]() {
      socket.close();
      await closed;
      await api("DELETE", `/workers/scripts/hub/tails/${id}`).catch(() => undefined);
    },
  };
}

const visit = (path: string, init?: RequestInit) => fetch(`${cloud.scriptUrl("hub")}${path}`, init);

function pathOf({ event }: Item): string {
  const parsed = z.object({ request: z.object({ url: z.string() }) }).safeParse(event);
  return parsed.success ? new URL(parsed.data.request.url).pathname : "";
}

const logged = (text: string) => (item: Item) => JSON.stringify(item.logs).includes(text);

describe("a tail", () => {
  it("tells a request with its answer, its logs and its version", async () => {
    await using client = await tail();
    await visit("/spots?near=1", { headers: { authorization: "Bearer secret", "x-trace": "1" } });
    expect(await client.items.find((item) => pathOf(item) === "/spots")).toMatchObject({
      outcome: "ok",
      scriptName: "hub",
      scriptVersion: { id: versionId },
      eventTimestamp: expect.any(Number),
      diagnosticsChannelEvents: [],
      exceptions: [],
      logs: [
        { level: "log", message: ["path", "/spots", { rows: 2 }], timestamp: expect.any(Number) },
        { level: "warn", message: ["careful"] },
      ],
      event: {
        request: {
          method: "GET",
          url: expect.stringMatching(/\/spots\?near=1$/),
          headers: { "x-trace": "1", authorization: "REDACTED" },
        },
        response: { status: 201 },
      },
    });
  });

  it("tells what logged nothing, and what threw", async () => {
    await using client = await tail();
    await visit("/silent");
    await visit("/throw");
    expect(await client.items.find((item) => pathOf(item) === "/silent")).toMatchObject({
      logs: [],
      event: { response: { status: 204 } },
    });
    expect(await client.items.find((item) => pathOf(item) === "/throw")).toMatchObject({
      outcome: "exception",
      exceptions: [{ name: "TypeError", message: "no good" }],
    });
  });

  it("tells crons, queue batches and calls of methods", async () => {
    await using client = await tail();
    const started = await fetch(new URL("/__local/cron", cloud.apiUrl), {
      method: "POST",
      body: JSON.stringify({ script: "hub", cron: CRON }),
    });
    expect(started.status).toBe(200);
    expect(await client.items.find(logged("by cron"))).toMatchObject({
      event: { cron: CRON, scheduledTime: expect.any(Number) },
    });
    await visit("/send");
    expect((await client.items.find(logged("by queue"))).event).toEqual({ queue: "jobs", batchSize: 1 });
    await visit("/call");
    expect(await client.items.find(logged("by call"))).toMatchObject({
      entrypoint: "Internal",
      event: { rpcMethod: "greet" },
    });
  });

  it("goes on over a deployment", async () => {
    await using client = await tail();
    versionId = await deploy({
      code: CODE.replace("/silent", "/quiet"),
      metadata: { keep_bindings: ["queue", "service"] },
    });
    await visit("/silent-no-more");
    expect(await client.items.find((item) => pathOf(item) === "/silent-no-more")).toMatchObject({
      scriptVersion: { id: versionId },
    });
  });

  it("is listed until it is deleted, which ends its connection", async () => {
    const client = await tail();
    const listed = z
      .array(z.object({ id: z.string() }))
      .parse(await api("GET", "/workers/scripts/hub/tails"));
    expect(listed.map(({ id }) => id)).toContain(client.id);
    await api("DELETE", `/workers/scripts/hub/tails/${client.id}`);
    expect(await client.closed).toBe(1000);
    expect(await api("GET", "/workers/scripts/hub/tails")).toEqual([]);
    await expect(api("DELETE", `/workers/scripts/hub/tails/${client.id}`)).rejects.toThrow(/no tail/);
  });

  it("is refused for a Worker that is not there, and beyond ten", async () => {
    await expect(api("POST", "/workers/scripts/nobody/tails", {})).rejects.toThrow(/10007/);
    await expect(api("POST", "/workers/scripts/hub/tails", { filters: [{ colour: 1 }] })).rejects.toThrow(
      /filters/,
    );
    const ids: string[] = [];
    for (let i = 0; i < 10; i++) {
      ids.push(tailSchema.parse(await api("POST", "/workers/scripts/hub/tails", {})).id);
    }
    await expect(api("POST", "/workers/scripts/hub/tails", {})).rejects.toThrow(/10 tails/);
    for (const id of ids) await api("DELETE", `/workers/scripts/hub/tails/${id}`);
  });

  it("has a socket that only its address and protocol open", async () => {
    const { id, url } = tailSchema.parse(await api("POST", "/workers/scripts/hub/tails", {}));
    const wrong = [new WebSocket(url), new WebSocket(url.replace(/.$/, "x"), "trace-v1")];
    const opened = await Promise.all(
      wrong.map(
        (socket) =>
          new Promise<boolean>((resolve) => {
            socket.addEventListener("open", () => resolve(true));
            socket.addEventListener("error", () => resolve(false));
          }),
      ),
    );
    expect(opened).toEqual([false, false]);
    await api("DELETE", `/workers/scripts/hub/tails/${id}`);
  });
});

describe("real wrangler tail", () => {
  it("prints what a Worker logs, throws and does by cron, as JSON", async () => {
    const wrangler = join(
      dirname(createRequire(import.meta.url).resolve("wrangler/package.json")),
      "bin/wrangler.js",
    );
    const child = spawn(process.execPath, [wrangler, "tail", "hub", "--format", "json"], {
      cwd: directory.path,
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: directory.path,
        CI: "1",
        WRANGLER_SEND_METRICS: "false",
        ...cloud.environment,
      },
      stdio: ["ignore", "pipe", "ignore"],
    });
    try {
      const items = new Items();
      let text = "";
      createInterface({ input: child.stdout }).on("line", (line) => {
        // One object after the other, each over several lines that end at its own brace.
        text += `${line}\n`;
        if (line !== "}") return;
        items.push(text);
        text = "";
      });
      const connected = async (): Promise<void> => {
        // The first item is proof that wrangler listens.
        while (items.seen.length === 0) await visit("/are-you-there");
      };
      await connected();
      await visit("/by-wrangler");
      await visit("/throw");
      await fetch(new URL("/__local/cron", cloud.apiUrl), {
        method: "POST",
        body: JSON.stringify({ script: "hub", cron: CRON }),
      });
      expect(await items.find((item) => pathOf(item) === "/by-wrangler")).toMatchObject({ outcome: "ok" });
      expect(await items.find((item) => pathOf(item) === "/throw")).toMatchObject({
        outcome: "exception",
        exceptions: [{ message: "no good" }],
      });
      expect(await items.find(logged("by cron"))).toMatchObject({ event: { cron: CRON } });
    } finally {
      const ended = once(child, "exit");
      child.kill("SIGINT");
      await ended;
    }
    expect(await api("GET", "/workers/scripts/hub/tails")).toEqual([]);
  });
});
