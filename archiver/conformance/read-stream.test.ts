/** Pages over RPC between two Workers in plain workerd: the test pool runs both ends in one. */
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { ArchiverApi, IngestRequest, ReadRequest } from "../src/contract.ts";
import { readFile } from "../src/ocf/index.ts";
import { type PlainArchiver, startArchiver } from "./plain-archiver.ts";

/** How the driver reads the body of a page. */
interface Reading {
  /** ms between two chunks. */
  readonly pause?: number;
  /** Chunks after which it has enough. */
  readonly chunks?: number;
}

const DRIVER = `export default { async fetch(request, env) {
  const { method, argument, reading } = await request.json();
  const result = await env.ARCHIVER[method](...(argument === undefined ? [] : [argument]));
  if (result.body === undefined) return Response.json(result);
  const { body, ...page } = result;
  const headers = { page: JSON.stringify(page) };
  if (reading === undefined) return new Response(body, { headers });
  const reader = body.getReader();
  const parts = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    if (parts.length === reading.chunks) {
      await reader.cancel("enough");
      break;
    }
    if (reading.pause !== undefined) await scheduler.wait(reading.pause);
  }
  return new Response(new Blob(parts), { headers });
} };`;

let archiver: PlainArchiver | undefined;

async function post(message: unknown): Promise<Response> {
  if (archiver === undefined) throw new Error("the archiver has not started");
  return fetch(archiver.url, { method: "POST", body: JSON.stringify(message) });
}

async function call<M extends "stats" | "ingest" | "archive">(
  method: M,
  argument?: IngestRequest,
): Promise<Awaited<ReturnType<ArchiverApi[M]>>> {
  const response = await post({ method, argument });
  return (await response.json()) as Awaited<ReturnType<ArchiverApi[M]>>;
}

const SINCE = Date.parse("2026-01-01T00:00:00Z");
const RECORDS = Array.from({ length: 10_000 }, (_, n) => ({
  time: SINCE + n * 1_000,
  delay: n % 90,
  distance: n % 4_000,
  origin: "LAS",
  destination: `OAK ${n}`,
}));
const REQUEST: ReadRequest = {
  datasetId: "LAS",
  table: "flights",
  from: SINCE,
  to: SINCE + 86_400_000,
  limit: 10_000,
  format: "json",
};

async function read(request: Partial<ReadRequest>, reading?: Reading): Promise<Uint8Array> {
  const response = await post({ method: "read", argument: { ...REQUEST, ...request }, reading });
  return new Uint8Array(await response.arrayBuffer());
}

const parsed = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes));

beforeAll(async () => {
  archiver = await startArchiver(DRIVER);
  let messages = 0;
  for (let start = 0; start < RECORDS.length; start += 2_500) {
    const records = RECORDS.slice(start, start + 2_500);
    const result = await call("ingest", { datasetId: "LAS", table: "flights", records });
    messages += result.ok ? result.messages : 0;
  }
  await vi.waitUntil(async () => (await call("stats")).hot.rows === messages, { timeout: 30_000 });
  await call("archive");
});

afterAll(async () => {
  await archiver?.dispose();
});

describe("a page between two Workers", () => {
  it("arrives whole in each format", async () => {
    expect(parsed(await read({ format: "json" }))).toEqual(RECORDS);
    const lines = new TextDecoder().decode(await read({ format: "ndjson" })).split("\n");
    expect(lines).toEqual([...RECORDS.map((record) => JSON.stringify(record)), ""]);
    const { blocks } = readFile(await read({ format: "ocf" }));
    expect(blocks.reduce((sum, { recordCount }) => sum + recordCount, 0)).toBe(RECORDS.length);
  });

  it("waits for a slow reader", async () => {
    expect(parsed(await read({}, { pause: 2 }))).toEqual(RECORDS);
  });

  it("may be left in the middle", async () => {
    for (let repetition = 0; repetition < 20; repetition += 1) {
      expect((await read({}, { chunks: 2 })).length).toBeGreaterThan(0);
    }
    expect(parsed(await read({ limit: 1 }))).toEqual(RECORDS.slice(0, 1));
  });
});
