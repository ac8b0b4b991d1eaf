/** The bundle that would be deployed, in workerd as production runs it, behind a Worker of the test's own. */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";

const ROOT = path.join(import.meta.dirname, "../..");
const CONFIG = path.join(ROOT, ".wrangler/deploy/test/archiver.json");

interface WorkerConfig {
  readonly compatibility_date: string;
  readonly compatibility_flags: readonly string[];
  readonly vars: Readonly<Record<string, string>>;
}

async function bundle(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "strata-archiver-"));
  try {
    const wrangler = path.join(ROOT, "node_modules/wrangler/bin/wrangler.js");
    await promisify(execFile)(
      process.execPath,
      [wrangler, "deploy", "--dry-run", "--outdir", folder, "--config", CONFIG],
      { cwd: ROOT, env: { ...process.env, WRANGLER_SEND_METRICS: "false", CI: "1" } },
    );
    return await readFile(path.join(folder, "index.js"), "utf8");
  } finally {
    await rm(folder, { recursive: true });
  }
}

interface Database {
  prepare(sql: string): { run(): Promise<unknown> };
}

async function migrate(database: Database): Promise<void> {
  const migrations = path.join(ROOT, "migrations/archive");
  for (const name of (await readdir(migrations)).filter((file) => file.endsWith(".sql")).sort()) {
    const sql = await readFile(path.join(migrations, name), "utf8");
    for (const statement of sql.split("--> statement-breakpoint")) await database.prepare(statement).run();
  }
}

export interface PlainArchiver {
  /** Where the driver answers. */
  readonly url: URL;
  readonly dispose: () => Promise<void>;
}

/**
 * Starts the archiver and a driver that has it as `env.ARCHIVER`.
 * @param driver source of a module Worker
 */
export async function startArchiver(driver: string): Promise<PlainArchiver> {
  const [script, config] = await Promise.all([
    bundle(),
    readFile(CONFIG, "utf8").then((text): WorkerConfig => JSON.parse(text)),
  ]);
  const compatibility = {
    compatibilityDate: config.compatibility_date,
    compatibilityFlags: [...config.compatibility_flags],
  };
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: "127.0.0.1",
      port: 0,
      workers: [
        {
          name: "driver",
          modules: true,
          script: driver,
          ...compatibility,
          serviceBindings: { ARCHIVER: { name: "archiver", entrypoint: "ArchiveService" } },
        },
        {
          name: "archiver",
          modules: true,
          script,
          ...compatibility,
          d1Databases: { DB: "archive" },
          r2Buckets: { COLD: "cold" },
          queueProducers: { INGEST: "ingest", DEAD_LETTERS: "ingest-dlq" },
          queueConsumers: { ingest: { maxBatchSize: 100, maxBatchTimeout: 0, maxRetries: 5 } },
          bindings: {
            ...config.vars,
            ADMIN_TOKEN: "plain-workerd-token",
            VERSION: { id: "v1", tag: "plain", timestamp: "" },
          },
        },
      ],
    }),
  );
  const url = await miniflare.ready;
  await migrate(await miniflare.getD1Database("DB", "archiver"));
  return { url, dispose: () => miniflare.dispose() };
}
