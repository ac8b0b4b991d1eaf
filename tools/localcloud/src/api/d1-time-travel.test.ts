import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { temporaryDirectory, uploadForm } from "../../test/harness.ts";
import { Wrangler } from "../../test/wrangler.ts";
import { type LocalCloud, startLocalCloud } from "../index.ts";

/** Counts the rows of a table; `/add` adds one before. */
const CODE = `export default { async fetch(request, env) {
  const { pathname } = new URL(request.url);
  if (pathname === "/add") await env.DB.prepare("INSERT INTO spots (name) VALUES ('worker')").run();
  const rows = await env.DB.prepare("SELECT count(*) AS n FROM spots").first("n");
  return new Response(String(rows));
} };`;

const directory = temporaryDirectory();
const home = join(directory.path, "cloud");
let cloud: LocalCloud;
let wrangler: Wrangler;
let databaseId: string;

beforeAll(async () => {
  cloud = await startLocalCloud({ directory: home });
  wrangler = new Wrangler(join(directory.path, "project"), cloud.environment);
  databaseId = z.object({ uuid: z.string() }).parse(await api("POST", "/d1/database", { name: "hub" })).uuid;
  wrangler.write("wrangler.json", {
    name: "hub",
    d1_databases: [{ binding: "DB", database_name: "hub", database_id: databaseId }],
  });
  const metadata = { bindings: [{ type: "d1", name: "DB", id: databaseId }] };
  await api("PUT", "/workers/scripts/hub", uploadForm({ code: CODE, metadata }));
  await api("POST", "/workers/scripts/hub/subdomain", { enabled: true });
});
afterAll(async () => {
  await cloud.stop();
  directory[Symbol.dispose]();
});

interface Answer {
  readonly status: number;
  readonly errors: readonly { readonly code: number; readonly message: string }[];
  readonly result: unknown;
}

async function attempt(method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(`${cloud.apiUrl}/accounts/${cloud.accountId}${path}`, {
    method,
    headers: { authorization: `Bearer ${cloud.apiToken}` },
    ...(body === undefined ? {} : { body: body instanceof FormData ? body : JSON.stringify(body) }),
  });
  const envelope = z.object({
    errors: z.array(z.object({ code: z.number(), message: z.string() })),
    result: z.unknown(),
  });
  return { status: response.status, ...envelope.parse(await response.json()) };
}

async function api(method: string, path: string, body?: unknown): Promise<unknown> {
  const { status, errors, result } = await attempt(method, path, body);
  if (status !== 200) throw new Error(`${method} ${path}: ${JSON.stringify(errors)}`);
  return result;
}

const travel = (call: string) => `/d1/database/${databaseId}/time_travel/${call}`;

async function sql(statements: string): Promise<unknown> {
  const schema = z.array(z.object({ results: z.object({ rows: z.array(z.array(z.unknown())) }) }));
  const results = schema.parse(await api("POST", `/d1/database/${databaseId}/raw`, { sql: statements }));
  return results.at(-1)?.results.rows;
}

const bookmarkSchema = z.object({ bookmark: z.string() });
const restoredSchema = bookmarkSchema.extend({ previous_bookmark: z.string(), message: z.string() });

async function bookmark(query = ""): Promise<string> {
  return bookmarkSchema.parse(await api("GET", travel(`bookmark${query}`))).bookmark;
}

const restore = async (query: string) => restoredSchema.parse(await api("POST", travel(`restore?${query}`)));
const visit = async (path: string) => (await fetch(`${cloud.scriptUrl("hub")}${path}`)).text();

