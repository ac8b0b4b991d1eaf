import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { TestApi } from "../../test/harness.ts";

const ROUTE = "/d1/database";
const databaseSchema = z.object({
  uuid: z.uuid(),
  name: z.string(),
  read_replication: z.object({ mode: z.string() }),
  num_tables: z.number(),
});

let api: TestApi;
let id: string;
beforeEach(async () => {
  api = new TestApi();
  id = (await api.result(databaseSchema, "POST", ROUTE, { name: "hub" })).uuid;
});
afterEach(() => api.close());

function query(sql: string) {
  return api.call("POST", `${ROUTE}/${id}/query`, { sql });
}

describe("D1 databases", () => {
  it("are found by id and by name, with the fields that are asked for", async () => {
    expect((await api.call("GET", `${ROUTE}/${id}`)).result).toMatchObject({ name: "hub", file_size: 4096 });
    expect((await api.call("GET", `${ROUTE}/hub?fields=uuid,name`)).result).toEqual({
      uuid: id,
      name: "hub",
    });
  });

  it("change their read replication by PUT and by PATCH", async () => {
    const put = { read_replication: { mode: "auto" } };
    expect(await api.result(databaseSchema, "PUT", `${ROUTE}/${id}`, put)).toMatchObject(put);
    const patch = { read_replication: { mode: "disabled" } };
    expect(await api.result(databaseSchema, "PATCH", `${ROUTE}/${id}`, patch)).toMatchObject(patch);
  });

  it("refuse a name that is taken", async () => {
    expect(await api.refusal("POST", ROUTE, { name: "hub" })).toEqual([400, 7502]);
  });

  it("answer 404 once deleted", async () => {
    await api.call("DELETE", `${ROUTE}/${id}`);
    expect(await api.refusal("GET", `${ROUTE}/${id}`)).toEqual([404, 7404]);
    expect(await api.refusal("POST", `${ROUTE}/${id}/query`, { sql: "select 1" })).toEqual([404, 7404]);
    expect(api.runtime.dropped).toEqual([`d1 ${id}`]);
  });

  it("are listed by page", async () => {
    await api.call("POST", ROUTE, { name: "archive" });
    const answer = await api.call("GET", `${ROUTE}?per_page=1&page=2`);
    expect(answer.result).toMatchObject([{ name: "archive" }]);
    expect(answer.result_info).toMatchObject({ total_count: 2 });
  });
});

describe("SQL over REST", () => {
  it("answers rows as objects, or raw as arrays", async () => {
    const sql = "select 1 as a, 'x' as b; select 2 as c";
    expect((await query(sql)).result).toMatchObject([
      { results: [{ a: 1, b: "x" }], success: true, meta: { served_by_primary: true } },
      { results: [{ c: 2 }] },
    ]);
    const raw = await api.call("POST", `${ROUTE}/${id}/raw`, { sql });
    expect(raw.result).toMatchObject([{ results: { columns: ["a", "b"], rows: [[1, "x"]] } }, {}]);
  });

  it("reports SQLite's own sentence", async () => {
    const answer = await query("selec 1");
    expect([answer.status, answer.errors[0]?.code]).toEqual([400, 7500]);
    expect(answer.errors[0]?.message).toContain('near "selec": syntax error');
  });

  it("joins a batch into one transaction, and refuses one with parameters", async () => {
    const batch = [{ sql: "create table t (a)" }, { sql: "insert into t values (1)" }];
    expect((await api.call("POST", `${ROUTE}/${id}/query`, { batch })).result).toHaveLength(2);
    const withParams = { batch: [{ sql: "insert into t values (?)", params: ["x"] }] };
    expect(await api.refusal("POST", `${ROUTE}/${id}/query`, withParams)).toEqual([501, 501]);
  });
});

describe("an SQL file", () => {
  const initSchema = z.object({ upload_url: z.string(), filename: z.string() });

  async function ingest(sql: string, uploaded = sql): Promise<unknown> {
    const etag = createHash("md5").update(sql).digest("hex");
    const path = `${ROUTE}/${id}/import`;
    const init = await api.result(initSchema, "POST", path, { action: "init", etag });
    await api.app.request(init.upload_url, { method: "PUT", body: uploaded });
    return await api.call("POST", path, { action: "ingest", filename: init.filename, etag });
  }

  it("is announced, uploaded and ingested", async () => {
    expect(await ingest("create table t (a);\ninsert into t values (1);")).toMatchObject({
      result: { success: true, status: "complete", result: { num_queries: 2 } },
    });
    expect((await query("select count(*) as n from t")).result).toMatchObject([{ results: [{ n: 1 }] }]);
  });

  it("leaves nothing behind when one statement is wrong", async () => {
    expect(await ingest("create table t (a);\ninsert into nowhere values (1);")).toMatchObject({
      result: { success: false, status: "error", error: expect.stringContaining("nowhere") },
    });
    expect((await query("select count(*) as n from sqlite_master")).result).toMatchObject([
      { results: [{ n: 0 }] },
    ]);
  });

  it("is refused when what was uploaded is not what was announced", async () => {
    expect(await ingest("select 1;", "select 2;")).toMatchObject({ status: 400, errors: [{ code: 7400 }] });
  });
});
