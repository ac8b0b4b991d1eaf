import { applyD1Migrations, reset, runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  asAdmin,
  canaryHub,
  captureLogs,
  faultPaths,
  json,
  problemOf,
  testHub,
  type TestHub,
} from "../../test/hub.ts";
import { ACTOR_HEADER, type RolloutCommandName, type RolloutState } from "./contract.ts";
import { rolloutObject } from "./object/index.ts";
import { startRequest } from "./object/test-world.ts";

captureLogs();

const WEBHOOK = { name: "load", url: "https://gates.example/load" };

let hub: TestHub;
const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  hub.fetch(`/admin/rollout${path}`, json(body, { ...asAdmin, ...headers }));
const get = (path = "") => hub.fetch(`/admin/rollout${path}`, { headers: asAdmin });
const stateOf = async (response: Promise<Response> | Response) => await (await response).json<RolloutState>();

async function start(): Promise<string> {
  return (await stateOf(post("/start", startRequest()))).id ?? "";
}

async function startAndBegin(): Promise<string> {
  const id = await start();
  await post(`/${id}/begin`, {});
  return id;
}

const refusal = (status: number, kind: string) => ({ status, type: `urn:strata:problem:${kind}` });

beforeEach(async () => {
  await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
  hub = testHub();
});
afterEach(async () => {
  await reset();
});

describe("GET /admin/rollout", () => {
  it("is idle before any rollout", async () => {
    const response = await get();
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toMatchObject({ id: null, status: "idle", phase: 0, transitions: [] });
  });
});

describe("POST /admin/rollout/start", () => {
  it("answers 201 with the state, at 0 %", async () => {
    const request = startRequest();
    const response = await post("/start", request);
    expect(response.status).toBe(201);
    const state = await stateOf(response);
    expect(state).toMatchObject({
      status: "preparing",
      phase: 0,
      shares: { read: 0, write: 0, background: 0 },
      release: request.release,
      plan: request.plan,
    });
    expect(await stateOf(get())).toEqual(state);
  });

  it("shows no query of a webhook, which may open its receiver, neither now nor later", async () => {
    hub = testHub({ ROLLOUT_WEBHOOK_KEY: "webhook-key-0123456789" });
    const secret = { name: "load", url: "https://gates.example/load?key=open-sesame" };
    const phases = [{ shares: { read: 100, write: 100, background: 100 }, webhooks: [secret] }];
    const started = await post("/start", startRequest({ pre: [secret], post: [secret], phases }));
    expect(started.status).toBe(201);
    const { id, plan } = await stateOf(started);
    const masked = { name: "load", url: "https://gates.example/load?[secret]" };
    expect(plan).toMatchObject({ pre: [masked], post: [masked], phases: [{ webhooks: [masked] }] });
    const answers = [await get(), await post(`/${id}/rollback`, { reason: "enough" }), await get("/history")];
    for (const answer of answers) expect(await answer.text()).not.toContain("open-sesame");
    const again = await post(`/${id}/hold`, { phase: 0 });
    expect(await again.text()).not.toContain("open-sesame");
  });

  it("answers 409 with the present state while one is open", async () => {
    const id = await start();
    const problem = await problemOf(await post("/start", startRequest()));
    expect(problem).toMatchObject({ ...refusal(409, "rollout-active"), state: { id, status: "preparing" } });
    expect(problem.detail).toContain(id);
  });

  it("answers 422 with every fault of the shape", async () => {
    const { plan, release } = startRequest();
    const response = await post("/start", {
      release: { ...release, tag: "", extra: 1 },
      plan: { ...plan, onFail: "panic", intervalMs: "5" },
      upTo: 0,
      rollback: { safe: "perhaps" },
      phase: 3,
    });
    expect(response.status).toBe(422);
    expect((await faultPaths(response)).toSorted()).toEqual([
      "/phase",
      "/plan/intervalMs",
      "/plan/onFail",
      "/release/extra",
      "/release/tag",
      "/rollback/safe",
      "/upTo",
    ]);
  });

  it("answers 422 with every fault of the plan, and its path", async () => {
    const { plan, ...request } = startRequest();
    const phases = plan.phases.map((phase, index) => ({
      ...phase,
      shares: { ...phase.shares, read: [120, 50, 40][index] },
    }));
    const response = await post("/start", { ...request, plan: { ...plan, intervalMs: 1, phases } });
    expect(response.status).toBe(422);
    const paths = await faultPaths(response);
    expect(paths).toContain("/plan/intervalMs");
    expect(paths).toContain("/plan/phases/0/shares/read");
    expect(paths).toContain("/plan/phases/2/shares/read");
    expect(await stateOf(get())).toMatchObject({ status: "idle" });
  });

  it("answers 409 for webhooks without a key to sign them, and names the secret", async () => {
    for (const plan of [
      { pre: [WEBHOOK] },
      { post: [WEBHOOK] },
      { phases: [{ shares: { read: 100, write: 100, background: 100 }, webhooks: [WEBHOOK] }] },
    ]) {
      const problem = await problemOf(await post("/start", startRequest(plan)));
      expect(problem).toMatchObject(refusal(409, "webhook-key-missing"));
      expect(problem.detail).toContain("ROLLOUT_WEBHOOK_KEY");
    }
    hub = testHub({ ROLLOUT_WEBHOOK_KEY: "webhook-key-0123456789" });
    expect((await post("/start", startRequest({ pre: [WEBHOOK] }))).status).toBe(201);
  });
});

