/** The object as the platform runs it: over RPC, on its own alarm, with the bindings of the hub. */
import {
  applyD1Migrations,
  evictDurableObject,
  reset,
  runDurableObjectAlarm,
  runInDurableObject,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { captureLogs } from "../../../test/hub.ts";
import type { RolloutController } from "./controller.ts";
import { readHistory } from "./history.ts";
import { readView, rolloutObject, type RolloutNamespace } from "./stub.ts";
import { goodSeries, series, startRequest } from "./test-world.ts";

const logLines = captureLogs();

function namespace(): RolloutNamespace {
  if (env.ROLLOUT === undefined) throw new Error("the pool gives the stable hub's bindings");
  return env.ROLLOUT;
}

const object = (): DurableObjectStub<RolloutController> => rolloutObject(namespace());
const alarm = async (): Promise<boolean> => await runDurableObjectAlarm(object());

async function openAtPhaseOne(): Promise<string> {
  const { state } = await object().start(startRequest(), "ada");
  const id = state.id ?? "";
  await object().command({ kind: "begin", id, by: "ada" });
  while ((await object().state()).phase === 0) await alarm();
  return id;
}

const report = (rolloutId: string, sequence: number, list = goodSeries()) =>
  object().report({ reporter: "isolate-1", sequence, rolloutId, phase: 1, series: list });

beforeEach(async () => {
  await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
});
afterEach(async () => {
  await reset();
});

describe("RolloutController", () => {
  it("gives every rollout an id of its own", async () => {
    const first = await openAtPhaseOne();
    await object().command({ kind: "rollback", id: first, by: "ada", reason: "over" });
    expect(await openAtPhaseOne()).not.toBe(first);
  });

  it("has an alarm while a rollout is open, and none when everything is done", async () => {
    expect(await alarm()).toBe(false);
    const id = await openAtPhaseOne();
    expect(await alarm()).toBe(true);
    await object().command({ kind: "rollback", id, by: "ada", reason: "over" });
    for (let left = 10; left > 0 && (await alarm()); left -= 1);
    expect(await alarm()).toBe(false);
    const scheduled = await runInDurableObject(object(), (_instance, { storage }) => storage.getAlarm());
    expect(scheduled).toBeNull();
  });

  it("sets its alarm again when it was lost", async () => {
    await openAtPhaseOne();
    await runInDurableObject(object(), (_instance, { storage }) => storage.deleteAlarm());
    await evictDurableObject(object());
    await object().state();
    const scheduled = await runInDurableObject(object(), (_instance, { storage }) => storage.getAlarm());
    expect(scheduled).not.toBeNull();
  });

  it("keeps state and evidence when it is restarted", async () => {
    const id = await openAtPhaseOne();
    await report(id, 1);
    await alarm();
    const before = await object().state();
    await evictDurableObject(object());
    expect(await object().state()).toEqual(before);
    await report(id, 1);
    await alarm();
    expect((await object().state()).judgement?.figures.canary.read.requests).toBe(100);
  });

  it("takes a bad canary back in the call that reports it", async () => {
    const id = await openAtPhaseOne();
    expect((await readView(namespace())).shares.read).toBe(10);
    const bad = [series({ lane: "stable", requests: 500 }), series({ requests: 60, errors: 50 })];
    expect(await report(id, 1, bad)).toMatchObject({ id: null, shares: { read: 0 } });
    await evictDurableObject(object());
    expect((await readView(namespace())).id).toBeNull();
    expect((await object().state()).status).toMatch(/^roll(ing|ed)-back$/);
  });

  it("mirrors every transition to D1, once", async () => {
    const id = await openAtPhaseOne();
    await object().command({ kind: "rollback", id, by: "grace", reason: "over" });
    for (let left = 10; left > 0 && (await alarm()); left -= 1);
    const history = await readHistory(env.DB, 50, id);
    const { revision, transitions } = await object().state();
    expect(history.map((entry) => entry.revision)).toEqual(
      [...transitions.keys()].map((index) => revision - index),
    );
    expect(history[0]).toMatchObject({
      by: "grace",
      tag: "r-3f2a9c01d4e5",
      shares: { read: 0, write: 0, background: 0 },
    });
    expect(history.at(-1)).toMatchObject({ by: "ada", status: "preparing", phase: 0 });
  });

  it("decides without the database, and writes the history when that is back", async () => {
    await env.DB.exec("ALTER TABLE rollout_transitions RENAME TO elsewhere");
    const id = await openAtPhaseOne();
    await object().command({ kind: "rollback", id, by: "ada", reason: "over" });
    await alarm();
    expect((await object().state()).status).toBe("rolled-back");
    expect(
      logLines.some((line) => line.includes('"rollout-history"') && line.includes("no such table")),
    ).toBe(true);
    await env.DB.exec("ALTER TABLE elsewhere RENAME TO rollout_transitions");
    await runInDurableObject(object(), (_instance, { storage }) => {
      storage.sql.exec("UPDATE outbox SET due = 0");
    });
    await alarm();
    expect(await readHistory(env.DB, 50, id)).toHaveLength((await object().state()).transitions.length);
  });
});

describe("the history before rollouts had revisions", () => {
  it("is carried over by the migration", async () => {
    await reset();
    const [first, ...others] = env.TEST_MIGRATIONS;
    await applyD1Migrations(env.DB, first === undefined ? [] : [first]);
    await env.DB.exec(
      "INSERT INTO rollout_history (rollout_id, status, phase, tag, at, read_share, write_share, reason) VALUES " +
        "('old', 'active', 0, 'r-1', 1000, 0, 0, 'started'), ('old', 'active', 2, 'r-1', 2000, 100, 10, 'phase 2'), " +
        "('old', 'rolled-back', 2, 'r-1', 3000, 0, 0, 'gate')",
    );
    await applyD1Migrations(env.DB, others);
    const history = await readHistory(env.DB, 10);
    expect(history.map(({ revision, status, phase }) => [revision, status, phase])).toEqual([
      [3, "rolled-back", 2],
      [2, "running", 2],
      [1, "preparing", 0],
    ]);
    expect(history[1]).toMatchObject({ shares: { read: 100, write: 10, background: 0 }, by: "unknown" });
  });
});
