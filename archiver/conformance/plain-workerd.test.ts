/**
 * The bundle that would be deployed, in workerd as production runs it: code
 * from strings is refused there once the Worker has started, which the test
 * pool allows. Real records go through their whole life.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ArchiverApi, ReadFormat } from "../src/contract.ts";
import { readFile } from "../src/ocf/index.ts";
import { type PlainArchiver, startArchiver } from "./plain-archiver.ts";
import { type DatasetRecords, earthquakes, flights } from "./real-data.ts";

/** Calls the archiver as the hub does, over a service binding. A page's body becomes text or base64. */
const DRIVER = `export default { async fetch(request, env) {
  const { method, argument } = await request.json();
  if (argument?.container !== undefined) {
    argument.container = Uint8Array.fromBase64(argument.container);
  }
  try {
    const result = await env.ARCHIVER[method](...(argument === undefined ? [] : [argument]));
    if (!(result?.body instanceof ReadableStream)) return Response.json({ result });
    const bytes = await new Response(result.body).bytes();
    return Response.json({ result: { ...result, body: bytes.toBase64() } });
  } catch (error) {
    return Response.json({ error: String(error) }, { status: 500 });
  }
} };`;

let archiver: PlainArchiver | undefined;

type Answer<M extends keyof ArchiverApi> = Awaited<ReturnType<ArchiverApi[M]>>;

async function call<M extends keyof ArchiverApi>(method: M, argument?: unknown): Promise<Answer<M>> {
  if (archiver === undefined) throw new Error("the archiver has not started");
  const response = await fetch(archiver.url, { method: "POST", body: JSON.stringify({ method, argument }) });
  const { result, error } = (await response.json()) as { result: Answer<M>; error?: string };
  if (error !== undefined) throw new Error(`${method}: ${error}`);
  return result;
}

const SINCE = Date.parse("2000-01-01T00:00:00Z");
const UNTIL = Date.parse("2030-01-01T00:00:00Z");

async function page(table: string, datasetId: string, format: ReadFormat, limit: number, cursor?: string) {
  const result = await call("read", { datasetId, table, from: SINCE, to: UNTIL, limit, format, cursor });
  if (!result.ok || !result.modified) throw new Error(JSON.stringify(result));
  return { bytes: Buffer.from(String(result.body), "base64"), nextCursor: result.nextCursor };
}

async function readAll(table: string, { datasetId }: DatasetRecords, limit: number) {
  const records: Readonly<Record<string, unknown>>[] = [];
  let cursor: string | undefined;
  do {
    const { bytes, nextCursor } = await page(table, datasetId, "json", limit, cursor);
    records.push(...JSON.parse(bytes.toString()));
    cursor = nextCursor ?? undefined;
  } while (cursor !== undefined);
  return records;
}

const hotRows = (rows: number) =>
  expect.poll(async () => (await call("stats")).hot.rows, { timeout: 30_000 }).toBe(rows);

const texts = (records: readonly unknown[]): readonly string[] =>
  records.map((record) => JSON.stringify(record)).sort();

const networks = (await earthquakes()).slice(0, 3);
const airports = (await flights()).slice(0, 3);
const tenants = [
  ...networks.map((tenant) => ({ table: "earthquakes", tenant })),
  ...airports.map((tenant) => ({ table: "flights", tenant })),
];

async function expectAllReadBack(): Promise<void> {
  for (const { table, tenant } of tenants) {
    const back = await readAll(table, tenant, 777);
    expect(texts(back)).toEqual(texts(tenant.records));
    const times = back.map((record) => Number(record["time"]));
    expect(times).toEqual([...times].sort((a, b) => a - b));
  }
}

describe("the built archiver in plain workerd", () => {
  beforeAll(async () => {
    archiver = await startArchiver(DRIVER);
  });

  afterAll(async () => {
    await archiver?.dispose();
  });

  it("starts and knows its tables", async () => {
    expect(await call("health")).toMatchObject({
      version: { id: "v1", tag: "plain" },
      bindings: { DB: "ok", COLD: "ok", INGEST: "ok" },
      tables: ["earthquakes", "flights"],
    });
  });

  it("takes real records twice under one key, and stores them once", async () => {
    let messages = 0;
    for (const { table, tenant } of tenants) {
      const { datasetId, records } = tenant;
      for (let start = 0; start < records.length; start += 1_000) {
        const request = {
          datasetId,
          table,
          periodTag: `part_${start}`,
          idempotencyKey: `${datasetId}-${start}`,
          records: records.slice(start, start + 1_000),
        };
        const first = await call("ingest", request);
        if (!first.ok) throw new Error(JSON.stringify(first));
        messages += first.messages;
        expect(await call("ingest", request)).toEqual({ ...first, replayed: true });
      }
      await hotRows(messages);
      const run = await call("archive");
      expect(run).toMatchObject({ ran: true, hotRows: messages, remaining: 0 });
      expect(run.spent.d1RowsWritten).toBeGreaterThan(0);
      messages = 0;
    }
    await expectAllReadBack();
  });

  it("merges files, and every record reads back", async () => {
    const merged = await call("compact", { force: true });
    expect(merged).toMatchObject({ ran: true, remaining: 0 });
    expect(merged.filesAfter).toBeLessThan(merged.filesBefore);
    await expectAllReadBack();
  });

  it("answers a container that can be sent in again as it is", async () => {
    const [tenant] = airports;
    if (tenant === undefined) throw new Error("there are no flights");
    const { bytes, nextCursor } = await page("flights", tenant.datasetId, "ocf", 100);
    expect(nextCursor).not.toBeNull();
    const { blocks } = readFile(bytes);
    expect(blocks.reduce((sum, { recordCount }) => sum + recordCount, 0)).toBe(100);

    const container = bytes.toString("base64");
    const taken = await call("ingest", { datasetId: "copy", table: "flights", container });
    expect(taken).toMatchObject({ ok: true, accepted: 100 });
    await hotRows(taken.ok ? taken.messages : 0);
    const copy = await readAll("flights", { datasetId: "copy", records: [] }, 10_000);
    const first = await page("flights", tenant.datasetId, "json", 100);
    expect(texts(copy)).toEqual(texts(JSON.parse(first.bytes.toString())));
  });

  it("erases a tenant and leaves the others as they were", async () => {
    for (const datasetId of ["copy", airports[0]?.datasetId]) {
      const erased = await call("erase", { datasetId });
      expect(erased).toMatchObject({ ok: true, receipt: { datasetId, state: "done", filesLeft: 0 } });
    }
    const { tenant } = tenants.splice(networks.length, 1)[0] ?? {};
    expect(tenant === undefined ? [] : await readAll("flights", tenant, 100)).toEqual([]);
    await expectAllReadBack();
  });

  it("finds nothing wrong with what it has stored, and makes the same index from the bucket", async () => {
    expect(await call("verify", { depth: "full" })).toMatchObject({ ok: true, faults: [], nextCursor: null });
    const before = await call("stats");
    expect(await call("reindex", { step: "scan" })).toMatchObject({ ok: true, faults: [], nextCursor: null });
    expect(await call("reindex", { step: "apply", dryRun: false })).toMatchObject({
      ok: true,
      applied: true,
      files: before.cold.files,
      blocks: before.cold.blocks,
      records: before.cold.records,
      conflicts: [],
    });
    await expectAllReadBack();
  });
});