describe("POST /admin/rollout/{id}/{command}", () => {
  it("goes from the start to the end", async () => {
    const id = await start();
    expect(await stateOf(post(`/${id}/begin`, {}))).toMatchObject({ status: "running", phase: 1 });
    expect(await stateOf(post(`/${id}/hold`, { phase: 1, reason: "lunch" }))).toMatchObject({
      status: "paused",
    });
    expect(await stateOf(post(`/${id}/resume`, { phase: 1 }))).toMatchObject({ status: "running" });
    expect(await stateOf(post(`/${id}/approve`, { phase: 3 }))).toMatchObject({ approved: [3] });
    for (const phase of [1, 2, 3]) await post(`/${id}/promote`, { phase });
    expect(await stateOf(get())).toMatchObject({ status: "promoting", phase: 3 });
    await post(`/${id}/promoting`, { worker: "archiver" });
    await post(`/${id}/promoting`, { worker: "hub" });
    const versions = { archiver: "archiver-2", hub: "hub-2" };
    const state = await stateOf(post(`/${id}/complete`, { versions }));
    expect(state).toMatchObject({ status: "done", shares: { read: 0, write: 0, background: 0 } });
    expect(await stateOf(post(`/${id}/complete`, { versions }))).toMatchObject({ revision: state.revision });
  });

  it("takes back with what is to be returned", async () => {
    const id = await startAndBegin();
    for (const phase of [1, 2, 3]) await post(`/${id}/promote`, { phase });
    await post(`/${id}/promoting`, { worker: "archiver" });
    const state = await stateOf(post(`/${id}/rollback`, { reason: "too slow" }));
    expect(state).toMatchObject({ status: "rolling-back", toReturn: ["archiver"], reason: "too slow" });
    for (let left = 5; left > 0 && !(await stateOf(get())).backgroundConfirmed; left -= 1) {
      if (env.ROLLOUT !== undefined) await runDurableObjectAlarm(rolloutObject(env.ROLLOUT));
    }
    expect(await stateOf(post(`/${id}/returned`, { worker: "archiver" }))).toMatchObject({
      status: "rolled-back",
      reason: "too slow",
    });
  });

  it("keeps the phase to stop at", async () => {
    const id = await startAndBegin();
    expect(await stateOf(post(`/${id}/go-on`, { upTo: 2 }))).toMatchObject({ upTo: 2 });
  });

  it("is written down under the name of who gave it", async () => {
    const id = await start();
    await post(`/${id}/begin`, {}, { [ACTOR_HEADER]: "ada@ops" });
    await post(`/${id}/hold`, { phase: 1 });
    const { transitions } = await stateOf(get());
    expect(transitions.slice(-2).map(({ by }) => by)).toEqual(["ada@ops", "operator"]);
  });

  it.each(["x".repeat(65), "naïve", "tab\tbed"])("refuses the name %j", async (actor) => {
    const response = await post(`/${await start()}/begin`, {}, { [ACTOR_HEADER]: actor });
    expect(response.status).toBe(422);
    expect(await faultPaths(response)).toEqual([`/headers/${ACTOR_HEADER}`]);
  });

  it("answers 404 with the present state for another rollout's id", async () => {
    const id = await start();
    expect(await problemOf(await post("/other/begin", {}))).toMatchObject({
      ...refusal(404, "unknown-rollout"),
      state: { id },
    });
  });

  it("answers 409 when the rollout has ended", async () => {
    const id = await startAndBegin();
    await post(`/${id}/rollback`, { reason: "over" });
    expect(await problemOf(await post(`/${id}/hold`, { phase: 1 }))).toMatchObject({
      ...refusal(409, "rollout-not-active"),
      state: { status: "rolled-back" },
    });
  });

  it("answers 409 for a phase that the rollout is not in", async () => {
    const id = await startAndBegin();
    const problem = await problemOf(await post(`/${id}/hold`, { phase: 3 }));
    expect(problem).toMatchObject({ ...refusal(409, "rollout-wrong-phase"), state: { phase: 1 } });
    expect(problem.detail).toContain("phase 1 of 3");
  });

  it("answers 409 for a promotion that is not due, and for what is out of order", async () => {
    const id = await startAndBegin();
    const early = await post(`/${id}/promoting`, { worker: "hub" });
    expect(await problemOf(early)).toMatchObject(refusal(409, "rollout-not-promoting"));
    const nothing = await post(`/${id}/returned`, { worker: "hub" });
    expect(await problemOf(nothing)).toMatchObject(refusal(409, "rollout-out-of-order"));
  });

  it("answers 409 before an approval, and for what a freeze forbids", async () => {
    const phases = startRequest().plan.phases.map((phase, index) => ({ ...phase, approval: index === 1 }));
    const safety = { safe: false, why: "a column is gone" } as const;
    const id = (await stateOf(post("/start", startRequest({ phases }, { rollback: safety })))).id ?? "";
    await post(`/${id}/begin`, {});
    await post(`/${id}/promote`, { phase: 1 });
    const waits = await problemOf(await post(`/${id}/resume`, { phase: 1 }));
    expect(waits).toMatchObject(refusal(409, "rollout-needs-approval"));
    expect(await stateOf(post(`/${id}/rollback`, { reason: "too slow" }))).toMatchObject({
      status: "frozen",
    });
    const frozen = await problemOf(await post(`/${id}/resume`, { phase: 1 }));
    expect(frozen).toMatchObject(refusal(409, "rollout-not-safe"));
    expect(frozen.detail).toContain("force");
    const forced = await stateOf(post(`/${id}/rollback`, { reason: "too slow", force: true }));
    expect(forced.status).toMatch(/^roll(ing|ed)-back$/);
  });

  it.each<[RolloutCommandName, unknown, readonly string[]]>([
    ["begin", { phase: 1 }, ["/phase"]],
    ["go-on", {}, ["/upTo"]],
    ["promote", { phase: "1", reason: "" }, ["/phase", "/reason"]],
    ["hold", { phase: -1 }, ["/phase"]],
    ["resume", { phase: 1.5, force: "yes" }, ["/force", "/phase"]],
    ["approve", { phase: 0 }, ["/phase"]],
    ["rollback", { why: "x" }, ["/reason", "/why"]],
    ["promoting", { worker: "cron" }, ["/worker"]],
    ["complete", { versions: { hub: "" } }, ["/versions/archiver", "/versions/hub"]],
    ["returned", {}, ["/worker"]],
  ])("answers 422 with every fault of %s", async (name, body, paths) => {
    const response = await post(`/${await start()}/${name}`, body);
    expect(response.status).toBe(422);
    expect((await faultPaths(response)).toSorted()).toEqual(paths);
  });

  it("is documented, one by one", async () => {
    const response = await hub.fetch("/openapi.json");
    const { paths } = await response.json<{ paths: Record<string, { post?: { requestBody?: unknown } }> }>();
    const names = [
      "begin",
      "go-on",
      "promote",
      "hold",
      "resume",
      "approve",
      "rollback",
      "promoting",
      "complete",
      "returned",
    ];
    const documented = (name: string) =>
      paths[`/admin/rollout/{id}/${name}`]?.post?.requestBody !== undefined;
    expect(names.filter((name) => !documented(name))).toEqual([]);
    expect(Object.keys(paths).filter((path) => path.startsWith("/admin/rollout/{id}"))).toHaveLength(
      names.length,
    );
  });
});

