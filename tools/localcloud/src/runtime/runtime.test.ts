import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DeployedScript, ScriptBinding } from "../model.ts";
import {
  answering,
  bound,
  objectClass,
  read,
  script,
  state,
  testRuntime,
  version,
  visit,
  type TestRuntime,
} from "./test-scripts.ts";

let plane: TestRuntime;
beforeAll(async () => {
  plane = await testRuntime();
});
afterAll(() => plane[Symbol.asyncDispose]());

async function deploy(...scripts: readonly DeployedScript[]): Promise<void> {
  await plane.runtime.apply(state(scripts));
}

describe("a script's address", () => {
  const ECHO = `export default { async fetch(request) {
    const url = new URL(request.url);
    if (url.pathname === "/status") return new Response(null, { status: 204, headers: { "x-a": "1" } });
    if (url.pathname === "/cookies") {
      const headers = new Headers();
      headers.append("set-cookie", "a=1"); headers.append("set-cookie", "b=2");
      return new Response("c", { headers });
    }
    if (url.pathname === "/stream") {
      let n = 0;
      return new Response(new ReadableStream({ pull(c) {
        c.enqueue(new TextEncoder().encode(String(n))); n += 1; if (n === 3) c.close();
      } }));
    }
    if (url.pathname === "/boom") throw new Error("boom");
    if (url.pathname === "/ws") {
      const pair = new WebSocketPair();
      pair[1].accept();
      pair[1].addEventListener("message", (event) => pair[1].send("echo " + event.data));
      return new Response(null, { status: 101, webSocket: pair[0] });
    }
    return Response.json({ method: request.method, url: request.url, body: await request.text(),
      headers: Object.fromEntries(request.headers), colo: request.cf?.colo });
  } };`;
  let echo: DeployedScript;

  beforeAll(async () => {
    echo = await script("echo", version("echo", ECHO));
    await deploy(
      echo,
      await script("shell", []),
      await script("hidden", answering("hidden", "seen"), { public: false }),
    );
  });

  it("passes method, path, query, headers and body on", async () => {
    const response = await visit(echo, "/a%20b?q=1", {
      method: "PUT",
      body: "text",
      headers: { "x-own": "1", "mf-cf-blob": "{}" },
    });
    expect(await response.json()).toMatchObject({
      method: "PUT",
      url: `http://127.0.0.1:${echo.port}/a%20b?q=1`,
      body: "text",
      headers: { "x-own": "1", host: `127.0.0.1:${echo.port}` },
      colo: "LOC",
    });
  });

  it("adds what the platform adds to a request and its answer", async () => {
    const response = await visit(echo);
    const { headers } = (await response.json()) as { headers: Record<string, string> };
    expect(headers).toMatchObject({
      "cf-connecting-ip": "127.0.0.1",
      "x-forwarded-proto": "http",
      "cf-ray": response.headers.get("cf-ray"),
    });
    expect(headers["cf-ray"]).toMatch(/^[0-9a-f]{16}-LOC$/);
  });

  it("keeps a client address that is already there", async () => {
    const text = await read(echo, "/", { headers: { "cf-connecting-ip": "203.0.113.9" } });
    expect(JSON.parse(text)).toMatchObject({ headers: { "cf-connecting-ip": "203.0.113.9" } });
  });

  it("passes status, several cookies and streams back", async () => {
    const status = await visit(echo, "/status");
    expect([status.status, status.headers.get("x-a")]).toEqual([204, "1"]);
    const cookies = await visit(echo, "/cookies");
    expect(cookies.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
    expect(await read(echo, "/stream")).toBe("012");
  });

  it("answers HEAD with headers only", async () => {
    const response = await visit(echo, "/cookies", { method: "HEAD" });
    expect([response.status, await response.text()]).toEqual([200, ""]);
    expect(response.headers.getSetCookie()).toHaveLength(2);
  });

  it("streams a large body up", async () => {
    const chunk = new Uint8Array(64 * 1024).fill(97);
    let left = 64;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (left === 0) return controller.close();
        left -= 1;
        controller.enqueue(chunk);
      },
    });
    const response = await visit(echo, "/", { method: "POST", body, duplex: "half" } as RequestInit);
    const { body: received } = (await response.json()) as { body: string };
    expect(received).toHaveLength(64 * 64 * 1024);
  });

  it("upgrades to a WebSocket", async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${echo.port}/ws`);
    await once(socket, "open");
    socket.send("hello");
    const [event] = (await once(socket, "message")) as [MessageEvent];
    expect(event.data).toBe("echo hello");
    socket.close();
  });

  it("answers 500 when the worker throws, and logs the error under the script's name", async () => {
    const response = await visit(echo, "/boom");
    expect(response.status).toBe(500);
    await expect
      .poll(() => plane.lines)
      .toContainEqual(expect.stringMatching(/^echo: uncaught Error: boom at .*index\.js:\d+:\d+/));
  });

  it("answers 404 for a script without code, and for one that is not public", async () => {
    for (const [name, reason] of [
      ["shell", /no deployed version/],
      ["hidden", /workers\.dev route is disabled/],
    ] as const) {
      const response = await visit(await script(name, []));
      expect(response.status).toBe(404);
      expect(await response.text()).toMatch(reason);
    }
  });
});

describe("the bindings of a worker", () => {
  const BINDINGS: readonly ScriptBinding[] = [
    { type: "kv_namespace", name: "KV", namespace_id: "k1" },
    { type: "d1", name: "DB", id: "d1" },
    { type: "r2_bucket", name: "BUCKET", bucket_name: "media" },
    { type: "plain_text", name: "PLAIN", text: "text" },
    { type: "secret_text", name: "SECRET", text: "secret" },
    { type: "json", name: "SETTINGS", json: { a: [1] } },
    { type: "version_metadata", name: "VERSION" },
  ];
  const SOURCE = `export default { async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/write") {
      await env.KV.put("key", "from a worker", { metadata: { "é": 1 } });
      await env.BUCKET.put("o/1", "object", { httpMetadata: { contentType: "text/x" } });
      await env.DB.exec("CREATE TABLE IF NOT EXISTS t (a)");
      await env.DB.prepare("INSERT INTO t VALUES (?)").bind("row").run();
      return new Response("written");
    }
    const { results } = await env.DB.prepare("SELECT a FROM t").all();
    const object = await env.BUCKET.get("o/1");
    return Response.json([await env.KV.get("key"), await object.text(), results,
      env.PLAIN, env.SECRET, env.SETTINGS, env.VERSION]);
  } };`;

  it("hold values, and stores that scripts and the control plane share", async () => {
    const writer = await script("writer", bound("writer", BINDINGS, SOURCE));
    const reading = { ...bound("reader", BINDINGS, SOURCE), tag: "v1" };
    const reader = await script("reader", reading);
    await deploy(writer, reader);
    await read(writer, "/write");
    expect(JSON.parse(await read(reader))).toEqual([
      "from a worker",
      "object",
      [{ a: "row" }],
      "text",
      "secret",
      { a: [1] },
      { id: reading.id, tag: "v1", timestamp: "2026-01-01T00:00:00.000Z" },
    ]);
    const { runtime } = plane;
    const value = await runtime.kv("k1").get("key");
    expect([new TextDecoder().decode(value?.value), value?.metadata]).toEqual(["from a worker", { é: 1 }]);
    const object = await runtime.r2("media").get("o/1");
    expect([new TextDecoder().decode(object?.body), object?.contentType]).toEqual(["object", "text/x"]);
    const [result] = await runtime.d1("d1").query("SELECT a, a FROM t", []);
    expect(result).toMatchObject({ columns: ["a", "a"], rows: [["row", "row"]] });
  });
});

describe("a split of traffic", () => {
  it("follows the percentages, the key and the override, and changes without a restart", async () => {
    const [old, next] = [answering("split", "old"), answering("split", "new")];
    const split = await script("split", [
      [old, 90],
      [next, 10],
    ]);
    await deploy(split);
    const counts = { old: 0, new: 0 };
    for (let i = 0; i < 2000; i += 50) {
      const answers = await Promise.all(Array.from({ length: 50 }, () => read(split)));
      for (const answer of answers) counts[answer as "old" | "new"] += 1;
    }
    expect(counts.new / 2000).toBeCloseTo(0.1, 1);

    const byKey = (key: string) => read(split, "/", { headers: { "cloudflare-workers-version-key": key } });
    const keys = Array.from({ length: 40 }, (_, i) => `user-${i}`);
    const before = await Promise.all(keys.map(byKey));
    expect(await Promise.all(keys.map(byKey))).toEqual(before);

    const override = (id: string) =>
      read(split, "/", { headers: { "cloudflare-workers-version-overrides": `split="${id}"` } });
    expect([await override(next.id), await override(old.id)]).toEqual(["new", "old"]);

    await deploy(
      await script("split", [
        [old, 60],
        [next, 40],
      ]),
    );
    const after = await Promise.all(keys.map(byKey));
    expect(after.filter((answer, i) => before[i] === "new" && answer === "old")).toEqual([]);
    expect(after.filter((answer) => answer === "new").length).toBeGreaterThan(
      before.filter((answer) => answer === "new").length,
    );
  });
});

describe("a service binding", () => {
  const CALLER = `export default { async fetch(request, env) {
    const { pathname } = new URL(request.url);
    try {
      if (pathname === "/fetch") return await env.TARGET.fetch(request);
      if (pathname === "/admin") return new Response(await env.ADMIN.greet("x"));
      return new Response(await env.TARGET.greet("x"));
    } catch (error) { return new Response(error.message, { status: 500 }); }
  } };`;
  const target = (name: string) => `import { WorkerEntrypoint } from "cloudflare:workers";
    export class Admin extends WorkerEntrypoint { greet(who) { return "admin ${name} " + who; } }
    export default class extends WorkerEntrypoint {
      fetch() { return new Response("${name}"); }
      greet(who) { return "${name} " + who; }
    }`;
  const BINDINGS: readonly ScriptBinding[] = [
    { type: "service", name: "TARGET", service: "target" },
    { type: "service", name: "ADMIN", service: "target", entrypoint: "Admin" },
  ];
  let caller: DeployedScript;
  beforeAll(async () => {
    caller = await script("caller", bound("caller", BINDINGS, CALLER));
  });

  it("reaches the one version by fetch, by RPC, and at a named entrypoint", async () => {
    await deploy(caller, await script("target", version("target", target("one"))));
    expect([await read(caller, "/fetch"), await read(caller, "/rpc"), await read(caller, "/admin")]).toEqual([
      "one",
      "one x",
      "admin one x",
    ]);
  });

  it("splits every call between two versions, and follows changed percentages", async () => {
    const [one, two] = [version("target", target("one")), version("target", target("two"))];
    await deploy(
      caller,
      await script("target", [
        [one, 50],
        [two, 50],
      ]),
    );
    for (const path of ["/fetch", "/rpc", "/admin"]) {
      const answers = await Promise.all(Array.from({ length: 60 }, () => read(caller, path)));
      expect(new Set(answers).size).toBe(2);
    }
    const key = { headers: { "cloudflare-workers-version-key": "user-1" } };
    const sticky = await Promise.all(Array.from({ length: 20 }, () => read(caller, "/fetch", key)));
    expect(new Set(sticky).size).toBe(1);
    const override = { headers: { "cloudflare-workers-version-overrides": `target="${two.id}"` } };
    expect(await read(caller, "/fetch", override)).toBe("two");

    await deploy(
      caller,
      await script("target", [
        [one, 0],
        [two, 100],
      ]),
    );
    const answers = await Promise.all(Array.from({ length: 30 }, () => read(caller, "/rpc")));
    expect(new Set(answers)).toEqual(new Set(["two x"]));
  });

  it("says which script has no code, or lacks the entrypoint", async () => {
    await deploy(caller);
    const missing = await visit(caller, "/fetch");
    expect([missing.status, await missing.text()]).toEqual([
      503,
      `script "target" has no deployed version\n`,
    ]);
    expect(await read(caller, "/rpc")).toBe(`script "target" has no deployed version`);
    await deploy(caller, await script("target", answering("target", "plain")));
    expect(await read(caller, "/admin")).toBe(`script "target" has no entrypoint "Admin"`);
  });

  it("may lead back to the caller", async () => {
    const source = (other: string) => `import { WorkerEntrypoint } from "cloudflare:workers";
      export default class extends WorkerEntrypoint {
        async fetch() { return new Response(await this.env.OTHER.name()); }
        name() { return "${other}"; }
      }`;
    const ping = await script(
      "ping",
      bound("ping", [{ type: "service", name: "OTHER", service: "pong" }], source("ping")),
    );
    const pong = await script(
      "pong",
      bound("pong", [{ type: "service", name: "OTHER", service: "ping" }], source("pong")),
    );
    await deploy(ping, pong);
    expect([await read(ping), await read(pong)]).toEqual(["pong", "ping"]);
  });
});

describe("a Durable Object", () => {
  const counter = (name: string) => `import { DurableObject } from "cloudflare:workers";
    export class Counter extends DurableObject {
      async add() {
        const n = ((await this.ctx.storage.get("n")) ?? 0) + 1;
        await this.ctx.storage.put("n", n);
        return "${name} " + n;
      }
    }
    export default { async fetch(request, env) {
      return new Response(await env.COUNTER.get(env.COUNTER.idFromName("x")).add());
    } };`;
  const OWN: ScriptBinding = { type: "durable_object_namespace", name: "COUNTER", class_name: "Counter" };
  const owning = { durableObjectClasses: [objectClass("Counter")] };

  it("keeps its storage from version to version, and runs the code of the larger share", async () => {
    const [one, two] = [bound("owner", [OWN], counter("one")), bound("owner", [OWN], counter("two"))];
    const owner = await script("owner", one, owning);
    await deploy(owner);
    expect([await read(owner), await read(owner)]).toEqual(["one 1", "one 2"]);
    await deploy(
      await script(
        "owner",
        [
          [one, 80],
          [two, 20],
        ],
        owning,
      ),
    );
    const during = [await read(owner), await read(owner), await read(owner)];
    expect(during).toEqual(["one 3", "one 4", "one 5"]);
    await deploy(await script("owner", two, owning));
    expect(await read(owner)).toBe("two 6");
  });

  it("is reached from another script by its script's name", async () => {
    const foreign: ScriptBinding = { ...OWN, script_name: "owner" };
    const guest = await script(
      "guest",
      bound(
        "guest",
        [foreign],
        `export default { async fetch(request, env) {
          try { return new Response(await env.COUNTER.get(env.COUNTER.idFromName("y")).add()); }
          catch (error) { return new Response(error.message); }
        } };`,
      ),
    );
    await deploy(await script("owner", bound("owner", [OWN], counter("one")), owning), guest);
    expect(await read(guest)).toBe("one 1");
    await deploy(guest);
    expect(await read(guest)).toBe(`script "owner" has no Durable Object class "Counter"`);
  });

  it("is gone with its dropped script", async () => {
    const owner = await script("dropped", bound("dropped", [OWN], counter("a")), owning);
    await deploy(owner);
    expect(await read(owner)).toBe("a 1");
    await deploy();
    await plane.runtime.dropScript("dropped");
    await deploy(owner);
    expect(await read(owner)).toBe("a 1");
  });
});

describe("a cron trigger", () => {
  it("runs the scheduled handler now when it is fired, and tells the outcome and the version", async () => {
    const source = `export default { async scheduled(event, env) {
      await env.KV.put("fired", event.cron);
      if (event.cron === "0 0 * * *") throw new Error("no");
    } };`;
    const firing = bound("firing", [{ type: "kv_namespace", name: "KV", namespace_id: "k2" }], source);
    await deploy(await script("firing", firing));
    const { runtime } = plane;
    expect(await runtime.fireCron("firing", "*/5 * * * *")).toEqual({ outcome: "ok", versionId: firing.id });
    const fired = await runtime.kv("k2").get("fired");
    expect(new TextDecoder().decode(fired?.value)).toBe("*/5 * * * *");
    expect(await runtime.fireCron("firing", "0 0 * * *")).toMatchObject({ outcome: "exception" });
    await expect(runtime.fireCron("nobody", "0 0 * * *")).rejects.toThrow(`script "nobody" does not exist`);
  });
});
