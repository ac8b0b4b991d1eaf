import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SqlError } from "./contract.ts";
import { objectIdFromName } from "./stored-files.ts";
import { bound, read, script, state, testRuntime, type TestRuntime } from "./test-scripts.ts";

let plane: TestRuntime;
beforeAll(async () => {
  plane = await testRuntime();
});
afterAll(() => plane[Symbol.asyncDispose]());

const bytes = (text: string) => new TextEncoder().encode(text).buffer;
const text = (value: ArrayBuffer | undefined) => new TextDecoder().decode(value);

describe("a D1 database", () => {
  it("opens before anything is deployed, and answers each statement by itself", async () => {
    const results = await plane.runtime
      .d1("first")
      .query("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'x;y'), (2, NULL); SELECT a, b, a FROM t;", []);
    expect(results.map(({ columns, rows }) => [columns, rows])).toEqual([
      [[], []],
      [[], []],
      [
        ["a", "b", "a"],
        [
          [1, "x;y", 1],
          [2, null, 2],
        ],
      ],
    ]);
    expect(results[1]?.meta).toMatchObject({ changes: 2, lastRowId: 2, changedDb: true, rowsWritten: 2 });
    expect(results[2]?.meta).toMatchObject({ changedDb: false, rowsRead: 2 });
  });

  it("runs all statements or none", async () => {
    const database = plane.runtime.d1("atomic");
    await database.query("CREATE TABLE t (a)", []);
    await expect(database.query("INSERT INTO t VALUES (1); CREAT TABLE u (a);", [])).rejects.toThrow(
      new SqlError(`near "CREAT": syntax error at offset 0: SQLITE_ERROR`),
    );
    const [count] = await database.query("SELECT count(*) FROM t", []);
    expect(count?.rows).toEqual([[0]]);
  });

  it("binds parameters of every kind", async () => {
    const [result] = await plane.runtime
      .d1("first")
      .query("SELECT ?, ?, ?, ?, typeof(?)", [1.5, "text", null, true, new Uint8Array([1, 2])]);
    expect(result?.rows).toEqual([[1.5, "text", null, 1, "blob"]]);
  });

  it("takes a trigger among other statements", async () => {
    const results = await plane.runtime.d1("triggers").query(
      `CREATE TABLE t (a); CREATE TABLE log (a);
       CREATE TRIGGER t_log AFTER INSERT ON t BEGIN INSERT INTO log VALUES (NEW.a); END;
       INSERT INTO t VALUES (7); SELECT a FROM log;`,
      [],
    );
    expect(results.at(-1)?.rows).toEqual([[7]]);
  });

  it("refuses a string without a statement, and parameters for several", async () => {
    const database = plane.runtime.d1("first");
    await expect(database.query(" -- nothing\n", [])).rejects.toThrow(SqlError);
    await expect(database.query("SELECT ?; SELECT ?", [1])).rejects.toThrow(SqlError);
  });

  it("is empty once it was dropped", async () => {
    const { runtime, directory } = plane;
    await runtime.d1("dropped").query("CREATE TABLE t (a)", []);
    const files = join(directory, "storage", "d1", "miniflare-D1DatabaseObject");
    const file = join(files, `${objectIdFromName("miniflare-D1DatabaseObject", "dropped")}.sqlite`);
    expect(existsSync(file)).toBe(true);
    await runtime.dropD1("dropped");
    expect(existsSync(file)).toBe(false);
  });
});

describe("a KV namespace", () => {
  it("keeps values with metadata and expiry, under any key", async () => {
    const kv = plane.runtime.kv("k");
    const expiration = Math.floor(Date.now() / 1000) + 3600;
    await kv.put("a/ü ?&%", bytes("value"), { expiration, metadata: { é: ["日本"] } });
    const found = await kv.get("a/ü ?&%");
    expect([text(found?.value), found?.metadata, found?.expiration]).toEqual([
      "value",
      { é: ["日本"] },
      expiration,
    ]);
    expect(await kv.list({ prefix: "a/" })).toEqual({
      keys: [{ name: "a/ü ?&%", expiration, metadata: { é: ["日本"] } }],
      cursor: null,
    });
    await kv.delete("a/ü ?&%");
    expect(await kv.get("a/ü ?&%")).toBeNull();
  });

  it("lists by pages", async () => {
    const kv = plane.runtime.kv("pages");
    for (const key of ["a", "b", "c"]) await kv.put(key, "1", {});
    const first = await kv.list({ limit: 2 });
    expect(first.keys.map(({ name }) => name)).toEqual(["a", "b"]);
    const second = await kv.list({ limit: 2, cursor: first.cursor ?? "" });
    expect([second.keys.map(({ name }) => name), second.cursor]).toEqual([["c"], null]);
  });

  it("refuses an expiry that is too near", async () => {
    await expect(plane.runtime.kv("k").put("a", "1", { expirationTtl: 1 })).rejects.toThrow(
      "Expiration TTL must be at least 60",
    );
  });

  it("leaves no files once it was dropped", async () => {
    const { runtime, directory } = plane;
    await runtime.kv("dropped").put("a", "x".repeat(100_000), {});
    await runtime.dropKv("dropped");
    expect(await readdir(join(directory, "storage", "kv"))).not.toContain("dropped");
  });
});

describe("an R2 bucket", () => {
  it("keeps objects with their type", async () => {
    const bucket = plane.runtime.r2("media");
    const put = await bucket.put("o/1", bytes("hello"), { contentType: "text/x" });
    expect(put).toEqual({ etag: "5d41402abc4b2a76b9719d911017c592", size: 5 });
    const found = await bucket.get("o/1");
    expect({ ...found, body: text(found?.body) }).toEqual({ ...put, body: "hello", contentType: "text/x" });
    const { objects, cursor } = await bucket.list({ prefix: "o/" });
    expect([objects, cursor]).toEqual([[{ key: "o/1", ...put, lastModified: expect.any(Number) }], null]);
    await bucket.delete("o/1");
    expect(await bucket.get("o/1")).toBeNull();
  });

  it("keeps an empty object", async () => {
    const bucket = plane.runtime.r2("media");
    await bucket.put("empty", new ArrayBuffer(0), {});
    expect(await bucket.get("empty")).toMatchObject({ size: 0, contentType: null });
  });

  it("is empty once it was dropped, also for a script that binds the name again", async () => {
    const { runtime } = plane;
    const source = `export default { async fetch(request, env) {
      return Response.json((await env.BUCKET.list()).objects.map(({ key }) => key));
    } };`;
    const binding = { type: "r2_bucket", name: "BUCKET", bucket_name: "again" } as const;
    const lister = await script("lister", bound("lister", [binding], source));
    await runtime.apply(state([lister]));
    await runtime.r2("again").put("old", bytes("old"), {});
    expect(await read(lister)).toBe(`["old"]`);
    await runtime.dropR2("again");
    await runtime.r2("again").put("new", bytes("new"), {});
    expect(await read(lister)).toBe(`["new"]`);
  });
});
