import path from "node:path";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { topology } from "./infra/topology.ts";
import { placeholderIds, writeConfigs } from "./scripts/lib/render.ts";

const root = import.meta.dirname;
const configs = await writeConfigs(root, "test", topology("local"), placeholderIds());
const TEST_SECRETS = { BOOTSTRAP_API_KEY: "test-api-key", ADMIN_TOKEN: "test-admin-token" };

/** Service bindings of the Workers under test. */
const stub = (name: string, scriptPath: string) => ({
  name,
  modules: true,
  scriptPath: path.join(root, scriptPath),
  compatibilityDate: topology("local").compatibilityDate,
});

/** A hang is found all the same; how long a test takes is a matter of the machine. */
const BOUNDS = { testTimeout: 600_000, hookTimeout: 600_000 };

/** Tests that run on Node; many of them start real programs. */
const nodeProject = (name: string, folder: string) => ({
  test: {
    name,
    include: [`${folder}/**/*.test.ts`],
    // Fixtures are read by tests; some are tests of somebody else.
    exclude: ["**/node_modules/**", "**/fixtures/**"],
    ...BOUNDS,
  },
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
      nodeProject("kv-optimizer", "tools/kv-optimizer"),
      nodeProject("conformance", "archiver/conformance"),
      nodeProject("bench", "bench"),
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
                stub(workers["hub-canary"].name, "worker/test/canary-stub.js"),
                stub(workers.archiver.name, "worker/test/archiver-stub.js"),
              ],
            },
          }),
        ],
        test: { name: "worker", include: ["worker/src/**/*.test.ts"], isolate: false, ...BOUNDS },
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
              workers: [stub(workers["archiver-canary"].name, "archiver/test/canary-stub.js")],
            },
          }),
        ],
        test: {
          name: "archiver",
          include: ["archiver/src/**/*.test.ts"],
          isolate: false,
          ...BOUNDS,
          setupFiles: ["./archiver/test/function-constructor.ts"],
        },
      },
    ],
  },
});