describe("Time Travel", () => {
  it("brings schema and rows back, for Workers too, and its undo brings them forth again", async () => {
    await sql(
      "CREATE TABLE spots (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO spots (name) VALUES ('a')",
    );
    const before = await bookmark();
    await sql("ALTER TABLE spots ADD COLUMN lat REAL; CREATE INDEX by_name ON spots (name)");
    expect(await visit("/add")).toBe("2");

    const { previous_bookmark: undo } = await restore(`bookmark=${before}`);
    expect(await visit("/")).toBe("1");
    expect(await sql("SELECT name FROM pragma_table_info('spots')")).toEqual([["id"], ["name"]]);
    expect(await visit("/add")).toBe("2");

    await restore(`bookmark=${undo}`);
    expect(await sql("SELECT name, lat FROM spots")).toEqual([
      ["a", null],
      ["worker", null],
    ]);
    expect(await sql("SELECT name FROM sqlite_schema WHERE type = 'index'")).toEqual([["by_name"]]);
  });

  it("gives the same bookmark while nothing changes, and a later one after a change", async () => {
    const first = await bookmark();
    expect(await bookmark()).toBe(first);
    await visit("/add");
    expect((await bookmark()) > first).toBe(true);
  });

  it("takes the last bookmark made at a timestamp or before", async () => {
    const early = await bookmark();
    const between = new Date().toISOString();
    await visit("/add");
    const late = await bookmark();
    expect(late).not.toBe(early);
    expect(await bookmark(`?timestamp=${between}`)).toBe(early);
    expect((await restore(`timestamp=${between}`)).bookmark).toBe(early);
    expect(await bookmark(`?timestamp=${new Date().toISOString()}`)).not.toBe(late);
    const never = await attempt("GET", travel("bookmark?timestamp=2020-01-01T00:00:00Z"));
    expect([never.status, never.errors[0]?.code]).toEqual([400, 7400]);
    expect(never.errors[0]?.message).toContain("No bookmark");
  });

  it("refuses what it does not know, and leaves the database as it is", async () => {
    const rows = await visit("/");
    const strange = "00000000-00000000-00000000-0123456789abcdef0123456789abcdef";
    for (const query of [`bookmark=${strange}`, "bookmark=..%2F..%2Fx", "timestamp=soon", ""]) {
      const refused = await attempt("POST", travel(`restore?${query}`));
      expect([query, refused.status, refused.errors[0]?.code]).toEqual([query, 400, 7400]);
    }
    const both = await attempt("POST", travel(`restore?bookmark=${strange}&timestamp=2026-01-01T00:00:00Z`));
    expect(both.errors[0]?.message).toContain("not both");
    expect(await visit("/")).toBe(rows);
  });

  it("loses no request of steady traffic, and no write is half there", async () => {
    const start = await bookmark();
    const failed: string[] = [];
    const stopped = new AbortController();
    const askers = Array.from({ length: 4 }, async () => {
      while (!stopped.signal.aborted) {
        const response = await fetch(`${cloud.scriptUrl("hub")}/add`);
        if (!response.ok) failed.push(await response.text());
        else await response.text();
      }
    });
    for (let round = 0; round < 5; round++) await restore(`bookmark=${start}`);
    stopped.abort();
    await Promise.all(askers);
    expect(failed).toEqual([]);
    await restore(`bookmark=${start}`);
    expect(await bookmark()).toSatisfy((now: string) => now.endsWith(start.slice(-32)));
  });

  it("still knows its bookmarks after a restart", async () => {
    const before = await bookmark();
    const rows = await visit("/");
    await visit("/add");
    await cloud.stop();
    cloud = await startLocalCloud({ directory: home });
    await restore(`bookmark=${before}`);
    expect(await visit("/")).toBe(rows);
  });

  it("forgets the bookmarks of a deleted database", async () => {
    const { uuid } = z
      .object({ uuid: z.string() })
      .parse(await api("POST", "/d1/database", { name: "short" }));
    const path = `/d1/database/${uuid}`;
    await api("GET", `${path}/time_travel/bookmark`);
    await api("DELETE", path);
    expect((await attempt("GET", `${path}/time_travel/bookmark`)).status).toBe(404);
  });

  it("serves real wrangler's time-travel info and restore", async () => {
    const rows = await visit("/");
    const info = bookmarkSchema.parse(await wrangler.json(["d1", "time-travel", "info", "hub", "--json"]));
    await visit("/add");
    const restored = restoredSchema.parse(
      await wrangler.json(["d1", "time-travel", "restore", "hub", "--bookmark", info.bookmark, "--json"]),
    );
    expect(restored.bookmark).toBe(info.bookmark);
    expect(await visit("/")).toBe(rows);
    const unknown = await wrangler.attempt([
      "d1",
      "time-travel",
      "restore",
      "hub",
      `--bookmark=${info.bookmark.replace(/^0+/, "f".repeat(5))}`,
      "--json",
    ]);
    expect(unknown.code).not.toBe(0);
    expect(unknown.stderr + unknown.stdout).toMatch(/is not known for this database[^]*7400/);
  });
});
