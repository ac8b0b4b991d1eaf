import { describe, expect, it } from "vitest";
import { analyzeFiles, analyzeText } from "./analyze-files.ts";

const ways = (text: string) =>
  analyzeText(text).calls.flatMap(({ paths }) =>
    paths.map(({ trigger, via }) => `${trigger}: ${via.join(" > ")}`),
  );

const handler = (name: string) =>
  `export default { async ${name}(event, env) { await env.CACHE.get("a"); } };`;

describe("a call is reached by what the runtime starts", () => {
  it.each([
    ["fetch", "request"],
    ["scheduled", "cron"],
    ["queue", "queue"],
    ["email", "email"],
  ])("%s of a Worker: %s", (name, trigger) => {
    expect(ways(handler(name))).toEqual([`${trigger}: ${name}`]);
  });

  it("an alarm of a Durable Object", () => {
    const text = `import { DurableObject } from "cloudflare:workers";
      export class Room extends DurableObject<{ CACHE: KVNamespace }> { async alarm() { await this.env.CACHE.get("a"); } }`;
    expect(ways(text)).toEqual(["alarm: Room.alarm"]);
  });

  it("a public method of an entrypoint, by RPC", () => {
    const text = `import { WorkerEntrypoint } from "cloudflare:workers";
      export class Api extends WorkerEntrypoint<{ CACHE: KVNamespace }> { async find() { return this.env.CACHE.get("a"); } }`;
    expect(ways(text)).toEqual(["rpc: Api.find"]);
  });

  it("the start of the Worker, of what stands in no function", () => {
    expect(ways('import { env } from "cloudflare:workers"; const first = await env.CACHE.get("a");')).toEqual(
      ["startup: <module>"],
    );
  });

  it("a request, of what is handed to a router", () => {
    const text = `import { Hono } from "hono"; const app = new Hono<{ Bindings: { CACHE: KVNamespace } }>();
      app.get("/", async (c) => c.json(await c.env.CACHE.get("a"))); export default app;`;
    expect(analyzeText(text).calls[0]?.paths.map(({ trigger }) => trigger)).toEqual(["request"]);
  });

  it("through all functions between, outermost first", () => {
    const text = `const save = (kv) => kv.put("a", "b"); const sync = (env) => save(env.CACHE);
      export default { async scheduled(event, env) { await sync(env); } };`;
    expect(ways(text)).toEqual(["cron: scheduled > sync > save"]);
  });

  it("through callbacks that are written in place", () => {
    const text = `export default { async scheduled(event, env, ctx) { ctx.waitUntil((async () => { await env.CACHE.get("a"); })()); } };`;
    expect(analyzeText(text).calls[0]?.paths.map(({ trigger }) => trigger)).toEqual(["cron"]);
  });

  it("nothing, where nobody calls the function", () => {
    expect(ways('export function lost(env: { CACHE: KVNamespace }) { return env.CACHE.get("a"); }')).toEqual(
      [],
    );
  });
});

describe("loops are counted where their count is written", () => {
  const countOf = (loop: string) =>
    analyzeText(
      `const LIST = ["a", "b", "c"]; export default { async fetch(request, env) { ${loop} } };`,
    ).calls[0]?.paths[0]?.loops.map(({ count }) => count);

  it.each([
    ["a list", 'for (const key of ["a", "b"]) env.CACHE.get(key);', [2]],
    ["a constant list", "for (const key of LIST) env.CACHE.get(key);", [3]],
    ["a counter", "for (let i = 0; i < 10; i++) env.CACHE.get(i);", [10]],
    ["a counter to the last", "for (let i = 1; i <= 10; i++) env.CACHE.get(i);", [10]],
    ["a method that calls for each", "LIST.map((key) => env.CACHE.get(key));", [3]],
    ["one within another", 'for (const a of LIST) for (const b of ["x"]) env.CACHE.get(a + b);', [3, 1]],
    ["a condition, which says nothing", 'while (more()) env.CACHE.get("a");', [null]],
    ["a comment of ours", "\n// kv-optimizer:loop 20\nfor (const a of request.list) env.CACHE.get(a);", [20]],
  ])("%s", (_, loop, counts) => {
    expect(countOf(loop)).toEqual(counts);
  });
});

describe("only files that a namespace can get into are parsed", () => {
  const BROKEN = "export const x = {{{ ; ) (";
  const ENTRY =
    'import { x } from "./other"; export default { async fetch(request, env) { await env.CACHE.get("a"); } };';

  it("one that names none and calls no method of KV is not", () => {
    expect(analyzeFiles({ "src/index.ts": ENTRY, "src/unrelated.ts": BROKEN }).unread).toEqual([]);
  });

  it("one that names the type of a namespace is", () => {
    const { unread } = analyzeFiles({ "src/index.ts": ENTRY, "src/related.ts": `${BROKEN} KVNamespace` });
    expect(unread.map(({ file }) => file)).toEqual(["src/related.ts"]);
  });

  it("one that is handed a namespace is, though it names none", () => {
    const { calls } = analyzeFiles({
      "src/index.ts":
        'import { save } from "./save"; export default { async fetch(request, env) { await save(env.CACHE); } };',
      "src/save.ts": 'export const save = (store) => store.put("a", "b");',
    });
    expect(calls.map(({ file, bindings }) => [file, bindings])).toEqual([["src/save.ts", ["CACHE"]]]);
  });
});
