import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { temporaryDirectory } from "../../test/harness.ts";
import { Wrangler } from "../../test/wrangler.ts";
import { type LocalCloud, startLocalCloud } from "../index.ts";

/** Referred to before it exists, in a cycle, with all that SQLite can hold in a column. */
const SCHEMA = `
CREATE TABLE places (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  owner TEXT REFERENCES owners (name),
  body BLOB, note TEXT, lat REAL, anything,
  twice REAL AS (lat * 2) STORED
);
CREATE TABLE owners (name TEXT PRIMARY KEY, home INTEGER REFERENCES places (id), CHECK (name <> '')) WITHOUT ROWID;
CREATE TABLE "odd ""name"" 'table" ("a b" INTEGER, "select" ANY, "ü;" TEXT DEFAULT 'x;y') STRICT;
CREATE TABLE log (line TEXT);
CREATE UNIQUE INDEX owner_home ON owners (home) WHERE home IS NOT NULL;
CREATE VIEW homes AS SELECT o.name, p.lat FROM owners o JOIN places p ON p.id = o.home; -- a view
CREATE TRIGGER places_log AFTER INSERT ON places BEGIN
  INSERT INTO log VALUES ('new; ' || NEW.id);
END;
CREATE TRIGGER homes_insert INSTEAD OF INSERT ON homes BEGIN INSERT INTO log VALUES (NEW.name); END;
PRAGMA defer_foreign_keys = TRUE;
INSERT INTO places (id, owner, body, note, lat, anything) VALUES
  (1, 'ann', X'00ff27', 'it''s; "quoted"' || char(10) || char(13) || '\\n -- no comment', 1.0, 1.0),
  (2, NULL, X'', '', -0.1, 9007199254740993),
  (-3, 'ann', zeroblob(3), 'a' || char(0) || 'b', 9e999, -9e999),
  (9007199254740993, NULL, NULL, '日本語 é 👩‍🚀', 1e300, CAST(X'ff41' AS TEXT));
DELETE FROM places WHERE id = 2;
INSERT INTO owners VALUES ('ann', 1);
INSERT INTO "odd ""name"" 'table" VALUES (1, X'01', 'é'), (2, 'text', 'x;y'), (3, 2.0, NULL);
`;

const directory = temporaryDirectory();
let cloud: LocalCloud;
let wrangler: Wrangler;
const ids = new Map<string, string>();

beforeAll(async () => {
  cloud = await startLocalCloud({ directory: join(directory.path, "cloud") });
  wrangler = new Wrangler(join(directory.path, "project"), cloud.environment);
  await create("full", "copy", "empty", "search", "rows");
  await sql("full", SCHEMA);
});
afterAll(async () => {
  await cloud.stop();
  directory[Symbol.dispose]();
});

async function api(method: string, path: string, body: unknown): Promise<unknown> {
  const response = await fetch(`${cloud.apiUrl}/accounts/${cloud.accountId}${path}`, {
    method,
    headers: { authorization: `Bearer ${cloud.apiToken}` },
    body: JSON.stringify(body),
  });
  const envelope = z.object({ errors: z.array(z.unknown()), result: z.unknown() });
  const { errors, result } = envelope.parse(await response.json());
  if (errors.length > 0) throw new Error(JSON.stringify(errors));
  return result;
}

async function create(...names: readonly string[]): Promise<void> {
  for (const name of names) {
    const { uuid } = z.object({ uuid: z.string() }).parse(await api("POST", "/d1/database", { name }));
    ids.set(name, uuid);
  }
  wrangler.write("wrangler.json", {
    name: "hub",
    d1_databases: [...ids].map(([name, id]) => ({ binding: name, database_name: name, database_id: id })),
  });
}

const resultsSchema = z.array(z.object({ results: z.object({ rows: z.array(z.array(z.unknown())) }) }));

async function sql(name: string, statements: string, params: readonly unknown[] = []): Promise<unknown[][]> {
  const path = `/d1/database/${ids.get(name)}/raw`;
  return resultsSchema
    .parse(await api("POST", path, { sql: statements, params }))
    .flatMap(({ results }) => results.rows);
}

/** Everything in a database that SQL can see, byte by byte. */
async function content(name: string): Promise<unknown> {
  const cells = (columns: readonly string[]) =>
    columns.map((column) => `typeof(${column}), hex(${column})`).join(", ");
  const places = ["id", "owner", "body", "note", "CAST(lat AS TEXT)", "anything", "twice"];
  return await sql(
    name,
    `SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE '\\_cf%' ESCAPE '\\' ORDER BY name;
     SELECT ${cells(places)} FROM places ORDER BY id;
     SELECT ${cells(["name", "home"])} FROM owners ORDER BY name;
     SELECT ${cells(['"a b"', '"select"', '"ü;"'])} FROM "odd ""name"" 'table" ORDER BY 1, 2;
     SELECT line FROM log; SELECT * FROM homes; SELECT name, CAST(seq AS TEXT) FROM sqlite_sequence`,
  );
}

const exportSchema = z.object({
  success: z.boolean(),
  status: z.string(),
  at_bookmark: z.string().optional(),
  error: z.string().optional(),
  result: z.object({ filename: z.string(), signed_url: z.string() }).optional(),
});

async function exported(name: string, options: Record<string, unknown> = {}) {
  const path = `/d1/database/${ids.get(name)}/export`;
  const body = { output_format: "polling", dump_options: options };
  return exportSchema.parse(await api("POST", path, body));
}

