import { describe, expect, it } from "vitest";
import { asAdmin, captureLogs, faultPaths, json, problemOf, testHub } from "../../test/hub.ts";
import type { ArchiverApi, CompactionRequest, CompactionResult } from "../../../archiver/src/contract.ts";
import type { Env } from "../env.generated.ts";
import { MAX_OPERATION_BYTES } from "./bounds.ts";

captureLogs();

const post = (path: string, init: RequestInit = {}) =>
  testHub().fetch(path, { method: "POST", headers: asAdmin, ...init });

describe("every operation of the archive", () => {
  const OPERATIONS = [
    ["POST", "/admin/archive/run"],
    ["POST", "/admin/archive/compact"],
    ["POST", "/admin/archive/retain"],
    ["POST", "/admin/archive/verify"],
    ["POST", "/admin/archive/reindex"],
    ["GET", "/admin/archive/stats"],
    ["GET", "/admin/archive/file"],
    ["GET", "/admin/dead-letters"],
    ["POST", "/admin/dead-letters/replay"],
    ["POST", "/admin/dead-letters/purge"],
    ["DELETE", "/admin/datasets/airport:ATL"],
    ["GET", "/admin/erasures"],
  ] as const;

  it.each(OPERATIONS)("is for the admin token only: %s %s", async (method, path) => {
    expect((await testHub().fetch(path, { method })).status).toBe(401);
  });

  it.each(OPERATIONS)("says that its answer may not be kept: %s %s", async (method, path) => {
    const { headers } = await testHub().fetch(path, { method, headers: asAdmin });
    expect(headers.get("cache-control")).toBe("no-store");
  });

  it("answers 503 when the archiver cannot be reached", async () => {
    const ARCHIVER = { archive: () => Promise.reject(new Error("gone")) } as unknown as Env["ARCHIVER"];
    const response = await testHub({ ARCHIVER }).fetch("/admin/archive/run", {
      method: "POST",
      headers: asAdmin,
    });
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "5"]);
  });

  it("takes a body of a bounded size", async () => {
    const body = JSON.stringify({ ids: Array.from({ length: MAX_OPERATION_BYTES / 2 }, () => 1) });
    const response = await post("/admin/dead-letters/purge", json(body, asAdmin));
    expect(await problemOf(response)).toMatchObject({ status: 413, max_bytes: MAX_OPERATION_BYTES });
  });
});

describe("POST /admin/archive/run", () => {
  it("says what was moved and what it took", async () => {
    const response = await post("/admin/archive/run");
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      ran: true,
      files: 1,
      blocks: 1,
      records: 1,
      hotRows: 1,
      coldBytes: 100,
      remaining: 0,
      spent: {
        d1Queries: 3,
        d1RowsRead: 20,
        d1RowsWritten: 10,
        r2ClassA: 1,
        r2ClassB: 0,
        r2BytesRead: 0,
        r2BytesWritten: 100,
        compressedBytes: 400,
        decompressedBytes: 0,
      },
    });
  });
});

describe("POST /admin/archive/compact", () => {
  it("merges, and says how many files and bytes there were and are", async () => {
    const response = await post("/admin/archive/compact", json({ force: true }, asAdmin));
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      ran: true,
      merges: 1,
      filesBefore: 3,
      filesAfter: 1,
      bytesBefore: 300,
      bytesAfter: 200,
    });
  });

  it("answers 200 also when it did not run, and says so", async () => {
    const response = await post("/admin/archive/compact");
    expect([response.status, (await response.json<CompactionResult>()).ran]).toEqual([200, false]);
  });

  it("needs no body", async () => {
    const seen: CompactionRequest[] = [];
    const api: Partial<ArchiverApi> = {
      compact: (request) => {
        seen.push(request);
        return Promise.reject(new Error("not of interest"));
      },
    };
    const hub = testHub({ ARCHIVER: api as Env["ARCHIVER"] });
    for (const init of [{ method: "POST", headers: asAdmin }, json({}, asAdmin)]) {
      await hub.fetch("/admin/archive/compact", init);
    }
    expect(seen).toEqual([{}, {}]);
  });

  it("refuses a body that it does not know", async () => {
    const faulty = await post("/admin/archive/compact", json({ force: "yes", forse: true }, asAdmin));
    expect(await faultPaths(faulty)).toEqual(["/force", "/forse"]);
    const text = await post("/admin/archive/compact", {
      body: '{"force":true}',
      headers: { ...asAdmin, "content-type": "text/plain" },
    });
    expect(text.status).toBe(415);
  });
});

describe("POST /admin/archive/retain", () => {
  it("says what was cleared away", async () => {
    const response = await post("/admin/archive/retain");
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      ran: true,
      expiredFiles: 1,
      replacedFiles: 2,
      deletedBytes: 300,
      forgotten: 4,
    });
  });
});

describe("GET /admin/archive/stats", () => {
  it("says what is hot and what is cold", async () => {
    const response = await testHub().fetch("/admin/archive/stats", { headers: asAdmin });
    expect(await response.json()).toEqual({
      hot: { rows: 0, records: 0, bytes: 0 },
      cold: { files: 0, blocks: 0, records: 0, bytes: 0 },
      replaced: { files: 0, bytes: 0 },
      lost: { files: 0, records: 0 },
      deadLetters: 0,
    });
  });
});
