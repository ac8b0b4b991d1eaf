import { describe, expect, it } from "vitest";
import { analyzeText } from "./analyze-files.ts";

const codeOf = (call: string) =>
  analyzeText(`export default { async fetch(request, env) { ${call}; } };`).calls[0]?.code;

describe("the code of a call is the same however it is formatted", () => {
  const CODE = 'env.CACHE.put(`a:${(id + 1)}`, "v", { expirationTtl: 60 })';

  it.each([
    ["on one line", 'env.CACHE.put(`a:${id + 1}`, "v", { expirationTtl: 60 })'],
    ["over lines", 'env\n.CACHE\n.put(\n`a:${id + 1}`,\n"v",\n{ expirationTtl: 60 },\n)'],
    ["with other quotes", "env.CACHE.put(`a:${id + 1}`, 'v', { 'expirationTtl': 60 })"],
    ["with brackets for names", 'env["CACHE"]["put"](`a:${id + 1}`, "v", { expirationTtl: 60 })'],
    ["with comments", 'env.CACHE.put(`a:${id + 1}`, /* value */ "v", { expirationTtl: 60 })'],
    ["with parentheses", '(env.CACHE).put((`a:${(id + 1)}`), ("v"), ({ expirationTtl: 60 }))'],
    ["with types", 'env.CACHE!.put(`a:${id + 1}`, "v" as string, { expirationTtl: 60 } satisfies object)'],
  ])("%s", (_, call) => {
    expect(codeOf(call)).toBe(CODE);
  });

  it("another key is another code", () => {
    expect(codeOf('env.CACHE.get("a")')).not.toBe(codeOf('env.CACHE.get("b")'));
  });

  it("a very long one is cut", () => {
    expect(codeOf(`env.CACHE.get("${"a".repeat(1_000)}")`)).toHaveLength(400);
  });
});
