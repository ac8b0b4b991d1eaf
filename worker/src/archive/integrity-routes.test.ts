import { describe, expect, it } from "vitest";
import { asAdmin, captureLogs, faultPaths, json, problemOf, testHub } from "../../test/hub.ts";
import type { ArchiverApi, ReindexRequest, VerifyRequest } from "../../../archiver/src/contract.ts";
import type { Env } from "../env.generated.ts";

captureLogs();

const post = (path: string, body: unknown) => testHub().fetch(path, json(body, asAdmin));

describe("POST /admin/archive/verify", () => {
  it("says what was checked and what is not as it should be, page by page", async () => {
    const response = await post("/admin/archive/verify", { depth: "full" });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      files: 1,
      blocks: 1,
      records: 1,
      bytes: 100,
      faults: [{ check: "sync-marker", subject: "flights/1.avro", detail: "is another one" }],
      faultCount: 1,
      nextCursor: "more",
    });
  });

  it("hands on depth and cursor", async () => {
    const seen: VerifyRequest[] = [];
    const api: Partial<ArchiverApi> = {
      verify: (request) => {
        seen.push(request);
        return Promise.resolve({ ok: false, reason: "invalid", faults: [], faultCount: 0 });
      },
    };
    const hub = testHub({ ARCHIVER: api as Env["ARCHIVER"] });
    await hub.fetch("/admin/archive/verify", json({ depth: "index", cursor: "more" }, asAdmin));
    expect(seen).toEqual([{ depth: "index", cursor: "more" }]);
  });

  it("refuses what it does not know, also what only the archiver knows", async () => {
    const faulty = await post("/admin/archive/verify", { depth: "deep", cursor: "", force: true });
    expect(await faultPaths(faulty)).toEqual(["/depth", "/cursor", "/force"]);
    expect(await faultPaths(await post("/admin/archive/verify", {}))).toEqual(["/depth"]);
    const cursor = await post("/admin/archive/verify", { depth: "index", cursor: "bad" });
    expect([cursor.status, await faultPaths(cursor)]).toEqual([422, ["/cursor"]]);
  });
});

describe("POST /admin/archive/reindex", () => {
  it("scans page by page", async () => {
    const response = await post("/admin/archive/reindex", { step: "scan", cursor: "here" });
    expect(await response.json()).toEqual({ step: "scan", objects: 1, faults: [], nextCursor: "here" });
  });

  it("puts the new index in place, or only says what it would be", async () => {
    for (const dryRun of [true, false]) {
      const response = await post("/admin/archive/reindex", { step: "apply", dryRun });
      expect(await response.json()).toEqual({
        step: "apply",
        applied: !dryRun,
        files: 1,
        blocks: 1,
        records: 1,
        now: { files: 2, blocks: 2, records: 3 },
        lost: { files: 1, records: 2 },
        superseded: [],
        conflicts: [],
      });
    }
  });

  it("refuses a step that it does not know, and what does not belong to a step", async () => {
    const paths = async (body: unknown) => await faultPaths(await post("/admin/archive/reindex", body));
    expect(await paths({})).toEqual(["/step"]);
    expect(await paths({ step: "rebuild" })).toEqual(["/step"]);
    expect(await paths({ step: "apply" })).toEqual(["/dryRun"]);
    expect(await paths({ step: "apply", dryRun: true, cursor: "here" })).toEqual(["/cursor"]);
    expect(await paths({ step: "scan", dryRun: true })).toEqual(["/dryRun"]);
    expect(await paths([])).toEqual([""]);
  });

  it("answers 409 with Retry-After while another run works on the archive", async () => {
    const seen: ReindexRequest[] = [];
    const api: Partial<ArchiverApi> = {
      reindex: (request) => {
        seen.push(request);
        return Promise.resolve({ ok: false, reason: "archive-busy", retryAfterSeconds: 30 });
      },
    };
    const hub = testHub({ ARCHIVER: api as Env["ARCHIVER"] });
    const response = await hub.fetch("/admin/archive/reindex", json({ step: "scan" }, asAdmin));
    expect([response.status, response.headers.get("retry-after")]).toEqual([409, "30"]);
    expect((await problemOf(response)).type).toBe("urn:strata:problem:archive-busy");
    expect(seen).toEqual([{ step: "scan" }]);
  });
});

describe("GET /admin/archive/file", () => {
  const file = (query: string) => testHub().fetch(`/admin/archive/file?${query}`, { headers: asAdmin });

  it("says what one file holds", async () => {
    const response = await file("key=flights/2026_11_22/1-2-0123456789ab.avro");
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      key: "flights/2026_11_22/1-2-0123456789ab.avro",
      size: 100,
      headerSize: 60,
      codec: "deflate",
      fingerprint: "ab",
      schema: "{}",
      metadata: { "avro.codec": "deflate" },
      records: 1,
      blocks: [{ start: 60, length: 40, records: 1, datasetId: null }],
    });
  });

  it("answers 404 for an object that there is not", async () => {
    const problem = await problemOf(await file("key=flights/none"));
    expect([problem.status, problem.type]).toEqual([404, "urn:strata:problem:unknown-file"]);
    expect(problem.detail).toContain('"flights/none"');
  });

  it("answers 422 for an object that is none, and says what is wrong with it", async () => {
    const problem = await problemOf(await file("key=notes.txt"));
    expect([problem.status, problem.type, problem.detail]).toEqual([
      422,
      "urn:strata:problem:not-an-archive-file",
      "notes.txt does not begin as an Avro file does",
    ]);
  });

  it("needs one key", async () => {
    for (const query of ["", "key=", "key=a&key=b", `key=${"x".repeat(1_025)}`]) {
      expect(await faultPaths(await file(query))).toEqual(["/key"]);
    }
    expect(await faultPaths(await file("key=a.avro&depth=full"))).toEqual(["/depth"]);
  });
});
