import { describe, expect, it } from "vitest";
import type { ScriptBinding } from "../model.ts";
import { checkStartup } from "./startup-check.ts";
import { answering, bound, version } from "./test-scripts.ts";

const PLAIN = "export default { fetch: () => new Response() };";

describe("trying a version", () => {
  it("finds nothing wrong with one that starts", async () => {
    expect(await checkStartup(answering("hub", "ok"))).toBeNull();
  });

  it.each([
    [`throw new Error("boom");`, "Uncaught Error: boom at index.js:1:7"],
    ["let a = ;", "Uncaught SyntaxError: Unexpected token ';' at index.js:1:8"],
    [`import "./gone.js"; ${PLAIN}`, 'Uncaught Error: No such module "gone.js". imported from "index.js"'],
    ["await new Promise(() => {});", "Uncaught Error: Top-level await in module is unsettled."],
  ])("tells what workerd says of %s", async (source, message) => {
    expect(await checkStartup(version("hub", source))).toEqual({ message });
  });

  it("refuses eval at start-up where the compatibility date does", async () => {
    const source = `new Function("return 1"); ${PLAIN}`;
    expect(await checkStartup(version("hub", source, { compatibilityDate: "2025-05-31" }))).toEqual({
      message: expect.stringContaining("EvalError: Code generation from strings disallowed"),
    });
    expect(await checkStartup(version("hub", source, { compatibilityDate: "2025-06-01" }))).toBeNull();
  });

  it("refuses an unknown compatibility flag and a date in the future", async () => {
    expect(await checkStartup(version("hub", PLAIN, { compatibilityFlags: ["no_such_flag"] }))).toEqual({
      message: "No such compatibility flag: no_such_flag",
    });
    expect(await checkStartup(version("hub", PLAIN, { compatibilityDate: "2999-01-01" }))).toEqual({
      message: expect.stringContaining("2999-01-01"),
    });
  });

  it("refuses a Durable Object binding to a class that is not exported", async () => {
    const binding: ScriptBinding = { type: "durable_object_namespace", name: "A", class_name: "Absent" };
    expect(await checkStartup(bound("hub", [binding], PLAIN))).toEqual({
      message: expect.stringContaining("class 'Absent'"),
    });
  });

  it("starts one whose bindings lead to scripts and stores that are not there", async () => {
    const bindings: readonly ScriptBinding[] = [
      { type: "service", name: "A", service: "other" },
      { type: "service", name: "B", service: "other", entrypoint: "Admin" },
      { type: "durable_object_namespace", name: "C", class_name: "Own" },
      { type: "durable_object_namespace", name: "D", class_name: "Foreign", script_name: "other" },
      { type: "queue", name: "E", queue_name: "q" },
      { type: "kv_namespace", name: "F", namespace_id: "k" },
      { type: "d1", name: "G", id: "d" },
      { type: "r2_bucket", name: "H", bucket_name: "b" },
    ];
    const source = `import { DurableObject } from "cloudflare:workers";
      export class Own extends DurableObject {}
      ${PLAIN}`;
    expect(await checkStartup(bound("hub", bindings, source))).toBeNull();
  });

  it("starts one with modules of every kind", async () => {
    const text = (value: string) => new TextEncoder().encode(value);
    const wasm = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
    const main = `import sub from "./lib/sub.js"; import cjs from "./c.cjs"; import txt from "./t.txt";
      import json from "./j.json"; import data from "./d.bin"; import wasm from "./w.wasm";
      if (sub !== 1 || cjs.two !== 2 || txt !== "text" || json.a !== 1) throw new Error("modules");
      if (data.byteLength !== 3 || !(wasm instanceof WebAssembly.Module)) throw new Error("binary modules");
      ${PLAIN}`;
    const modules = [
      { name: "index.js", type: "esm", contents: text(main) },
      { name: "lib/sub.js", type: "esm", contents: text("export default 1;") },
      { name: "c.cjs", type: "commonjs", contents: text("module.exports = { two: 2 };") },
      { name: "t.txt", type: "text", contents: text("text") },
      { name: "j.json", type: "json", contents: text(`{"a":1}`) },
      { name: "d.bin", type: "data", contents: new Uint8Array(3) },
      { name: "w.wasm", type: "wasm", contents: wasm },
    ] as const;
    expect(await checkStartup(version("hub", "", { modules }))).toBeNull();
  });
});
