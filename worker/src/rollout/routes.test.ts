import { applyD1Migrations, reset } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  captureLogs,
  asAdmin,
  canaryHub,
  faultPaths,
  json,
  testHub,
  problemOf,
  type TestHub,
} from "../../test/hub.ts";
import type { RolloutState } from "./contract.ts";

captureLogs();

const RELEASE = { tag: "r-3f2a9c01d4e5", canaryVersion: "canary-1", stableVersion: "hub-1" };

let hub: TestHub;
const post = (path: string, body: unknown) => hub.fetch(`/admin/rollout${path}`, json(body, asAdmin));
const get = (path = "") => hub.fetch(`/admin/rollout${path}`, { headers: asAdmin });
const stateOf = async (response: Promise<Response> | Response) => await (await response).json<RolloutState>();

async function start(): Promise<string> {
  return (await stateOf(post("/start", { release: RELEASE }))).id ?? "";
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
  it("answers 201 with the state, and a gate of 2 % over 50 requests unless told", async () => {
    const response = await post("/start", { release: RELEASE });
    expect(response.status).toBe(201);
    const state = await stateOf(response);
    expect(state).toMatchObject({
      status: "active",
      phase: 0,
      shares: { read: 0, write: 0 },
      release: RELEASE,
      gate: { maxErrorShare: 0.02, minSample: 50 },
    });
    expect(await stateOf(get())).toEqual(state);
  });

  it("takes a gate in part or whole", async () => {
    const state = await stateOf(post("/start", { release: RELEASE, gate: { minSample: 20 } }));
    expect(state.gate).toEqual({ maxErrorShare: 0.02, minSample: 20 });
  });

  it("answers 409 with the current state while one is active", async () => {
    const id = await start();
    expect(await problemOf(await post("/start", { release: RELEASE }))).toMatchObject({
      ...refusal(409, "rollout-active"),
      state: { id, status: "active" },
    });
  });

  it("answers 422 with every fault", async () => {
    const response = await post("/start", {
      release: { tag: "", canaryVersion: 1 },
      gate: { maxErrorShare: 2, minSample: -1, extra: true },
      phase: 3,
    });
    expect(response.status).toBe(422);
    expect((await faultPaths(response)).toSorted()).toEqual([
      "/gate/extra",
      "/gate/maxErrorShare",
      "/gate/minSample",
      "/phase",
      "/release/canaryVersion",
      "/release/stableVersion",
      "/release/tag",
    ]);
  });
});

describe("POST /admin/rollout/{id}/phase", () => {
  it("goes forward, and the same phase again changes nothing", async () => {
    const id = await start();
    const state = await stateOf(post(`/${id}/phase`, { phase: 1 }));
    expect(state).toMatchObject({ phase: 1, shares: { read: 10, write: 0 } });
    expect(await stateOf(post(`/${id}/phase`, { phase: 1 }))).toEqual(state);
    expect(await stateOf(post(`/${id}/phase`, { phase: 3 }))).toMatchObject({
      shares: { read: 100, write: 100 },
    });
  });

  it("answers 409 for an earlier phase", async () => {
    const id = await start();
    await post(`/${id}/phase`, { phase: 2 });
    expect(await problemOf(await post(`/${id}/phase`, { phase: 1 }))).toMatchObject({
      ...refusal(409, "rollout-phase-backward"),
      state: { phase: 2 },
    });
  });

  it("answers 409 when the rollout has ended", async () => {
    const id = await start();
    await post(`/${id}/rollback`, { reason: "over" });
    expect(await problemOf(await post(`/${id}/phase`, { phase: 1 }))).toMatchObject({
      ...refusal(409, "rollout-not-active"),
      state: { status: "rolled-back" },
    });
  });

  it("answers 404 with the current state for another rollout's id", async () => {
    const id = await start();
    expect(await problemOf(await post("/other/phase", { phase: 1 }))).toMatchObject({
      ...refusal(404, "unknown-rollout"),
      state: { id },
    });
  });

  it.each([0, 4, "1", null, 1.5])("answers 422 for the phase %j", async (phase) => {
    const response = await post(`/${await start()}/phase`, { phase });
    expect(response.status).toBe(422);
    expect(await faultPaths(response)).toEqual(["/phase"]);
  });
});

