import { request } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ACCOUNT, TestApi, TOKEN, uploadForm } from "../../test/harness.ts";
import { type Listening, listen } from "../server.ts";
import { type FaultRule, Faults } from "./faults.ts";
import { connections, createApi } from "./app.ts";

const UPLOAD = `/accounts/${ACCOUNT}/workers/scripts/hub`;

function meetings(rules: readonly FaultRule[], calls: readonly string[]): (number | undefined)[] {
  const faults = new Faults();
  faults.set(rules);
  return calls.map((call) => {
    const [method = "", path = ""] = call.split(" ");
    return faults.meet(method, path)?.status;
  });
}

function mistakes(rules: unknown): string {
  try {
    new Faults().set(rules as FaultRule[]);
    return "";
  } catch (error) {
    return String(error);
  }
}

describe("a rule", () => {
  const fail = { status: 500 };

  it("fits its path and all below, or the whole path by a pattern", () => {
    const calls = ["GET /accounts/a/queues", "GET /accounts/a/queues/1", "GET /accounts/a/queuesque"];
    expect(meetings([{ match: { path: "/accounts/a/queues" }, effect: fail }], calls)).toEqual([
      500,
      500,
      undefined,
    ]);
    expect(meetings([{ match: { path: "/accounts/*/queues" }, effect: fail }], calls)).toEqual([
      500,
      undefined,
      undefined,
    ]);
    expect(meetings([{ match: { path: "**/queues**" }, effect: fail }], calls)).toEqual([500, 500, 500]);
  });

  it("fits its method only, when it names one", () => {
    const rules = [{ match: { method: "post", path: "/a" }, effect: fail }];
    expect(meetings(rules, ["GET /a", "POST /a"])).toEqual([undefined, 500]);
  });

  it("takes the n-th call, as often as it says", () => {
    const calls = ["GET /a", "GET /b", "GET /a", "GET /a", "GET /a"];
    const match = { path: "/a" };
    expect(meetings([{ match, effect: fail, on: { call: 2 } }], calls)).toEqual([
      undefined,
      undefined,
      500,
      undefined,
      undefined,
    ]);
    expect(meetings([{ match, effect: fail, on: { call: 2 }, times: 2 }], calls).slice(2)).toEqual([
      500,
      500,
      undefined,
    ]);
    expect(meetings([{ match, effect: fail, times: 1 }], calls)[2]).toBeUndefined();
  });

  it("yields to an earlier one, and still counts the call", () => {
    const rules: FaultRule[] = [
      { match: { path: "/a" }, effect: { status: 429 }, on: { call: 1 } },
      { match: { path: "/a" }, effect: { status: 500 }, on: { call: 2 } },
      { match: { path: "/a" }, effect: { status: 503 }, on: { call: 2 } },
    ];
    expect(meetings(rules, ["GET /a", "GET /a", "GET /a"])).toEqual([429, 500, undefined]);
  });

  it("with a probability takes that share of the calls, the same ones with the same seed", () => {
    const calls = Array.from({ length: 1000 }, () => "GET /a");
    const draw = (seed: number) =>
      meetings([{ match: { path: "/a" }, effect: fail, probability: 0.3, seed }], calls);
    const hits = draw(7).filter((status) => status !== undefined).length;
    expect(hits).toBeGreaterThan(250);
    expect(hits).toBeLessThan(350);
    expect(draw(7)).toEqual(draw(7));
    expect(draw(8)).not.toEqual(draw(7));
  });
});

describe("a list of rules with mistakes", () => {
  it("is refused with every mistake and its path", () => {
    const text = mistakes([
      { match: { path: "a" }, effect: { status: 200 } },
      { match: { path: "/a" }, effect: { drop: "after", cut: 1 }, on: { call: 0 } },
      { match: { path: "/a" }, effect: {}, probability: 2, colour: "red" },
      { id: "rule-1", match: { path: "/a" }, effect: { latencyMs: 1, message: "x", cutIn: "answer" } },
    ]);
    for (const part of ["path", "status", "drop and cut exclude", "call", "colour", "probability"]) {
      expect(text).toContain(part);
    }
    expect(mistakes([{ match: { path: "/a" }, effect: {} }])).toContain("one of status, latencyMs");
    const twice = [1, 2].map(() => ({ id: "x", match: { path: "/a" }, effect: { status: 500 } }));
    expect(mistakes(twice)).toContain("'x' twice");
    const lonely = mistakes([{ match: { path: "/a" }, effect: { latencyMs: 1, message: "x" } }]);
    expect(lonely).toContain("goes with status only");
  });
});

