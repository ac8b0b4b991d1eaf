import { describe, expect, it } from "vitest";
import type { KvCall } from "../../src/model.ts";
import { compare, comparisonTable, readCorpus } from "./corpus.ts";
import { LabelError, readLabels } from "./label.ts";

const labels = (text: string) => readLabels("src/index.ts", text);

const found = (call: Partial<KvCall>): KvCall => ({
  file: "src/index.ts",
  line: 1,
  column: 1,
  operation: "get",
  bulk: false,
  bindings: ["CACHE"],
  scope: "<module>",
  code: 'env.CACHE.get("a")',
  keys: ["a"],
  ttl: null,
  resolution: [],
  confidence: "high",
  paths: [],
  loops: [],
  ratePerDay: null,
  ignored: null,
  ...call,
});

describe("a label", () => {
  it("names operation, bindings, key and time to live", () => {
    expect(labels('\nkv.put(a, b); // kv: put US,EU key="session:{id}:{device}" ttl=yes')).toEqual([
      {
        file: "src/index.ts",
        line: 2,
        operation: "put",
        bulk: false,
        bindings: ["EU", "US"],
        keys: ["session:{}:{}"],
        ttl: "yes",
      },
    ]);
  });

  it("says by a question mark that only the type is known", () => {
    expect(labels("kv.list() // kv: list ?")).toMatchObject([
      { operation: "list", bindings: [], keys: null, ttl: null },
    ]);
  });

  it("may stand for several calls of a line, and have a key with a semicolon", () => {
    const [first, second] = labels(
      'f(a.get("x;y"), b.get(k)) // kv: get A key="x;y"; get B bulk key="b" key="a"',
    );
    expect(first).toMatchObject({ bindings: ["A"], keys: ["x;y"], bulk: false });
    expect(second).toMatchObject({ bindings: ["B"], keys: ["a", "b"], bulk: true });
  });

  it("may be a block comment, as in JSX", () => {
    expect(labels("<p>{await kv.get(k)}</p> {/* kv: get CACHE */}")).toMatchObject([
      { line: 1, bindings: ["CACHE"] },
    ]);
  });

  it.each([
    ["another operation", "// kv: set CACHE"],
    ["no bindings", "// kv: get"],
    ["a binding that is no name", '// kv: get "CACHE"'],
    ["a put without its verdict", "// kv: put CACHE"],
    ["a verdict that is none", "// kv: put CACHE ttl=maybe"],
    ["a verdict of a read", "// kv: get CACHE ttl=yes"],
    ["two verdicts", "// kv: put CACHE ttl=yes ttl=no"],
    ["an unknown word", "// kv: get CACHE key=a"],
    ["an empty key", '// kv: get CACHE key=""'],
    ["a bulk delete", "// kv: delete CACHE bulk"],
    ["nothing after a semicolon", "// kv: get CACHE;"],
    ["other spacing", "//kv: get CACHE"],
    ["a block comment within a line", "/* kv: get CACHE */ kv.get(k)"],
  ])("is an error with %s", (_, text) => {
    expect(() => labels(text)).toThrow(LabelError);
  });

  it("is not seen in other comments and in code", () => {
    expect(labels("// the kv: see below\nfunction f(kv: KVNamespace) {}")).toEqual([]);
  });
});

describe("a comparison", () => {
  const [label] = labels('env.CACHE.get("a") // kv: get CACHE key="a"');
  const wanted = label === undefined ? [] : [label];

  it("has no faults when all is as labelled", () => {
    expect(compare(wanted, [found({})])).toEqual({
      labelled: 1,
      found: 1,
      hits: 1,
      falsePuts: 0,
      faults: [],
    });
  });

  it("names what was missed and what was made up, and counts false puts", () => {
    const { faults, falsePuts, hits } = compare(wanted, [found({ operation: "put", code: 'm.put("a", 1)' })]);
    expect(faults).toEqual([
      "src/index.ts:1 get: not found",
      'src/index.ts:1 put: found, and not labelled: m.put("a", 1)',
    ]);
    expect([falsePuts, hits]).toEqual([1, 0]);
  });

  it("names what was found and is not as labelled", () => {
    const { faults } = compare(wanted, [found({ bindings: [], keys: ["b"], bulk: true })]);
    expect(faults).toEqual([
      "src/index.ts:1 get: bulk true, labelled false",
      'src/index.ts:1 get: bindings [], labelled ["CACHE"]',
      'src/index.ts:1 get: keys ["b"], labelled ["a"]',
    ]);
  });

  it("asks for every pattern of the key, and not for one that another covers", () => {
    expect(compare(wanted, [found({ keys: ["a", "b"] })]).faults).toHaveLength(1);
    const [open] = labels('env.CACHE.get(k) // kv: get CACHE key="a:{}"');
    const broad = open === undefined ? [] : [open];
    expect(compare(broad, [found({ keys: ["a:", "a:{k}"] })]).faults).toEqual([]);
    expect(compare(broad, [found({ keys: ["a:{k}", "{k}"] })]).faults).toHaveLength(1);
    expect(compare(broad, [found({ keys: ["a:1"] })]).faults).toHaveLength(1);
  });

  it("is a table that ends with the sums", () => {
    const rows = new Map([
      ["alias", compare(wanted, [found({})])],
      ["not-text", compare([], [])],
      ["wrapper", compare(wanted, [])],
    ]);
    expect(comparisonTable(rows)).toBe(
      [
        "shape     labelled  found  recall  precision",
        "alias            1      1   100 %      100 %",
        "not-text         0      0       –          –",
        "wrapper          1      0     0 %          –",
        "3 shapes         2      1    50 %      100 %",
        "",
      ].join("\n"),
    );
  });
});

describe("the corpus", () => {
  const shapes = readCorpus();
  const calls = shapes.flatMap((shape) => shape.calls);

  it("holds at least 150 labelled calls in at least 45 shapes", () => {
    expect(calls.length).toBeGreaterThanOrEqual(150);
    expect(shapes.filter((shape) => shape.calls.length > 0).length).toBeGreaterThanOrEqual(45);
  });

  it("holds at least 20 puts without a time to live, and every operation", () => {
    expect(calls.filter(({ ttl }) => ttl === "no").length).toBeGreaterThanOrEqual(20);
    expect([...new Set(calls.map(({ operation }) => operation))].sort()).toEqual([
      "delete",
      "get",
      "getWithMetadata",
      "list",
      "put",
    ]);
  });

  it("labels calls in every shape that is about finding them", () => {
    const empty = shapes.filter(({ name, calls: own }) => !name.startsWith("not-") && own.length === 0);
    expect(empty.map(({ name }) => name)).toEqual([]);
  });
});
