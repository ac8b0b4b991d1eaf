import { readFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
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
beforeEach(async () => {
  plane = await testRuntime();
});
afterEach(() => plane[Symbol.asyncDispose]());

/** Requests a script again and again over kept connections until told to stop. */
function steadyLoad(target: DeployedScript, clients: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const answers: string[] = [];
  const failures: string[] = [];
  const stopped = new AbortController();
  const once = (body: string | undefined) =>
    new Promise<void>((resolve) => {
      const sent = request(
        { agent, host: "127.0.0.1", port: target.port, method: body === undefined ? "GET" : "POST" },
        (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
          response.on("end", () => {
            if (response.statusCode === 200) answers.push(text);
            else failures.push(`${response.statusCode} ${text}`);
            resolve();
          });
        },
      );
      sent.on("error", (error) => {
        failures.push(String(error));
        resolve();
      });
      sent.end(body);
    });
  const client = async (index: number) => {
    while (!stopped.signal.aborted) await once(index % 2 === 0 ? undefined : "body".repeat(1000));
  };
  const clientsDone = Promise.all(Array.from({ length: clients }, (_, index) => client(index)));
  return {
    answers,
    failures,
    async stop() {
      stopped.abort();
      await clientsDone;
      agent.destroy();
    },
  };
}

describe("replacing what runs", () => {
  it("fails no request over 20 swaps under steady load, and every answer is of a deployed version", async () => {
    const reading = (answer: string) =>
      version(
        "hub",
        `export default { async fetch(request) { await request.text(); return new Response("${answer}"); } };`,
      );
    await plane.runtime.apply(state([await script("hub", reading("v0"))]));
    const load = steadyLoad(await script("hub", []), 8);
    await expect.poll(() => load.answers.length).toBeGreaterThan(8);
    for (let swap = 1; swap <= 20; swap += 1) {
      await plane.runtime.apply(state([await script("hub", reading(`v${swap}`))]));
      expect(await read(await script("hub", []))).toBe(`v${swap}`);
    }
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(load.answers.length).toBeGreaterThan(20);
    expect(new Set(load.answers)).toEqual(new Set(Array.from({ length: 21 }, (_, i) => `v${i}`)));
  });

  it("lets requests under way finish on the version that they began on", async () => {
    const slow = version(
      "hub",
      `export default { async fetch() { await scheduler.wait(700); return new Response("old"); } };`,
    );
    const hub = await script("hub", slow);
    await plane.runtime.apply(state([hub]));
    const underWay = read(hub);
    await delay(100);
    const applied = plane.runtime.apply(state([await script("hub", answering("hub", "new"))]));
    await delay(100);
    const held = read(hub);
    expect(await underWay).toBe("old");
    await applied;
    expect(await held).toBe("new");
  });

  it("lets what a request left to ctx.waitUntil finish", async () => {
    const later = bound(
      "hub",
      [{ type: "kv_namespace", name: "KV", namespace_id: "k" }],
      `export default { fetch(request, env, ctx) {
        ctx.waitUntil(scheduler.wait(100).then(() => env.KV.put("later", "done")));
        return new Response("ok");
      } };`,
    );
    const hub = await script("hub", later);
    await plane.runtime.apply(state([hub]));
    await read(hub);
    await plane.runtime.apply(state([await script("hub", answering("hub", "new"))]));
    const value = await plane.runtime.kv("k").get("later");
    expect(new TextDecoder().decode(value?.value)).toBe("done");
  });

  it("does not hold back what a request under way asks of another script", async () => {
    const hub = await script("hub", []);
    const other = await script("other", answering("other", "other"));
    const source = `export default { async fetch() {
      await scheduler.wait(500);
      return fetch("http://127.0.0.1:${other.port}/");
    } };`;
    await plane.runtime.apply(state([await script("hub", version("hub", source)), other]));
    const underWay = read(hub);
    await delay(100);
    const applied = plane.runtime.apply(state([await script("hub", answering("hub", "new")), other]));
    expect(await underWay).toBe("other");
    await applied;
  });

  it("does not restart workerd when only ports, crons, visibility, queues or percentages change", async () => {
    const born = `let born; export default { fetch: () => new Response(born ??= crypto.randomUUID()) };`;
    const [one, two] = [version("hub", born), version("hub", born)];
    const even = await script("hub", [
      [one, 50],
      [two, 50],
    ]);
    const uneven = await script("hub", [
      [one, 10],
      [two, 90],
    ]);
    const pinned = { headers: { "cloudflare-workers-version-overrides": `hub="${one.id}"` } };
    await plane.runtime.apply(state([{ ...even, durableObjectClasses: [] }]));
    const before = await read(even, "/", pinned);
    const queue = {
      id: "q",
      name: "q",
      deliveryDelaySeconds: 0,
      deliveryPaused: false,
      retentionSeconds: 60,
    };
    const changes = [
      state([uneven, await script("shell", [])]),
      state([{ ...even, crons: ["0 0 1 1 *"] }], { kvNamespaceIds: ["k"], queues: [queue] }),
      state([{ ...uneven, port: (await script("elsewhere", [])).port, public: false }]),
      state([even], { d1DatabaseIds: ["d"], r2BucketNames: ["b"] }),
    ];
    for (const change of changes) await plane.runtime.apply(change);
    expect(await read(even, "/", pinned)).toBe(before);
  });

  it("cuts off what runs for too long", async () => {
    await using hasty = await testRuntime({ drainMs: 200 });
    const endless = version(
      "hub",
      `export default { fetch: () => new Response(new ReadableStream({
        async pull(controller) { controller.enqueue(new Uint8Array([97])); await scheduler.wait(50); },
      })) };`,
    );
    const hub = await script("hub", endless);
    await hasty.runtime.apply(state([hub]));
    const stream = await visit(hub);
    const ended = stream.text().then(
      () => "complete",
      () => "cut off",
    );
    await hasty.runtime.apply(state([await script("hub", answering("hub", "new"))]));
    expect(await ended).toBe("cut off");
    expect(await read(hub)).toBe("new");
    expect(hasty.lines).toContainEqual("cutting off 1 requests that ran for more than 200 ms");
  });

  it("comes back when workerd crashes", async () => {
    const hub = await script("hub", answering("hub", "here"));
    await plane.runtime.apply(state([hub]));
    const pid = async () => Number(await readFile(join(plane.directory, "workerd.pid"), "utf8"));
    const before = await pid();
    process.kill(before, "SIGKILL");
    await expect.poll(pid, { timeout: 10_000 }).not.toBe(before);
    await expect.poll(() => read(hub).catch(String), { timeout: 10_000 }).toBe("here");
  });

  it("keeps what runs when workerd refuses the new version, and says why", async () => {
    const hub = await script("hub", answering("hub", "good"));
    await plane.runtime.apply(state([hub]));
    const broken = await script("hub", version("hub", `throw new Error("broken");`));
    await expect(plane.runtime.apply(state([broken]))).rejects.toThrow(
      /^service hub@[0-9a-f-]{36}: Uncaught Error: broken at index\.js:1:7$/,
    );
    expect(await read(hub)).toBe("good");
    await plane.runtime.apply(state([await script("hub", answering("hub", "next"))]));
    expect(await read(hub)).toBe("next");
  });

  it("applies only the last of several states at once", async () => {
    const applied = Array.from({ length: 5 }, async (_, index) =>
      plane.runtime.apply(state([await script("hub", answering("hub", `v${index}`))])),
    );
    await Promise.all(applied);
    expect(await read(await script("hub", []))).toBe("v4");
  });

  it("moves and closes listeners", async () => {
    const hub = await script("hub", answering("hub", "here"));
    const moved = { ...hub, port: (await script("elsewhere", [])).port };
    await plane.runtime.apply(state([hub]));
    await plane.runtime.apply(state([moved]));
    expect(await read(moved)).toBe("here");
    await expect(visit(hub)).rejects.toThrow("fetch failed");
    await plane.runtime.apply(state([]));
    await expect(visit(moved)).rejects.toThrow("fetch failed");
  });

  it("fires an alarm that was set before the swap, in the new version", async () => {
    const binding: ScriptBinding = { type: "durable_object_namespace", name: "BELL", class_name: "Bell" };
    const bell = (name: string) => `import { DurableObject } from "cloudflare:workers";
      export class Bell extends DurableObject {
        async set() { await this.ctx.storage.setAlarm(Date.now() + 1500); return "set"; }
        async rung() { return (await this.ctx.storage.get("rung")) ?? "not yet"; }
        async alarm() { await this.ctx.storage.put("rung", "${name}"); }
      }
      export default { async fetch(request, env) {
        const bell = env.BELL.get(env.BELL.idFromName("x"));
        return new Response(new URL(request.url).pathname === "/set" ? await bell.set() : await bell.rung());
      } };`;
    const owning = { durableObjectClasses: [objectClass("Bell")] };
    const old = await script("hub", bound("hub", [binding], bell("old")), owning);
    await plane.runtime.apply(state([old]));
    expect(await read(old, "/set")).toBe("set");
    await plane.runtime.apply(state([await script("hub", bound("hub", [binding], bell("new")), owning)]));
    await expect.poll(() => read(old, "/rung"), { timeout: 10_000 }).toBe("new");
  });
});
