import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { type LocalCloud, startLocalCloud } from "../src/index.ts";
import { temporaryDirectory } from "./harness.ts";
import { Wrangler } from "./wrangler.ts";

const directory = temporaryDirectory();
let cloud: LocalCloud;
let wrangler: Wrangler;

beforeAll(async () => {
  cloud = await startLocalCloud({ directory: join(directory.path, "cloud") });
  wrangler = new Wrangler(join(directory.path, "project"), cloud.environment);
});
afterAll(async () => {
  await cloud.stop();
  directory[Symbol.dispose]();
});

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/;

describe("real wrangler", () => {
  it("knows who it is", async () => {
    expect(await wrangler.run(["whoami"])).toContain(cloud.accountId);
  });

  it("says so when the token is wrong", async () => {
    const run = await wrangler.attempt(["kv", "namespace", "list"], {
      env: { CLOUDFLARE_API_TOKEN: "wrong" },
    });
    expect(run.code).not.toBe(0);
    expect(run.stderr + run.stdout).toContain("Invalid access token [code: 9109]");
  });

  it("names what the local cloud does not implement", async () => {
    const run = await wrangler.attempt(["vectorize", "list"]);
    expect(run.code).not.toBe(0);
    expect(run.stderr + run.stdout).toMatch(
      /the local cloud does not implement GET .*vectorize.* \[code: 501\]/,
    );
  });

  it("creates, lists and deletes KV namespaces, and puts and gets keys", async () => {
    const created = await wrangler.run(["kv", "namespace", "create", "cache"]);
    const id = /"id": "([0-9a-f]{32})"/.exec(created)?.[1] ?? "";
    expect(await wrangler.json(["kv", "namespace", "list"])).toMatchObject([{ id, title: "cache" }]);
    const on = ["--namespace-id", id, "--remote"];
    await wrangler.run(["kv", "key", "put", "a/b", "value", "--metadata", '{"m":1}', ...on]);
    expect(await wrangler.run(["kv", "key", "get", "a/b", ...on])).toBe("value");
    expect(await wrangler.json(["kv", "key", "list", ...on])).toEqual([{ name: "a/b", metadata: { m: 1 } }]);
    await wrangler.run(["kv", "namespace", "delete", "--namespace-id", id, "-y"]);
    expect(await wrangler.json(["kv", "namespace", "list"])).toEqual([]);
  });

  it("creates, lists and deletes R2 buckets with lifecycle rules and objects", async () => {
    await wrangler.run(["r2", "bucket", "create", "cold"]);
    expect(await wrangler.run(["r2", "bucket", "list"])).toContain("cold");
    await wrangler.run([
      "r2",
      "bucket",
      "lifecycle",
      "add",
      "cold",
      "r1",
      "logs/",
      "--expire-days",
      "7",
      "-y",
    ]);
    expect(await wrangler.run(["r2", "bucket", "lifecycle", "list", "cold"])).toMatch(
      /r1[^]*logs\/[^]*Expire objects after 7 days/,
    );
    wrangler.write("object.txt", "body");
    await wrangler.run(["r2", "object", "put", "cold/a/b.txt", "--file", "object.txt", "--remote"]);
    expect(await wrangler.run(["r2", "object", "get", "cold/a/b.txt", "--pipe", "--remote"])).toBe("body");
    const refused = await wrangler.attempt(["r2", "bucket", "delete", "cold"]);
    expect(refused.stderr + refused.stdout).toContain("[code: 10008]");
    await wrangler.run(["r2", "object", "delete", "cold/a/b.txt", "--remote"]);
    await wrangler.run(["r2", "bucket", "delete", "cold"]);
  });

  it("creates, lists and deletes queues", async () => {
    await wrangler.run(["queues", "create", "jobs"]);
    expect(await wrangler.run(["queues", "list"])).toContain("jobs");
    await wrangler.run(["queues", "delete", "jobs"]);
    expect(await wrangler.run(["queues", "list"])).not.toContain("jobs");
  });
});

describe("real wrangler on a D1 database", () => {
  const rows = z.array(z.object({ results: z.array(z.record(z.string(), z.unknown())) }));
  const query = async (sql: string) =>
    rows.parse(await wrangler.json(["d1", "execute", "hub", "--remote", "--json", "--command", sql]));

  beforeAll(async () => {
    const id = uuid.exec(await wrangler.run(["d1", "create", "hub"]))?.[0] ?? "";
    wrangler.write("wrangler.json", {
      name: "hub",
      d1_databases: [{ binding: "DB", database_name: "hub", database_id: id, migrations_dir: "migrations" }],
    });
  });

  it("finds it in the list, and a name that is taken is refused", async () => {
    expect(await wrangler.json(["d1", "list", "--json"])).toMatchObject([{ name: "hub" }]);
    const taken = await wrangler.attempt(["d1", "create", "hub"]);
    expect(taken.stderr + taken.stdout).toContain("already exists");
  });

  it("applies migrations, and a broken one leaves nothing behind", async () => {
    wrangler.write("migrations/0001_spots.sql", "CREATE TABLE spots (id INTEGER PRIMARY KEY, name TEXT);");
    await wrangler.run(["d1", "migrations", "apply", "hub", "--remote"]);
    wrangler.write(
      "migrations/0002_broken.sql",
      "CREATE TABLE half (id INTEGER);\nCREATE TABEL oops (id INTEGER);",
    );
    const broken = await wrangler.attempt(["d1", "migrations", "apply", "hub", "--remote"]);
    expect(broken.code).not.toBe(0);
    expect(broken.stderr + broken.stdout).toMatch(/near "TABEL": syntax error[^]*7500/);
    const [tables, applied] = await query(
      "SELECT name FROM sqlite_master WHERE name IN ('spots', 'half'); SELECT name FROM d1_migrations",
    );
    expect(tables?.results).toEqual([{ name: "spots" }]);
    expect(applied?.results).toEqual([{ name: "0001_spots.sql" }]);
  });

  it("runs files, whole or not at all", async () => {
    wrangler.write("seed.sql", "INSERT INTO spots VALUES (1, 'a');\nINSERT INTO spots VALUES (2, 'b');");
    await wrangler.run(["d1", "execute", "hub", "--remote", "--file", "seed.sql", "-y"]);
    wrangler.write("wrong.sql", "INSERT INTO spots VALUES (3, 'c');\nINSERT INTO nowhere VALUES (1);");
    const wrong = await wrangler.attempt(["d1", "execute", "hub", "--remote", "--file", "wrong.sql", "-y"]);
    expect(wrong.code).not.toBe(0);
    expect((await query("SELECT count(*) AS n FROM spots"))[0]?.results).toEqual([{ n: 2 }]);
  });

  it("gives a bookmark, and deletes it", async () => {
    expect(await wrangler.run(["d1", "time-travel", "info", "hub"])).toMatch(/bookmark/);
    await wrangler.run(["d1", "delete", "hub", "-y"]);
    const gone = await wrangler.attempt(["d1", "execute", "hub", "--remote", "--command", "select 1"]);
    expect(gone.stderr + gone.stdout).toContain("[code: 7404]");
  });
});
