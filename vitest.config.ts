import path from "node:path";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { topology } from "./infra/topology.ts";
import { placeholderIds, writeConfigs } from "./scripts/lib/render.ts";

const root = import.meta.dirname;
const configs = await writeConfigs(root, "test", topology("local"), placeholderIds());
const TEST_SECRETS = { BOOTSTRAP_API_KEY: "test-api-key", ADMIN_TOKEN: "test-admin-token" };

/** Service bindings of the hub under test: each answers what the test puts in its place. */
const stub = (name: string, script: string) => ({
  name,
  modules: true,
  script,
  compatibilityDate: topology("local").compatibilityDate,
});

const CANARY_STUB = `export default { fetch(request) {
  const url = new URL(request.url);
  const status = Number(url.searchParams.get("canary-status") ?? 200);
  return Response.json({ lane: "canary", path: url.pathname }, { status });
} };`;

const ARCHIVER_STUB = `import { WorkerEntrypoint } from "cloudflare:workers";
export default { fetch: () => new Response("archiver") };
export class ArchiveService extends WorkerEntrypoint {
  ingest(request) {
    if (request.table === "down") return { ok: false, reason: "queue-unavailable", retryAfterSeconds: 5 };
    if (request.table !== "flights") return { ok: false, reason: "unknown-table", tables: ["flights"] };
    const faults = request.records.flatMap((record, index) =>
      typeof record?.delay === "number" ? [] : [{ path: "/records/" + index + "/delay", message: "must be an int" }]);
    if (faults.length > 0) return { ok: false, reason: "invalid", faults, faultCount: faults.length };
    return { ok: true, accepted: request.records.length, messages: 1, bytes: 10 };
  }
  read(request) {
    if (request.table !== "flights") return { ok: false, reason: "unknown-table", tables: ["flights"] };
    return { ok: true, records: [{ time: request.from, delay: 1 }], nextCursor: null, hot: 1, cold: 0, rangeReads: 0 };
  }
  archive() { return { ran: true, files: 1, blocks: 1, records: 1, hotRows: 1, coldBytes: 100, remaining: 0 }; }
  stats() { return { hot: { rows: 0, records: 0, bytes: 0 }, cold: { files: 0, blocks: 0, records: 0, bytes: 0 } }; }
  health() { return { version: { id: "v", tag: "t" }, bindings: { DB: "ok" }, tables: ["flights"] }; }
  tables() { return ["flights"]; }
}`;

/** Tests that run on Node; many of them start real programs, hence the bound. */
const nodeProject = (name: string, folder: string) => ({
  test: { name, include: [`${folder}/**/*.test.ts`], testTimeout: 120_000, hookTimeout: 120_000 },
});

const { workers } = topology("local");

export default defineConfig({
  test: {
    // Most of the time goes to programs that the tests start: one file a processor, none left idle.
    maxWorkers: "100%",
    projects: [
      nodeProject("infra", "infra"),
      nodeProject("scripts", "scripts"),
      nodeProject("localcloud", "tools/localcloud"),
      nodeProject("conformance", "archiver/conformance"),
      {
        plugins: [
          cloudflareTest({
            main: workers.hub.main,
            wrangler: { configPath: configs.hub },
            miniflare: {
              bindings: {
                ...TEST_SECRETS,
                TEST_MIGRATIONS: await readD1Migrations(path.join(root, "migrations/hub")),
              },
              workers: [
                stub(workers["hub-canary"].name, CANARY_STUB),
                stub(workers.archiver.name, ARCHIVER_STUB),
              ],
            },
          }),
        ],
        test: { name: "worker", include: ["worker/src/**/*.test.ts"], isolate: false },
      },
      {
        plugins: [
          cloudflareTest({
            main: workers.archiver.main,
            wrangler: { configPath: configs.archiver },
            miniflare: {
              bindings: {
                ADMIN_TOKEN: TEST_SECRETS.ADMIN_TOKEN,
                TEST_MIGRATIONS: await readD1Migrations(path.join(root, "migrations/archive")),
              },
            },
          }),
        ],
        test: {
          name: "archiver",
          include: ["archiver/src/**/*.test.ts"],
          isolate: false,
          setupFiles: ["./archiver/test/function-constructor.ts"],
        },
      },
    ],
  },
});