async function dump(name: string, options: Record<string, unknown> = {}): Promise<string> {
  const { result } = await exported(name, options);
  return await (await fetch(result?.signed_url ?? "")).text();
}

describe("a D1 export by real wrangler", () => {
  it("loads into an empty database by d1 execute --file, and nothing differs", async () => {
    await wrangler.run(["d1", "export", "full", "--remote", "--output", "full.sql", "-y"]);
    await wrangler.run(["d1", "execute", "copy", "--remote", "--file", "full.sql", "-y"]);
    expect(await content("copy")).toEqual(await content("full"));
    // What the copy does from now on is what the original would do.
    await sql("copy", "INSERT INTO places (note) SELECT 'next' FROM homes");
    expect((await sql("copy", "SELECT count(*) FROM log"))[0]).toEqual([5]);
    await expect(sql("copy", "INSERT INTO owners VALUES ('bob', 4)")).rejects.toThrow(/FOREIGN KEY/);
  });

  it("holds the schema only, or the rows only, on demand", async () => {
    const output = join(directory.path, "project", "part.sql");
    await wrangler.run(["d1", "export", "full", "--remote", "--output", "part.sql", "--no-data", "-y"]);
    expect(readFileSync(output, "utf8")).not.toContain('INSERT INTO "');
    await wrangler.run(["d1", "execute", "rows", "--remote", "--file", "part.sql", "-y"]);
    expect((await sql("rows", "SELECT count(*) FROM places"))[0]).toEqual([0]);
    await sql("rows", "DROP TRIGGER places_log");
    await wrangler.run(["d1", "export", "full", "--remote", "--output", "part.sql", "--no-schema", "-y"]);
    expect(readFileSync(output, "utf8")).not.toContain("CREATE");
    await wrangler.run(["d1", "execute", "rows", "--remote", "--file", "part.sql", "-y"]);
    expect(await sql("rows", "SELECT count(*) FROM places")).toEqual(
      await sql("full", "SELECT count(*) FROM places"),
    );
  });

  it("of tables holds those, and what belongs to them", async () => {
    const text = await dump("full", { tables: ["owners"] });
    expect(text).toContain("CREATE TABLE owners");
    expect(text).toContain("owner_home");
    expect(text).not.toMatch(/CREATE TABLE places|CREATE VIEW|CREATE TRIGGER|sqlite_sequence/);
  });
});

describe("a D1 export", () => {
  it("of an empty database loads, too", async () => {
    expect(await dump("empty")).toBe("PRAGMA defer_foreign_keys=TRUE;\n");
  });

  it("keeps every statement below D1's limit, however long a value is", async () => {
    await create("long", "long-copy");
    const bytes = Array.from({ length: 150_000 }, (_, i) => (i * 7) % 256);
    await sql(
      "long",
      "CREATE TABLE logs (id INTEGER PRIMARY KEY, body BLOB NOT NULL, note TEXT CHECK (length(note) > 90000))",
    );
    await sql("long", "INSERT INTO logs (body, note) VALUES (?, ?)", [bytes, "é".repeat(95_000)]);
    const text = await dump("long");
    const longest = Math.max(...text.split("\n").map((line) => Buffer.byteLength(line)));
    expect(longest).toBeLessThan(100_000);
    wrangler.write("long.sql", text);
    await wrangler.run(["d1", "execute", "long-copy", "--remote", "--file", "long.sql", "-y"]);
    const all = "SELECT hex(body), note FROM logs; SELECT name FROM sqlite_schema ORDER BY name";
    expect(await sql("long-copy", all)).toEqual(await sql("long", all));
  });

  it("is the database at its bookmark, whatever happens before it is read", async () => {
    await create("moving");
    await sql("moving", "CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    const { result, at_bookmark } = await exported("moving");
    await sql("moving", "INSERT INTO t VALUES (2)");
    const text = await (await fetch(result?.signed_url ?? "")).text();
    expect(text.match(/INSERT/g)).toHaveLength(1);
    await api("POST", `/d1/database/${ids.get("moving")}/time_travel/restore?bookmark=${at_bookmark}`, {});
    expect(await sql("moving", "SELECT a FROM t")).toEqual([[1]]);
  });

  it("refuses virtual tables, as D1 does, and tables that are not there", async () => {
    await sql("search", "CREATE VIRTUAL TABLE words USING fts5 (word); CREATE TABLE plain (a)");
    expect(await exported("search")).toMatchObject({
      success: false,
      error: expect.stringContaining("cannot export databases with Virtual Tables (fts5)"),
    });
    expect(await dump("search", { tables: ["plain"] })).not.toContain("words");
    expect(await exported("search", { tables: ["words_data"] })).toMatchObject({ success: false });
    expect(await exported("search", { tables: ["nowhere"] })).toMatchObject({
      success: false,
      error: "no such table: nowhere",
    });
    const run = await wrangler.attempt(["d1", "export", "search", "--remote", "--output", "s.sql", "-y"]);
    expect(run.code).not.toBe(0);
    expect(run.stderr + run.stdout).toContain("Virtual Tables");
  });

  it("has an address that cannot be guessed", async () => {
    const { result } = await exported("full");
    expect(new URL(result?.signed_url ?? "").hostname).toBe("127.0.0.1");
    expect(result?.filename).toMatch(/^[0-9a-f]{48}\.sql$/);
    const other = new URL("0".repeat(48), result?.signed_url);
    expect((await fetch(other)).status).toBe(404);
  });
});