describe("GET /admin/rollout/history", () => {
  const alarms = async () => {
    for (let left = 10; left > 0; left -= 1) {
      if (env.ROLLOUT === undefined || !(await runDurableObjectAlarm(rolloutObject(env.ROLLOUT)))) return;
    }
  };

  it("answers the newest transitions of all rollouts, newest first, or those of one", async () => {
    const first = await startAndBegin();
    await post(`/${first}/rollback`, { reason: "over" });
    await alarms();
    const second = await startAndBegin();
    await post(`/${second}/rollback`, { reason: "over" });
    await alarms();
    const read = async (query: string) =>
      (await (await get(`/history?${query}`)).json<{ transitions: Record<string, unknown>[] }>()).transitions;
    expect((await read("limit=4")).map(({ rolloutId, status }) => [rolloutId, status])).toEqual([
      [second, "rolled-back"],
      [second, "running"],
      [second, "preparing"],
      [first, "rolled-back"],
    ]);
    const own = await read(`rollout=${first}`);
    expect(own.map(({ revision }) => revision)).toEqual([3, 2, 1]);
    expect(own[0]).toMatchObject({ by: "operator", shares: { read: 0, write: 0, background: 0 } });
  });

  it.each(["0", "501", "x", "1&limit=2"])("refuses the limit %j", async (limit) => {
    const response = await get(`/history?limit=${limit}`);
    expect(response.status).toBe(422);
    expect(await faultPaths(response)).toEqual(["/limit"]);
  });

  it("answers 503 when the database does not answer", async () => {
    const DB = {
      prepare: () => {
        throw new Error("D1 DB is overloaded.");
      },
    } as unknown as D1Database;
    const response = await testHub({ DB }).fetch("/admin/rollout/history", { headers: asAdmin });
    const problem = await problemOf(response);
    expect(problem).toMatchObject(refusal(503, "history-unavailable"));
    expect(JSON.stringify(problem)).not.toContain("overloaded");
  });
});

