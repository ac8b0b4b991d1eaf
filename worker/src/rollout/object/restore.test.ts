import { reset, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import { captureLogs } from "../../../test/hub.ts";
import { CLOSED_VIEW } from "../view.ts";
import { restoreState } from "./restore.ts";
import { rolloutObject } from "./stub.ts";
import { Stage, startRequest } from "./test-world.ts";

captureLogs();

async function onStorage(play: (storage: DurableObjectStorage) => Promise<void> | void): Promise<void> {
  if (env.ROLLOUT === undefined) throw new Error("the pool gives the stable hub's bindings");
  await runInDurableObject(rolloutObject(env.ROLLOUT), async (_instance, { storage }) => {
    await play(storage);
  });
}

afterEach(async () => {
  await reset();
});

function storedText(storage: DurableObjectStorage): string {
  const [row] = storage.sql.exec<{ state: string }>("SELECT state FROM rollout").toArray();
  return row?.state ?? "";
}

function rewrite(storage: DurableObjectStorage, change: (state: Record<string, unknown>) => void): void {
  const state = JSON.parse(storedText(storage));
  change(state);
  storage.sql.exec("UPDATE rollout SET state = ?", JSON.stringify(state));
}

describe("a stored state", () => {
  it("is the same again when it is read", () =>
    onStorage(async (storage) => {
      const stage = new Stage(storage);
      stage.open();
      await stage.until(({ state }) => state.phase === 2);
      const { state } = stage;
      stage.restart();
      expect(stage.state).toEqual(state);
    }));

  it("of an older hub gets what it lacks", () =>
    onStorage(async (storage) => {
      const stage = new Stage(storage);
      stage.open();
      const { plan } = stage.state;
      rewrite(storage, (state) => {
        delete state["agreed"];
        delete state["firstErrorAt"];
        const stored = state["plan"] as { onFail?: string; phases: { gate: { falseAlarm?: number } }[] };
        delete stored.onFail;
        delete stored.phases[0]?.gate.falseAlarm;
      });
      stage.restart();
      expect(stage.state).toMatchObject({ status: "running", agreed: [], firstErrorAt: null, plan });
      await stage.until(({ state }) => state.phase === 2);
    }));

  it("of a newer hub keeps what this one does not know, and loses a judgement that it cannot read", () =>
    onStorage(async (storage) => {
      const stage = new Stage(storage);
      stage.open();
      await stage.alarm();
      rewrite(storage, (state) => {
        state["someday"] = { later: true };
        state["judgement"] = { verdict: "splendid" };
        Object.assign(state["plan"] as object, { mood: "calm" });
        Object.assign((state["release"] as { workers: { hub: object } }).workers.hub, { size: 7 });
      });
      stage.restart();
      expect(stage.state).toMatchObject({ status: "running", judgement: null });
      stage.say({ kind: "hold", phase: 1 });
      expect(JSON.parse(storedText(storage))).toMatchObject({ status: "paused", someday: { later: true } });
    }));

  it.each([
    ["of the former design", '{"id":"a","status":"active","phase":2,"shares":{"read":100,"write":10}}'],
    ["with a status of another time", '{"status":"levitating","revision":12}'],
    ["that is damaged", '{"status":'],
    ["that is no object", "7"],
  ])("%s closes the lane, says why, and is kept while another rollout starts", (_name, text) =>
    onStorage((storage) => {
      const stage = new Stage(storage);
      storage.sql.exec("INSERT OR REPLACE INTO rollout (id, state) VALUES (1, ?)", text);
      stage.restart();
      expect(stage.rollout.view).toEqual(CLOSED_VIEW);
      expect(stage.state.status).toBe("idle");
      expect(stage.state.reason).toContain("cannot be read by this version of the hub");
      expect(stage.world.logs.some((line) => line.includes("rollout-unreadable"))).toBe(true);
      expect(storedText(storage)).toBe(text);
      expect(stage.rollout.start(startRequest(), "ada").kind).toBe("changed");
      const kept = storage.sql.exec<{ state: string }>("SELECT state FROM set_aside").toArray();
      expect(kept.map(({ state }) => state)).toEqual([text]);
    }),
  );

  it("that cannot be read still lends its revision, so that later orders to the archiver are newer", () => {
    expect(restoreState('{"status":"levitating","revision":12}').state.revision).toBe(12);
  });
});

describe("stored evidence", () => {
  it("that cannot be read is left out: the phase collects anew", () =>
    onStorage(async (storage) => {
      const stage = new Stage(storage);
      stage.open();
      await stage.alarm();
      stage.report([]);
      await stage.alarm();
      storage.sql.exec("UPDATE evidence SET value = '[{\"lane\":7}]' WHERE part = 'total'");
      stage.restart();
      await stage.until(({ state }) => state.phase === 2);
      expect(stage.state.status).toBe("running");
    }));
});
