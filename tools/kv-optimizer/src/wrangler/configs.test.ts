import { describe, expect, it } from "vitest";
import { type SourceTree, UnreadableError } from "../model.ts";
import { type Content, openMemory } from "../repository/memory.ts";
import { readWorkerConfigs } from "./index.ts";

const read = (files: Readonly<Record<string, Content>>) => readWorkerConfigs(openMemory(files));

const TOML = `
name = "hub"
main = "src/index.ts"

kv_namespaces = [
  { binding = "SESSIONS", id = "1" },
  { binding = "CACHE", id = "2" },
]

[vars]
STAGE = "production"

[[d1_databases]]
binding = "DB"

[[queues.producers]]
binding = "EVENTS"
queue = "events"

[[queues.consumers]]
queue = "events"

[[durable_objects.bindings]]
name = "LOCKS"
class_name = "Locks"

[triggers]
crons = ["*/5 * * * *", "0 3 * * sun"]

[env.canary]
[[env.canary.kv_namespaces]]
binding = "CACHE"
id = "3"

[env.quiet]
name = "hub-at-night"
main = "src/quiet.ts"
triggers = { crons = [] }
`;

describe("readWorkerConfigs", () => {
  it("reads the top level and every environment, which inherits its entry and crons and no bindings", () => {
    expect(read({ "apps/hub/wrangler.toml": TOML })).toEqual({
      configs: [
        {
          file: "apps/hub/wrangler.toml",
          environment: null,
          worker: "hub",
          main: "apps/hub/src/index.ts",
          kvBindings: ["CACHE", "SESSIONS"],
          otherBindings: ["DB", "EVENTS", "LOCKS", "STAGE"],
          crons: ["*/5 * * * *", "0 3 * * sun"],
        },
        {
          file: "apps/hub/wrangler.toml",
          environment: "canary",
          worker: "hub-canary",
          main: "apps/hub/src/index.ts",
          kvBindings: ["CACHE"],
          otherBindings: [],
          crons: ["*/5 * * * *", "0 3 * * sun"],
        },
        {
          file: "apps/hub/wrangler.toml",
          environment: "quiet",
          worker: "hub-at-night",
          main: "apps/hub/src/quiet.ts",
          kvBindings: [],
          otherBindings: [],
          crons: [],
        },
      ],
      unread: [],
    });
  });

  it("reads JSON with comments and trailing commas, and a byte order mark", () => {
    const { configs, unread } = read({
      "wrangler.jsonc":
        '\uFEFF{\n  // The hub\n  "name": "hub",\n  "kv_namespaces": [{ "binding": "CACHE" },],\n}',
    });
    expect(configs).toMatchObject([{ worker: "hub", main: null, kvBindings: ["CACHE"] }]);
    expect(unread).toEqual([]);
  });

  it("knows every kind of binding", () => {
    const named = (name: string) => ({ binding: name });
    const { configs, unread } = read({
      "wrangler.json": JSON.stringify({
        ai: named("AI"),
        analytics_engine_datasets: [named("ANALYTICS")],
        assets: { directory: "public", ...named("ASSETS") },
        browser: named("BROWSER"),
        d1_databases: [named("DB")],
        dispatch_namespaces: [named("DISPATCH")],
        hyperdrive: [named("HYPERDRIVE")],
        images: named("IMAGES"),
        mtls_certificates: [named("MTLS")],
        pipelines: [named("PIPELINE")],
        r2_buckets: [named("BUCKET")],
        ratelimits: [{ name: "LIMITER", namespace_id: "1" }],
        secrets_store_secrets: [named("SECRET")],
        send_email: [{ name: "EMAIL" }],
        services: [named("SERVICE")],
        unsafe: {
          bindings: [
            { name: "PLAIN", type: "plain" },
            { name: "HIDDEN_KV", type: "kv_namespace" },
          ],
        },
        vars: { VAR: 1 },
        vectorize: [named("VECTORS")],
        version_metadata: named("VERSION"),
        wasm_modules: { WASM: "a.wasm" },
        workflows: [named("WORKFLOW")],
        site: { bucket: "public" },
      }),
    });
    expect(unread).toEqual([]);
    expect(configs[0]?.kvBindings).toEqual(["HIDDEN_KV", "__STATIC_CONTENT"]);
    const other =
      "AI ANALYTICS ASSETS BROWSER BUCKET DB DISPATCH EMAIL HYPERDRIVE IMAGES LIMITER MTLS PIPELINE PLAIN SECRET SERVICE VAR VECTORS VERSION WASM WORKFLOW";
    expect(configs[0]?.otherBindings).toEqual(other.split(" "));
  });

  it("lets an environment inherit assets and no variables", () => {
    const { configs } = read({
      "wrangler.json": JSON.stringify({
        assets: { binding: "ASSETS" },
        vars: { A: "1" },
        env: { canary: {} },
      }),
    });
    expect(configs[1]).toMatchObject({ environment: "canary", worker: null, otherBindings: ["ASSETS"] });
  });

  it("reads generated configs that a redirect points to", () => {
    const { configs } = read({
      ".wrangler/deploy/config.json": JSON.stringify({
        configPath: "../../dist/server/wrangler.json",
        auxiliaryWorkers: [{ configPath: "../../dist/cron/config.json" }],
      }),
      "dist/cron/config.json": '{ "name": "cron", "main": "index.js" }',
      "dist/server/wrangler.json": '{ "name": "server", "main": "index.js" }',
    });
    expect(configs.map(({ worker, main }) => [worker, main])).toEqual([
      ["cron", "dist/cron/index.js"],
      ["server", "dist/server/index.js"],
    ]);
  });

  it("uses what it understands of malformed TOML, and tells the lines", () => {
    const { configs, unread } = read({
      "wrangler.toml": 'name = "hub"\nmain = src/index.ts\n[[kv_namespaces]]\nbinding = "CACHE"\nid = \n',
    });
    expect(configs).toMatchObject([{ worker: "hub", main: null, kvBindings: ["CACHE"] }]);
    expect(unread.map(({ why }) => why.split(":")[0])).toEqual(["Line 2", "Line 5"]);
  });

  it("uses what stands before a string that never ends", () => {
    const { configs, unread } = read({
      "wrangler.toml": 'name = "hub"\n[vars]\nA = """\n[[kv_namespaces]]\nbinding = "CACHE"\n',
    });
    expect(configs[0]).toMatchObject({ worker: "hub" });
    expect(unread).not.toEqual([]);
  });

  it("uses what it understands of malformed JSON, and tells the line", () => {
    const { configs, unread } = read({
      "wrangler.json":
        '{\n  "name": "hub"\n  "main": "src/index.ts",\n  "kv_namespaces": [{ "binding": "CACHE" }]',
    });
    expect(configs).toMatchObject([{ worker: "hub", main: "src/index.ts", kvBindings: ["CACHE"] }]);
    expect(unread[0]).toEqual({ file: "wrangler.json", why: "Line 3: comma expected." });
  });

  it("tells settings of the wrong shape, and uses the others", () => {
    const { configs, unread } = read({
      "wrangler.json": JSON.stringify({
        name: 7,
        main: ["src/index.ts"],
        kv_namespaces: [{ id: "1" }, "CACHE", { binding: "KEPT" }],
        d1_databases: { binding: "DB" },
        triggers: { crons: "* * * * *" },
        env: { broken: [], canary: { kv_namespaces: [{}], triggers: { crons: ["0 9 * * 0"] } } },
      }),
    });
    expect(configs[0]).toMatchObject({ worker: null, main: null, kvBindings: ["KEPT"], crons: [] });
    expect(configs).toHaveLength(2);
    expect(unread.map(({ why }) => why)).toEqual([
      "`env.broken` is not a table.",
      "`kv_namespaces[0]` has no `binding`.",
      "`kv_namespaces[1]` has no `binding`.",
      "`d1_databases` is not a list of tables.",
      "`main` is not a path.",
      "`triggers.crons` is not a list.",
      "In `env.canary`: `kv_namespaces[0]` has no `binding`.",
      "In `env.canary`: `main` is not a path.",
      expect.stringContaining('In `env.canary`: Cloudflare does not take the cron expression "0 9 * * 0"'),
    ]);
  });

  it.each(["/etc/passwd", "../../outside.ts", "C:\\outside.ts"])(
    "leaves out the entry %s, outside of the root",
    (main) => {
      const { configs, unread } = read({ "app/wrangler.json": JSON.stringify({ main }) });
      expect(configs).toMatchObject([{ main: null }]);
      expect(unread).toHaveLength(1);
    },
  );

  it.each([
    ["wrangler.json", '{ "a": '],
    ["wrangler.toml", "a = ["],
  ])("survives a %s nested too deeply in %j", (file, open) => {
    const text = `${open}${"[".repeat(200_000)}`;
    const { configs, unread } = read({ [file]: text });
    expect(configs.flatMap(({ kvBindings }) => kvBindings)).toEqual([]);
    expect(unread).not.toEqual([]);
  });

  it.each(["", "null", "[]", "7", '"text"'])("tells a config that is just %j", (text) => {
    const { configs, unread } = read({ "wrangler.json": text });
    expect(configs).toEqual([]);
    expect(unread).toHaveLength(1);
  });

  it("is not misled by names of the language", () => {
    const { configs } = read({
      "wrangler.json":
        '{ "__proto__": { "main": "evil.ts" }, "env": { "__proto__": {}, "constructor": {} } }',
    });
    expect(configs.every(({ kvBindings }) => kvBindings.length === 0)).toBe(true);
  });

  it("tells a config that cannot be read", () => {
    const tree: SourceTree = {
      ...openMemory({ "wrangler.toml": "" }),
      read: () => {
        throw new UnreadableError("It vanished.");
      },
    };
    expect(readWorkerConfigs(tree)).toEqual({
      configs: [],
      unread: [{ file: "wrangler.toml", why: "It vanished." }],
    });
  });
});