describe("GET /admin/rollout/metrics", () => {
  it("tells shares, phase and status as Prometheus reads them", async () => {
    await startAndBegin();
    const response = await get("/metrics");
    expect(response.headers.get("content-type")).toContain("text/plain");
    const text = await response.text();
    expect(text).toContain('strata_rollout_canary_share_percent{class="read"} 10\n');
    expect(text).toContain('strata_rollout_status{status="running"} 1\n');
    expect(text).toContain('strata_rollout_status{status="paused"} 0\n');
    expect(text).toContain("strata_rollout_phase 1\n");
    expect(text).toContain("strata_rollout_copied_reads_percent 0\n");
    expect(text).toContain('strata_rollout_release_info{release="r-3f2a9c01d4e5"} 1\n');
    expect(text.split("\n").every((line) => /^(|# .*|[a-z0-9_]+(\{[^}]*\})? [0-9.]+)$/.test(line))).toBe(
      true,
    );
  });
});

describe("a rollout command", () => {
  it("answers 400 for a body that is not JSON, 415 for another type and 413 for a large one", async () => {
    expect(await problemOf(await post("/start", "{"))).toMatchObject(refusal(400, "malformed-json"));
    expect(
      await problemOf(
        await hub.fetch("/admin/rollout/start", { method: "POST", body: "release=1", headers: asAdmin }),
      ),
    ).toMatchObject(refusal(415, "unsupported-media-type"));
    expect(await problemOf(await post("/start", { pad: "x".repeat(200_000) }))).toMatchObject(
      refusal(413, "body-too-large"),
    );
  });

  it("answers 503 when the object cannot be reached", async () => {
    const ROLLOUT = {
      getByName: () => ({ state: () => Promise.reject(new Error("Durable Object is overloaded.")) }),
    } as unknown as NonNullable<typeof env.ROLLOUT>;
    const response = await testHub({ ROLLOUT }).fetch("/admin/rollout", { headers: asAdmin });
    expect(response.headers.get("retry-after")).toBe("1");
    expect(await problemOf(response)).toMatchObject(refusal(503, "rollout-unavailable"));
  });
});

describe("the canary script", () => {
  it("has no rollout to steer", async () => {
    const canary = canaryHub();
    for (const response of [
      await canary.fetch("/admin/rollout", { headers: asAdmin }),
      await canary.fetch("/admin/rollout/history", { headers: asAdmin }),
      await canary.fetch("/admin/rollout/metrics", { headers: asAdmin }),
      await canary.fetch("/admin/rollout/start", json(startRequest(), asAdmin)),
    ]) {
      expect(await problemOf(response)).toMatchObject(refusal(404, "no-rollout-here"));
    }
  });

  it("serves everything else", async () => {
    const canary = canaryHub();
    const response = await canary.fetch("/admin/archive/stats", { headers: asAdmin });
    expect(response.status).toBe(200);
    expect(response.headers.get("strata-lane")).toBe("canary");
  });
});
