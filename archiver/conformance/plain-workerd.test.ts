/**
 * The bundle that would be deployed, in workerd as production runs it: code
 * from strings is refused there once the Worker has started, which the test
 * pool allows.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type {
  ArchiveRunResult,
  ArchiveStats,
  ArchiverApi,
  ArchiverHealth,
  IngestResult,
  ReadResult,
} from "../src/contract.ts";
import { earthquakes, flights } from "./real-data.ts";

const ROOT = path.join(import.meta.dirname, "../..");
const CONFIG = path.join(ROOT, ".wrangler/deploy/test/archiver.json");
const ADMIN_TOKEN = "plain-workerd-token";

/** Calls the archiver as the hub does, over a service binding. */
const DRIVER = `export default { async fetch(request, env) {
  const { method, argument } = await request.json();
  try {
    const result = await env.ARCHIVER[method](...(argument === undefined ? [] : [argument]));
    return Response.json({ result });
  } catch (error) {
    return Response.json({ error: String(error) }, { status: 500 });
  }
} };`;

interface WorkerConfig {
  readonly compatibility_date: string;
  readonly compatibility_flags: readonly string[];
}

let folder = "";
let miniflare: Miniflare | undefined;
let url = new URL("http://127.0.0.1");

interface Results {
  ingest: IngestResult;
  read: ReadResult;
  archive: ArchiveRunResult;
  stats: ArchiveStats;
  health: ArchiverHealth;
}

async function call<M extends keyof Results>(
  method: M,
  argument?: Parameters<ArchiverApi[M]>[0],
): Promise<Results[M]> {
  const response = await fetch(url, { method: "POST", body: JSON.stringify({ method, argument }) });
  const { result, error } = (await response.json()) as { result: Results[M]; error?: string };
  if (error !== undefined) throw new Error(`${method}: ${error}`);
  return result;
}

async function bundle(): Promise<string> {
  folder = await mkdtemp(path.join(tmpdir(), "strata-archiver-"));
  const wrangler = path.join(ROOT, "node_modules/wrangler/bin/wrangler.js");
  await promisify(execFile)(
    process.execPath,
    [wrangler, "deploy", "--dry-run", "--outdir", folder, "--config", CONFIG],
    {
      cwd: ROOT,
      env: { ...process.env, WRANGLER_SEND_METRICS: "false", CI: "1" },
    },
  );
  return readFile(path.join(folder, "index.js"), "utf8");
}

async function migrate(database: D1DatabaseLike): Promise<void> {
  const migrations = path.join(ROOT, "migrations/archive");
  for (const name of (await readdir(migrations)).filter((file) => file.endsWith(".sql")).sort()) {
    const sql = await readFile(path.join(migrations, name), "utf8");
    for (const statement of sql.split("--> statement-breakpoint")) await database.prepare(statement).run();
  }
}

interface D1DatabaseLike {
  prepare(sql: string): { run(): Promise<unknown> };
}

beforeAll(async () => {
  const [script, config] = await Promise.all([
    bundle(),
    readFile(CONFIG, "utf8").then((text): WorkerConfig => JSON.parse(text)),
  ]);
  const compatibility = {
    compatibilityDate: config.compatibility_date,
    compatibilityFlags: [...config.compatibility_flags],
  };
  miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: "127.0.0.1",
      port: 0,
      workers: [
        {
          name: "driver",
          modules: true,
          script: DRIVER,
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
          queueProducers: { INGEST: "ingest" },
          queueConsumers: { ingest: { maxBatchSize: 100, maxBatchTimeout: 0, maxRetries: 5 } },
          bindings: { ADMIN_TOKEN, ENVIRONMENT: "local", VERSION: { id: "v1", tag: "plain", timestamp: "" } },
        },
      ],
    }),
  );
  url = await miniflare.ready;
  await migrate(await miniflare.getD1Database("DB", "archiver"));
});

afterAll(async () => {
  await miniflare?.dispose();
  if (folder !== "") await rm(folder, { recursive: true });
});

const SINCE = Date.parse("2000-01-01T00:00:00Z");
const UNTIL = Date.parse("2030-01-01T00:00:00Z");

async function hotRows(rows: number): Promise<void> {
  await expect.poll(async () => (await call("stats")).hot.rows, { timeout: 30_000 }).toBe(rows);
}

async function readAll(datasetId: string, table: string, limit: number): Promise<readonly unknown[]> {
  const records: unknown[] = [];
  let cursor: string | undefined;
  do {
    const page = await call("read", { datasetId, table, from: SINCE, to: UNTIL, limit, cursor });
    if (!page.ok) throw new Error(JSON.stringify(page));
    records.push(...page.records);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return records;
}

const inTimeOrder = (records: readonly Readonly<Record<string, unknown>>[]): readonly unknown[] =>
  [...records].sort((a, b) => Number(a["time"]) - Number(b["time"]));

describe("the built archiver in plain workerd", () => {
  it("starts and knows its tables", async () => {
    expect(await call("health")).toEqual({
      version: { id: "v1", tag: "plain" },
      bindings: { DB: "ok", COLD: "ok", INGEST: "ok" },
      tables: ["earthquakes", "flights"],
    });
  });

  it("moves real records from ingest over the queue and hot storage to cold storage and back", async () => {
    const networks = (await earthquakes()).slice(0, 3);
    const airports = (await flights()).slice(0, 3);
    let messages = 0;
    for (const { datasetId, records } of networks) {
      const result = await call("ingest", { datasetId, table: "earthquakes", periodTag: "2018_02", records });
      expect(result).toMatchObject({ ok: true, accepted: records.length });
      messages += result.ok ? result.messages : 0;
    }
    for (const { datasetId, records } of airports) {
      const result = await call("ingest", { datasetId, table: "flights", records });
      expect(result).toMatchObject({ ok: true, accepted: records.length });
      messages += result.ok ? result.messages : 0;
    }
    await hotRows(messages);
    const hot = await readAll(airports[0]?.datasetId ?? "", "flights", 100);

    const run = await call("archive");
    expect(run).toMatchObject({ ran: true, hotRows: messages, remaining: 0 });
    expect((await call("stats")).hot.rows).toBe(0);

    expect(await readAll(airports[0]?.datasetId ?? "", "flights", 100)).toEqual(hot);
    for (const { datasetId, records } of networks) {
      const back = await readAll(datasetId, "earthquakes", 500);
      expect(back.length).toBe(records.length);
      expect(new Set(back.map((record) => JSON.stringify(record)))).toEqual(
        new Set(records.map((record) => JSON.stringify(record))),
      );
    }
    for (const { datasetId, records } of airports) {
      const back = await readAll(datasetId, "flights", 77);
      expect(back.map((record) => JSON.stringify(record)).sort()).toEqual(
        inTimeOrder(records)
          .map((record) => JSON.stringify(record))
          .sort(),
      );
    }
  });
});
