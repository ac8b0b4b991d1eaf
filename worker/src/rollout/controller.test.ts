import { applyD1Migrations, evictDurableObject, reset, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { captureLogs } from "../../test/hub.ts";
import type { RolloutController } from "./controller.ts";
import type { CountsByLane } from "./contract.ts";
import { NO_COUNTS } from "./counts.ts";
import { readHistory } from "./history.ts";
import { rolloutObject } from "./object.ts";
import type { Report } from "./reporter.ts";
import { MAX_REPORTERS, RolloutStore } from "./store.ts";

const logLines = captureLogs();

const RELEASE = { tag: "r-3f2a9c01d4e5", canaryVersion: "canary-1", stableVersion: "hub-1" };

function object(): DurableObjectStub<RolloutController> {
  if (env.ROLLOUT === undefined) throw new Error("the pool gives the stable hub's bindings");
  return rolloutObject(env.ROLLOUT);
}

function canary(requests: number, errors: number): CountsByLane {
  return { ...NO_COUNTS, canary: { ...NO_COUNTS.canary, read: { requests, errors } } };
}

async function startAtPhaseOne(): Promise<string> {
  const { state } = await object().start({ release: RELEASE });
  const id = state.id ?? "";
  await object().setPhase(id, 1);
  return id;
}

const report = (
  rolloutId: string,
  sequence: number,
  counts: CountsByLane,
  reporter = "isolate-1",
): Report => ({
  reporter,
  sequence,
  rolloutId,
  phase: 1,
  counts,
});

beforeEach(async () => {
  await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
});
afterEach(async () => {
  await reset();
});

describe("RolloutController", () => {
  it("gives every rollout an id of its own", async () => {
    const first = await startAtPhaseOne();
    await object().rollback(first, "over");
    expect(await startAtPhaseOne()).not.toBe(first);
  });

  it("keeps state, counts and batch numbers when it is restarted", async () => {
    const id = await startAtPhaseOne();
    await object().report(report(id, 7, canary(10, 1)));
    const before = await object().state();
    await evictDurableObject(object());
    expect(await object().state()).toEqual(before);
    await object().report(report(id, 7, canary(10, 1)));
    expect((await object().state()).counts).toEqual(canary(10, 1));
  });

  it("keeps a rollback when it is restarted", async () => {
    const id = await startAtPhaseOne();
    await object().rollback(id, "the operator said so");
    await evictDurableObject(object());
    expect(await object().view()).toMatchObject({ id: null, shares: { read: 0, write: 0 } });
    expect(await object().state()).toMatchObject({ status: "rolled-back", reason: "the operator said so" });
  });

  it("takes a bad canary back in the same call that reports it, and answers with the new shares", async () => {
    const id = await startAtPhaseOne();
    expect(await object().report(report(id, 1, canary(49, 20)))).toMatchObject({ id, shares: { read: 10 } });
    expect(await object().report(report(id, 2, canary(1, 0)))).toMatchObject({
      id: null,
      shares: { read: 0 },
    });
    expect(await object().state()).toMatchObject({ status: "rolled-back", counts: canary(50, 20) });
  });

  it("counts a batch once, however often it comes, and each isolate by itself", async () => {
    const id = await startAtPhaseOne();
    for (let repeat = 0; repeat < 3; repeat += 1) await object().report(report(id, 1, canary(5, 0)));
    await object().report(report(id, 2, canary(1, 0)));
    await object().report(report(id, 1, canary(5, 0)));
    await object().report(report(id, 1, canary(100, 0), "isolate-2"));
    expect((await object().state()).counts).toEqual(canary(106, 0));
  });

  it("mirrors every transition to the history, newest first", async () => {
    const id = await startAtPhaseOne();
    await object().report(report(id, 1, canary(60, 60)));
    await runInDurableObject(object(), () => {});
    const history = await readHistory(env.DB, 10);
    expect(history.map(({ rolloutId, status, phase }) => [rolloutId, status, phase])).toEqual([
      [id, "rolled-back", 1],
      [id, "active", 1],
      [id, "active", 0],
    ]);
    expect(history[0]).toMatchObject({ tag: RELEASE.tag, shares: { read: 0, write: 0 } });
    expect(history[0]?.reason).toContain("60 of 60");
  });

  it("decides all the same when the history cannot be written, and logs that", async () => {
    await env.DB.exec("DROP TABLE rollout_history");
    const id = await startAtPhaseOne();
    await object().rollback(id, "over");
    expect((await object().state()).status).toBe("rolled-back");
    expect(
      logLines.some((line) => line.includes('"rollout-history"') && line.includes("no such table")),
    ).toBe(true);
    await env.DB.exec("DELETE FROM d1_migrations");
  });
});

describe("RolloutStore", () => {
  it("remembers a bounded number of isolates, the latest heard", async () => {
    await runInDurableObject(object(), (_instance, state) => {
      const store = new RolloutStore(state.storage.sql);
      store.admit("kept", 1);
      store.admit("dropped", 1);
      for (let index = 0; index < MAX_REPORTERS - 1; index += 1) store.admit(`isolate-${index}`, 1);
      store.admit("kept", 2);
      const [row] = state.storage.sql
        .exec<{ held: number }>("SELECT count(*) AS held FROM reporters")
        .toArray();
      expect(row?.held).toBeLessThanOrEqual(MAX_REPORTERS);
      expect(store.admit("kept", 2)).toBe(false);
      expect(store.admit("dropped", 1)).toBe(true);
    });
  });

  it("does not act on a state that is not one", async () => {
    await runInDurableObject(object(), (_instance, state) => {
      const store = new RolloutStore(state.storage.sql);
      state.storage.sql.exec('INSERT OR REPLACE INTO rollout (id, state) VALUES (1, \'{"status":"open"}\')');
      expect(() => store.load()).toThrow("status");
    });
  });
});
