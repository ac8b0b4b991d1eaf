import { describe, expect, it } from "vitest";
import { analyzeText } from "../find/analyze-files.ts";

const inHandler = (body: string) =>
  analyzeText(`export default { async fetch(request, env) {\n${body}\n} };`);

describe("a comment of ours speaks of a call", () => {
  it.each([
    ["on its own line", 'env.CACHE.get("a"); // kv-optimizer:ignore it is measured'],
    [
      "on the next line of code",
      '// kv-optimizer:ignore-next it is measured\n\n// another\nenv.CACHE.get("a");',
    ],
    ["in a block comment", '/* kv-optimizer:ignore-next it is measured */\nenv.CACHE.get("a");'],
    [
      "that begins on the next line and ends further down",
      '// kv-optimizer:ignore-next it is measured\nawait env.CACHE.get(\n"a",\n);',
    ],
  ])("%s", (_, body) => {
    const { calls, commentFaults } = inHandler(body);
    expect([calls.map(({ ignored }) => ignored), commentFaults]).toEqual([["it is measured"], []]);
  });

  it.each([
    ["2/day", 2],
    ["1_000/hour", 24_000],
    ["0.5 / minute", 720],
    ["1/second", 86_400],
  ])("with a rate of %s", (rate, perDay) => {
    expect(inHandler(`// kv-optimizer:rate ${rate}\nenv.CACHE.get("a");`).calls[0]?.ratePerDay).toBe(perDay);
  });

  it("and of no other call", () => {
    const { calls } = inHandler(
      'env.CACHE.get("a"); // kv-optimizer:ignore it is measured\nenv.CACHE.get("b");',
    );
    expect(calls.map(({ ignored }) => ignored)).toEqual(["it is measured", null]);
  });
});

describe("a comment of ours that does nothing is a fault", () => {
  it.each([
    ["without a reason", 'env.CACHE.get("a"); // kv-optimizer:ignore', /needs a reason/],
    ["with a rate that is none", '// kv-optimizer:rate often\nenv.CACHE.get("a");', /needs a rate/],
    ["with a count that is none", "// kv-optimizer:loop many\nfor (;;) env.CACHE.get(1);", /needs a count/],
    ["with a word that is not known", 'env.CACHE.get("a"); // kv-optimizer:skip x', /is not known/],
    [
      "of a line without code",
      "// kv-optimizer:ignore x\nenv.CACHE.get(1);",
      /write kv-optimizer:ignore-next/,
    ],
    ["of no call", "// kv-optimizer:ignore-next x\nconsole.log(1);", /speaks of no call/],
  ])("%s", (_, body, message) => {
    expect(inHandler(body).commentFaults.map((fault) => fault.message)).toEqual([
      expect.stringMatching(message),
    ]);
  });
});
