import { describe, expect, it } from "vitest";
import { bindingNames, scanLines } from "./kv-line-scan.ts";

const seen = (text: string) =>
  scanLines("src/a.ts", text, ["ORDERS"]).map(({ line, operation, ttl }) => [line, operation, ttl]);

describe("the line scan", () => {
  it("takes binding names from tables of namespaces, and from no others", () => {
    const config = '[[kv_namespaces]]\nbinding = "ORDERS"\nid = "1"\n\n[[r2_buckets]]\nbinding = "FILES"\n';
    expect(bindingNames(config)).toEqual(["ORDERS"]);
  });

  it("sees bindings of the environment and what is named kv", () => {
    expect(seen("env.ORDERS.get(id);\nthis.kv.delete(id);\nenv.FILES.get(id);\n// kv.get(id)")).toEqual([
      [1, "get", null],
      [2, "delete", null],
    ]);
  });

  it("looks for a time to live on the six lines after a put", () => {
    const far = ["kv.put(", "a,", "b,", "{", "metadata,", "version,", "by,", "expirationTtl: 60 });"];
    expect(seen(far.join("\n"))).toEqual([[1, "put", false]]);
    expect(seen(far.slice(1).toSpliced(0, 1, "kv.put(").join("\n"))).toEqual([[1, "put", true]]);
  });

  it("is blind to generics, aliases and receivers on another line, as its kind is", () => {
    expect(
      seen('kv.get<Order>(id, "json");\nconst cache = env.ORDERS;\ncache.get(id);\nenv.ORDERS\n  .get(id);'),
    ).toEqual([]);
  });
});
