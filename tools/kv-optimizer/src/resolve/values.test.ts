import { describe, expect, it } from "vitest";
import { analyzeFiles, analyzeText } from "../find/analyze-files.ts";

const callsOf = (before: string, call: string) =>
  analyzeText(`${before}\nexport default { async fetch(request, env) { ${call}; } };`).calls;

describe("a key is a pattern", () => {
  it.each([
    ["of a literal", "", '"a"', ["a"]],
    ["of a template", "", "`page:${request.url}`", ["page:{url}"]],
    ["of a sum", 'const PREFIX = "p:";', "PREFIX + id", ["p:{id}"]],
    ["of an enum", 'enum Keys { last = "sync:last" }', "Keys.last", ["sync:last"]],
    ["of a function", "const key = (id) => `user:${id}`;", 'key("7")', ["user:7"]],
    ["of a choice", "", 'x ? "a" : "b"', ["a", "b"]],
    ["of a joined list", "", '["a", id].join(":")', ["a:{id}"]],
    ["with a hole, of what is not known", "", "request.url", ["{url}"]],
  ])("%s", (_, before, key, keys) => {
    expect(callsOf(before, `env.CACHE.get(${key})`)[0]?.keys).toEqual(keys);
  });

  it("of a list, its prefix", () => {
    expect(callsOf("", 'env.CACHE.list({ prefix: "a:" })')[0]?.keys).toEqual(["a:"]);
  });
});

describe("a put has a time to live", () => {
  it.each([
    ["in seconds", "", "{ expirationTtl: 60 }", "yes", 60],
    ["in seconds that are computed", "const HOUR = 60 * 60;", "{ expirationTtl: 24 * HOUR }", "yes", 86_400],
    ["at a time", "", "{ expiration: soon() }", "yes", null],
    ["through a spread", "const base = { expirationTtl: 60 };", "{ ...base, metadata: {} }", "yes", 60],
    ["through a builder", "const options = (s) => ({ expirationTtl: s });", "options(30)", "yes", 30],
    ["not, without options", "", "undefined", "no", undefined],
    ["not, with other options", "", "{ metadata: {} }", "no", undefined],
    ["not, where it is undefined", "", "{ expirationTtl: undefined }", "no", undefined],
    ["perhaps, where a condition decides", "", "x ? { expirationTtl: 60 } : {}", "unknown", undefined],
    ["perhaps, where nobody knows", "", "await request.json()", "unknown", undefined],
  ])("%s", (_, before, options, verdict, seconds) => {
    const ttl = callsOf(before, `env.CACHE.put("k", "v", ${options})`)[0]?.ttl;
    expect([ttl?.verdict, ttl?.verdict === "yes" ? ttl.seconds : undefined]).toEqual([verdict, seconds]);
  });
});

describe("a name is what the nearest config says", () => {
  const config = (kv: string, r2: string) =>
    `name = "w"\nmain = "src/index.ts"\nkv_namespaces = [{ binding = "${kv}", id = "x" }]\nr2_buckets = [{ binding = "${r2}", bucket_name = "x" }]\n`;
  const worker = 'export default { async fetch(request, env) { await env.STORE.get("a"); } };';

  it("a namespace in one Worker and a bucket in another", () => {
    const { calls } = analyzeFiles({
      "wrangler.toml": "",
      "one/wrangler.toml": config("STORE", "FILES"),
      "one/src/index.ts": worker,
      "two/wrangler.toml": config("CACHE", "STORE"),
      "two/src/index.ts": worker,
    });
    expect(calls.map(({ file }) => file)).toEqual(["one/src/index.ts"]);
  });
});