describe("POST /admin/rollout/{id}/promote", () => {
  it("ends a rollout that is in phase 3, and a repeat changes nothing", async () => {
    const id = await start();
    await post(`/${id}/phase`, { phase: 3 });
    const state = await stateOf(post(`/${id}/promote`, { hubVersion: "hub-2" }));
    expect(state).toMatchObject({ status: "promoted", shares: { read: 0, write: 0 } });
    expect(await stateOf(post(`/${id}/promote`, { hubVersion: "hub-2" }))).toEqual(state);
  });

  it("answers 409 before phase 3", async () => {
    const id = await start();
    await post(`/${id}/phase`, { phase: 2 });
    expect(await problemOf(await post(`/${id}/promote`, { hubVersion: "hub-2" }))).toMatchObject(
      refusal(409, "rollout-phase-too-low"),
    );
  });

  it("answers 409 after a rollback", async () => {
    const id = await start();
    await post(`/${id}/rollback`, { reason: "over" });
    expect(await problemOf(await post(`/${id}/promote`, { hubVersion: "hub-2" }))).toMatchObject(
      refusal(409, "rollout-not-active"),
    );
  });

  it("answers 422 without the version", async () => {
    expect(await faultPaths(await post(`/${await start()}/promote`, {}))).toEqual(["/hubVersion"]);
  });
});

describe("POST /admin/rollout/{id}/rollback", () => {
  it("goes to 0 % at once, and a repeat changes nothing", async () => {
    const id = await start();
    await post(`/${id}/phase`, { phase: 2 });
    const state = await stateOf(post(`/${id}/rollback`, { reason: "too slow" }));
    expect(state).toMatchObject({ status: "rolled-back", shares: { read: 0, write: 0 }, reason: "too slow" });
    expect(await stateOf(post(`/${id}/rollback`, { reason: "again" }))).toEqual(state);
  });

  it("answers 409 when the release was promoted", async () => {
    const id = await start();
    await post(`/${id}/phase`, { phase: 3 });
    await post(`/${id}/promote`, { hubVersion: "hub-2" });
    expect(await problemOf(await post(`/${id}/rollback`, { reason: "late" }))).toMatchObject(
      refusal(409, "rollout-not-active"),
    );
  });

  it("answers 422 without a reason", async () => {
    expect(await faultPaths(await post(`/${await start()}/rollback`, { reason: "" }))).toEqual(["/reason"]);
  });
});

describe("GET /admin/rollout/history", () => {
  it("answers the newest transitions of all rollouts, newest first", async () => {
    const first = await start();
    await post(`/${first}/rollback`, { reason: "over" });
    const second = await start();
    await post(`/${second}/phase`, { phase: 1 });
    const { transitions } = await (
      await get("/history?limit=3")
    ).json<{ transitions: Record<string, unknown>[] }>();
    expect(transitions.map(({ rolloutId, status, phase }) => [rolloutId, status, phase])).toEqual([
      [second, "active", 1],
      [second, "active", 0],
      [first, "rolled-back", 0],
    ]);
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

describe("a rollout command", () => {
  it("answers 400 for a body that is not JSON, 415 for another type and 413 for a large one", async () => {
    expect(await problemOf(await post("/start", "{"))).toMatchObject(refusal(400, "malformed-json"));
    expect(
      await problemOf(
        await hub.fetch("/admin/rollout/start", { method: "POST", body: "release=1", headers: asAdmin }),
      ),
    ).toMatchObject(refusal(415, "unsupported-media-type"));
    expect(await problemOf(await post("/start", { pad: "x".repeat(20_000) }))).toMatchObject(
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
      await canary.fetch("/admin/rollout/start", json({ release: RELEASE }, asAdmin)),
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