describe("the API with faults, over HTTP", () => {
  let api: TestApi;
  let faults: Faults;
  let server: Listening;
  let base: string;
  beforeEach(async () => {
    api = new TestApi();
    const shared = connections(api.control);
    ({ faults } = shared);
    server = await listen(createApi(api.control, shared), shared, "127.0.0.1", 0);
    base = `http://127.0.0.1:${server.port}`;
  });
  afterEach(async () => {
    await server.close(0);
    api.close();
  });

  function call(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${base}/client/v4${path}`, { ...init, headers: { authorization: `Bearer ${TOKEN}` } });
  }
  const createDatabase = (name: string) =>
    call(`/accounts/${ACCOUNT}/d1/database`, { method: "POST", body: JSON.stringify({ name }) });
  const databases = () => api.control.store.d1.list().map(({ name }) => name);

  it("takes rules over HTTP, lists them with their hits and forgets them", async () => {
    const rules = [{ id: "slow down", match: { path: "/user" }, effect: { status: 429, code: 971 } }];
    const put = await fetch(`${base}/__faults`, { method: "PUT", body: JSON.stringify(rules) });
    expect(put.status).toBe(200);
    expect((await call("/user")).status).toBe(429);
    const listed = { id: "slow down", match: { path: "/user" }, matched: 1, hits: 1 };
    expect(await (await fetch(`${base}/__faults`)).json()).toMatchObject([listed]);
    expect(await (await fetch(`${base}/__local/faults`)).json()).toMatchObject([listed]);
    await fetch(`${base}/__faults`, { method: "DELETE" });
    expect((await call("/user")).status).toBe(200);
    expect(faults.list()).toEqual([]);
  });

  it("refuses a bad list with every mistake, and keeps the rules in force", async () => {
    faults.set([{ match: { path: "/user" }, effect: { status: 503 } }]);
    const bad = [{ match: {}, effect: { status: 1 } }, { effect: { cut: -1 } }];
    const response = await fetch(`${base}/__faults`, { method: "PUT", body: JSON.stringify(bad) });
    expect(response.status).toBe(400);
    const text = await response.text();
    for (const part of ["0.match.path", "0.effect.status", "1.match", "1.effect.cut"]) {
      expect(text).toContain(part);
    }
    expect((await call("/user")).status).toBe(503);
  });

  it("is closed to pages of other origins", async () => {
    const init = { method: "PUT", body: "[]", headers: { origin: "https://example.com" } };
    expect((await fetch(`${base}/__faults`, init)).status).toBe(403);
  });

  it("answers a status in Cloudflare's envelope, with headers, and does nothing", async () => {
    faults.set([
      {
        match: { method: "POST", path: "/accounts/*/d1/database" },
        effect: { status: 429, code: 971, message: "slow down", headers: { "retry-after": "2" } },
        times: 1,
      },
    ]);
    const refused = await createDatabase("one");
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "2"]);
    expect(await refused.json()).toEqual({
      success: false,
      errors: [{ code: 971, message: "slow down" }],
      messages: [],
      result: null,
    });
    expect(databases()).toEqual([]);
    expect((await createDatabase("one")).status).toBe(200);
    expect(databases()).toEqual(["one"]);
  });

  it("waits before it answers, also with a status", async () => {
    faults.set([{ match: { path: "/user" }, effect: { latencyMs: 120, status: 500 } }]);
    const before = performance.now();
    expect((await call("/user")).status).toBe(500);
    expect(performance.now() - before).toBeGreaterThanOrEqual(119);
  });

  it("does not do what a client gave up while it waited", async () => {
    faults.set([{ match: { path: "**" }, effect: { latencyMs: 60_000 } }]);
    const gaveUp = call(`/accounts/${ACCOUNT}/d1/database`, {
      method: "POST",
      body: '{"name":"late"}',
      signal: AbortSignal.timeout(50),
    });
    await expect(gaveUp).rejects.toThrow("timeout");
    faults.clear();
    await createDatabase("next");
    expect(databases()).toEqual(["next"]);
  });

  it("drops a call before it is done", async () => {
    faults.set([{ match: { path: "**/d1/database" }, effect: { drop: "before" } }]);
    await expect(createDatabase("lost")).rejects.toThrow("fetch failed");
    expect(databases()).toEqual([]);
  });

  it("drops the answer of a call that was done", async () => {
    faults.set([{ match: { path: "**/d1/database" }, effect: { drop: "after" } }]);
    await expect(createDatabase("done")).rejects.toThrow("fetch failed");
    expect(databases()).toEqual(["done"]);
  });

  it("cuts an upload after so many bytes, and keeps nothing of it", async () => {
    faults.set([{ match: { method: "PUT", path: "**/scripts/hub" }, effect: { cut: 100_000 } }]);
    const form = uploadForm({ code: `// ${"x".repeat(900_000)}\nexport default {}` });
    await expect(call(UPLOAD, { method: "PUT", body: form })).rejects.toThrow("fetch failed");
    expect(faults.hits()).toEqual([{ id: "rule-1", matched: 1, hits: 1 }]);
    expect(api.control.store.scripts.get("hub")).toBeNull();
  });

  it("hangs up in the middle of what the client still sends", async () => {
    faults.set([{ match: { path: "**/scripts/hub" }, effect: { cut: 10 } }]);
    const sent = await new Promise<string>((resolve) => {
      const upload = request(`${base}/client/v4${UPLOAD}`, {
        method: "PUT",
        headers: { "content-length": 1e6 },
      });
      upload.on("error", (error) => resolve(error.message));
      upload.write("x".repeat(20));
    });
    expect(sent).toMatch(/socket hang up|ECONNRESET/);
  });

  it("cuts an answer after so many bytes", async () => {
    faults.set([{ match: { path: "/user" }, effect: { cut: 12, cutIn: "answer" } }]);
    const answer = await call("/user");
    expect(answer.status).toBe(200);
    const read: Uint8Array[] = [];
    const reading = async (): Promise<void> => {
      for await (const chunk of answer.body ?? []) read.push(chunk);
    };
    await expect(reading()).rejects.toThrow("terminated");
    expect(Buffer.concat(read).toString()).toBe('{"success":t');
  });

  it("never makes the local cloud's own calls fail", async () => {
    faults.set([{ match: { path: "**" }, effect: { drop: "before" } }]);
    expect((await fetch(`${base}/__local/health`)).status).toBe(200);
    expect((await fetch(`${base}/__faults`)).status).toBe(200);
    await expect(fetch(`${base}/__local/d1-import/none`, { method: "PUT", body: "x" })).rejects.toThrow(
      "fetch failed",
    );
  });
});
