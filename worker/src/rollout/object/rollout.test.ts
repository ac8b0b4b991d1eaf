import { reset, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import { captureLogs } from "../../../test/hub.ts";
import { rolloutObject } from "./stub.ts";
import { goodSeries, INTERVAL_MS, series, Stage, startRequest } from "./test-world.ts";

captureLogs();

/** Runs on the storage of a real object. */
async function onStage(play: (stage: Stage) => Promise<void> | void): Promise<void> {
  if (env.ROLLOUT === undefined) throw new Error("the pool gives the stable hub's bindings");
  await runInDurableObject(rolloutObject(env.ROLLOUT), async (_instance, { storage }) => {
    await play(new Stage(storage));
  });
}

afterEach(async () => {
  await reset();
});

const bad = (requests: number, errors: number) => [
  series({ lane: "stable", requests: 500 }),
  series({ requests, errors, answers: { "5xx application/json": errors } }),
];

describe("a good release", () => {
  it("goes through every phase by itself, is promoted, and is done when the scripts carry it", () =>
    onStage(async (stage) => {
      stage.open();
      const phases: number[] = [];
      await stage.until(({ state }) => {
        if (!phases.includes(state.phase)) phases.push(state.phase);
        return state.status === "promoting";
      });
      expect(phases).toEqual([1, 2, 3]);
      expect(stage.rollout.view.shares).toEqual({ read: 100, write: 100, background: 100 });
      stage.say({ kind: "promoting", worker: "archiver" });
      stage.say({ kind: "promoting", worker: "hub" });
      stage.say({ kind: "complete", versions: { archiver: "archiver-2", hub: "hub-2" } });
      expect(stage.state.status).toBe("done");
      await stage.until(({ world }) => world.alarmAt === null, []);
      expect(stage.state.backgroundConfirmed).toBe(true);
      expect(stage.world.orders.at(-1)).toMatchObject({ rolloutId: null, share: 0 });
    }));

  it("waits an interval for every verdict, however often it is woken", () =>
    onStage(async (stage) => {
      stage.open();
      await stage.alarm();
      stage.report(goodSeries());
      stage.say({ kind: "hold", phase: 1 });
      await stage.alarm();
      stage.say({ kind: "resume", phase: 1 });
      await stage.alarm();
      expect(stage.state.streak).toBeNull();
      await stage.alarm();
      expect(stage.state.streak).toEqual({ verdict: "pass", length: 1 });
    }));
});

describe("a bad canary", () => {
  it("is taken back by the report that proves it, before the report is answered", () =>
    onStage(async (stage) => {
      stage.open();
      await stage.alarm();
      expect(stage.rollout.view.shares.read).toBe(10);
      const view = stage.report(bad(50, 40));
      expect(view).toMatchObject({ id: null, shares: { read: 0, write: 0, background: 0 } });
      expect(stage.state).toMatchObject({ status: "rolled-back", closedAt: expect.any(String) });
      expect(stage.state.firstErrorAt).not.toBeNull();
      expect(stage.state.transitions.at(-1)).toMatchObject({ by: "judge" });
    }));

  it("is taken back by the alarm when it is only slower", () =>
    onStage(async (stage) => {
      stage.open();
      await stage.alarm();
      const slow = [
        series({ lane: "stable", requests: 400 }),
        series({ requests: 400, latency: [[150, 400]] }),
      ];
      await stage.until(({ state }) => state.status === "rolled-back", slow);
      expect(stage.state.judgement).toMatchObject({ verdict: "fail" });
      expect(stage.state.transitions.at(-1)).toMatchObject({ by: "judge", phase: 1 });
    }));

  it("is taken back for its background work, by the counts of the archiver", () =>
    onStage(async (stage) => {
      stage.open();
      await stage.until(({ state }) => state.phase === 2);
      const lane = (name: "stable" | "canary", errors: number) => ({
        lane: name,
        route: "queue" as const,
        requests: 400,
        errors,
        exceptions: 0,
        overdue: 0,
        deliveries: 40,
        failedDeliveries: errors / 10,
        latency: [[120, 40]] as const,
      });
      stage.world.archiver = () => ({ series: [lane("stable", 0), lane("canary", 300)] });
      await stage.until(({ state }) => state.status !== "running", []);
      expect(stage.state.reason).toMatch(/message|queue/);
      expect(stage.rollout.view.id).toBeNull();
    }));

  it("gets no more background work from the moment of its fall, without waiting for the alarm", () =>
    onStage(async (stage) => {
      stage.open();
      await stage.until(({ state }) => state.phase === 2);
      await stage.alarm();
      const told = stage.world.orders.length;
      expect(stage.world.orders.at(-1)?.share).toBe(10);
      stage.report(bad(50, 40));
      expect(stage.state.status).toBe("rolling-back");
      await Promise.resolve();
      expect(stage.world.orders.slice(told)).toMatchObject([{ rolloutId: null, share: 0 }]);
    }));

  it("stays rolling back, telling the archiver again, until that has confirmed it", () =>
    onStage(async (stage) => {
      stage.open();
      await stage.until(({ state }) => state.phase === 2);
      await stage.alarm();
      stage.world.archiver = () => {
        throw new Error("archiver is overloaded");
      };
      stage.report(bad(50, 40));
      for (let alarms = 0; alarms < 3; alarms += 1) await stage.alarm();
      expect(stage.state).toMatchObject({ status: "rolling-back", backgroundConfirmed: false });
      const waits: number[] = [];
      for (let alarms = 0; alarms < 8; alarms += 1) {
        waits.push((stage.world.alarmAt ?? 0) - stage.world.time);
        await stage.alarm();
      }
      expect(waits).toEqual(waits.toSorted((a, b) => a - b));
      expect([waits[0] ?? 0, waits.at(-1)]).toEqual([expect.any(Number), 60_000]);
      expect(waits[0]).toBeLessThanOrEqual(4_000);
      stage.world.archiver = () => ({});
      await stage.alarm();
      expect(stage.state).toMatchObject({ status: "rolled-back", backgroundConfirmed: true });
    }));
});

describe("a report", () => {
  const requests = (stage: Stage) => stage.state.judgement?.figures.canary.read.requests;

  it("counts once, however often it comes, and each isolate by itself", () =>
    onStage(async (stage) => {
      stage.open();
      await stage.alarm();
      const five = [series({ requests: 5 })];
      for (let repeat = 0; repeat < 3; repeat += 1) stage.report(five, { sequence: 1 });
      stage.report(five, { sequence: 3 });
      stage.report(five, { sequence: 2 });
      stage.report(five, { sequence: 1, reporter: "isolate-2" });
      await stage.alarm();
      expect(requests(stage)).toBe(15);
    }));

  it("of another phase or another rollout counts nowhere", () =>
    onStage(async (stage) => {
      stage.open();
      await stage.alarm();
      stage.report(bad(50, 50), { phase: 2 });
      stage.report(bad(50, 50), { rolloutId: "another" });
      await stage.alarm();
      expect(stage.state).toMatchObject({ status: "running", firstErrorAt: null });
      expect(requests(stage)).toBe(0);
    }));

  it("with one wrong series counts without that, and it is logged", () =>
    onStage(async (stage) => {
      stage.open();
      await stage.alarm();
      const wrong: unknown[] = [
        { requests: -1 },
        { errors: Number.NaN },
        { requests: 1.5 },
        {
          latency: [
            [3, 1],
            [2, 1],
          ],
        },
        { latency: [[9_999, 1]] },
        { lane: "other" },
        { route: "" },
        { answers: { "2xx": -3 } },
        { extra: 1 },
      ];
      for (const [index, one] of wrong.entries()) {
        const broken = { ...series({}), ...(one as object) };
        expect(stage.report([series({ requests: 7 }), broken], { sequence: index })).toMatchObject({
          phase: 1,
        });
      }
      await stage.alarm();
      expect(requests(stage)).toBe(7 * wrong.length);
      expect(stage.world.logs.filter((line) => line.includes("rollout-report-refused"))).toHaveLength(
        wrong.length,
      );
    }));

  it("counts errors in the initial delay, but no latency", () =>
    onStage(async (stage) => {
      const phases = [
        { shares: { read: 10 }, soakMs: 60_000, initialDelayMs: 60_000 },
        { shares: { read: 100, write: 100, background: 100 } },
      ];
      stage.open({ phases });
      await stage.alarm();
      stage.report([series({ requests: 30, errors: 1 })]);
      await stage.alarm();
      expect(stage.state.judgement?.figures.canary.read).toMatchObject({
        requests: 30,
        errors: 1,
        p95: null,
      });
      stage.world.time += 60_000;
      stage.report([series({ requests: 30 })]);
      await stage.alarm();
      expect(stage.state.judgement?.figures.canary.read).toMatchObject({
        requests: 60,
        p95: expect.any(Number),
      });
    }));
});

describe("an object that is started again", () => {
  it("goes on with the evidence of the last alarm, and counts no report of it twice", () =>
    onStage(async (stage) => {
      stage.open();
      await stage.alarm();
      stage.report([series({ requests: 40 })], { sequence: 7 });
      await stage.alarm();
      stage.report([series({ requests: 3 })], { sequence: 8 });
      stage.restart();
      stage.report([series({ requests: 40 })], { sequence: 7 });
      stage.report([series({ requests: 2 })], { sequence: 9 });
      await stage.alarm();
      expect(stage.state.judgement?.figures.canary.read.requests).toBe(42);
    }));

  it("does not count the archiver's counts twice", () =>
    onStage(async (stage) => {
      stage.open();
      await stage.until(({ state }) => state.phase === 2);
      await stage.alarm();
      await stage.alarm();
      const [counted] = [stage.world.orders.filter(({ phase }) => phase === 2).length];
      stage.restart();
      await stage.alarm();
      const figures = stage.state.judgement?.figures.canary.background.requests;
      // Four deliveries and four runs an order.
      expect(figures).toBe(8 * (counted + 1));
    }));

  it("keeps a rollback", () =>
    onStage(async (stage) => {
      stage.open();
      await stage.alarm();
      stage.say({ kind: "rollback", reason: "the operator said so" });
      stage.restart();
      expect(stage.rollout.view).toMatchObject({ id: null, shares: { read: 0 } });
      expect(stage.state).toMatchObject({ status: "rolled-back", reason: "the operator said so" });
    }));
});

describe("a probe of the canary's cron", () => {
  it("is asked for with every order that has a share: the archiver knows whether one is due", () =>
    onStage(async (stage) => {
      stage.open();
      await stage.until(({ state }) => state.phase === 2);
      const first = stage.world.orders.length;
      expect(stage.world.orders.every(({ probe }) => !probe)).toBe(true);
      await stage.alarm();
      await stage.alarm();
      expect(stage.world.orders.slice(first).map(({ probe }) => probe)).toEqual([true, true]);
    }));
});

describe("an unreachable archiver", () => {
  it("is an error of a phase with a background share, and holds the rollout", () =>
    onStage(async (stage) => {
      stage.open();
      await stage.until(({ state }) => state.phase === 2);
      stage.world.archiver = () => {
        throw new Error("the archiver is gone");
      };
      await stage.until(({ state }) => state.status === "paused");
      expect(stage.state.pause?.why).toBe("error");
      expect(stage.state.shares.read).toBe(100);
    }));

  it("does not stop a phase without one", () =>
    onStage(async (stage) => {
      stage.world.archiver = () => {
        throw new Error("the archiver is gone");
      };
      stage.open();
      await stage.until(({ state }) => state.phase === 2);
      expect(stage.state.status).toBe("running");
    }));
});

describe("an operator", () => {
  it("may hold, resume, approve and promote; every command names who gave it", () =>
    onStage(async (stage) => {
      const phases = [
        { shares: { read: 10 }, soakMs: 600_000, maxWaitMs: 600_000 },
        { shares: { read: 100, write: 100, background: 100 }, approval: true, soakMs: INTERVAL_MS },
      ];
      stage.open({ phases });
      await stage.alarm();
      expect(stage.say({ kind: "hold", phase: 1, reason: "lunch" }).kind).toBe("changed");
      expect(stage.say({ kind: "hold", phase: 1 }).kind).toBe("unchanged");
      expect(stage.state.pause?.why).toBe("operator");
      stage.say({ kind: "resume", phase: 1 });
      expect(stage.state.status).toBe("running");
      stage.say({ kind: "promote", phase: 1 });
      expect(stage.state.pause?.why).toBe("approval");
      stage.say({ kind: "approve", phase: 2 });
      expect(stage.state).toMatchObject({ status: "running", phase: 2 });
      expect(new Set(stage.state.transitions.map(({ by }) => by))).toContain("ada");
    }));

  it("cannot open a second rollout", () =>
    onStage((stage) => {
      stage.open();
      expect(stage.rollout.start(startRequest(), "bob")).toMatchObject({
        kind: "refused",
        refusal: { kind: "active" },
      });
    }));
});

describe("a rollout that only waits", () => {
  const wait = (stage: Stage) => (stage.world.alarmAt ?? 0) - stage.world.time;

  it("alarms less and less often, until something comes in", () =>
    onStage(async (stage) => {
      stage.open();
      stage.report(goodSeries());
      await stage.alarm();
      stage.say({ kind: "hold", phase: 1 });
      for (let alarms = 0; alarms < 8; alarms += 1) await stage.alarm();
      expect(wait(stage)).toBe(60_000);
      stage.report(goodSeries(7));
      expect(wait(stage)).toBe(INTERVAL_MS);
      await stage.alarm();
      expect(stage.state.judgement?.figures.canary.read.requests).toBe(107);
    }));

  it("still takes a bad canary back at once", () =>
    onStage(async (stage) => {
      stage.open();
      stage.say({ kind: "hold", phase: 1 });
      for (let alarms = 0; alarms < 8; alarms += 1) await stage.alarm();
      stage.report(bad(50, 40));
      expect(stage.state.status).toBe("rolled-back");
    }));

  it("is judged within an interval after it was resumed", () =>
    onStage(async (stage) => {
      stage.open();
      stage.say({ kind: "hold", phase: 1 });
      for (let alarms = 0; alarms < 8; alarms += 1) await stage.alarm();
      const judgedAt = stage.state.judgement?.at;
      stage.say({ kind: "resume", phase: 1 });
      await stage.alarm();
      expect(wait(stage)).toBeLessThanOrEqual(INTERVAL_MS);
      await stage.alarm();
      expect(stage.state.judgement?.at).not.toBe(judgedAt);
    }));

  it("keeps its interval while the canary does background work, whose order runs out", () =>
    onStage(async (stage) => {
      stage.open();
      await stage.until(({ state }) => state.phase === 2);
      stage.say({ kind: "hold", phase: 2 });
      for (let alarms = 0; alarms < 8; alarms += 1) await stage.alarm();
      expect(wait(stage)).toBe(INTERVAL_MS);
    }));
});

describe("what a report is looked at for", () => {
  it("counts without a look while nothing in it is suspicious and the last look was just now", () =>
    onStage(async (stage) => {
      stage.open();
      await stage.alarm();
      const wrong = { requests: 40, answers: { "2xx text/plain": 40 } };
      const right = { lane: "stable", requests: 360, answers: { "2xx application/json": 360 } } as const;
      stage.report([series({ requests: 1 })]);
      stage.report([series(wrong), series(right)]);
      expect(stage.state.status).toBe("running");
      stage.world.time += 250;
      stage.report([series({ requests: 1 })]);
      expect(stage.state.status).toBe("rolled-back");
    }));
});

const ALL_AT_ONCE = { shares: { read: 100, write: 100, background: 100 } };

describe("copies of reads before phase 1", () => {
  const mirror = { soakMs: 2 * INTERVAL_MS, initialDelayMs: 0 };
  const copies = (told: Parameters<typeof series>[0] = {}) => [
    series({ lane: "stable", requests: 50 }),
    series({ requests: 50, ...told }),
  ];

  it("are asked for once the release was checked, and lead to phase 1 when they have passed", () =>
    onStage(async (stage) => {
      stage.rollout.start(startRequest({ mirror }), "ada");
      expect(stage.rollout.view).toMatchObject({ phase: 0, mirrorReads: 0 });
      stage.say({ kind: "begin" });
      expect(stage.rollout.view).toMatchObject({ phase: 0, mirrorReads: 100, shares: { read: 0 } });
      await stage.until(({ state }) => state.phase === 1, copies());
      expect(stage.rollout.view).toMatchObject({ mirrorReads: 0, shares: { read: 10 } });
      expect(stage.state.transitions.at(-1)?.reason).toContain("copies of reads have passed");
    }));

  it("take a bad canary back by the report that proves it, before it had a share", () =>
    onStage(async (stage) => {
      stage.open({ mirror });
      const view = stage.report(copies({ errors: 20, fallbacks: 20 }));
      expect(view.id).toBeNull();
      expect(stage.state).toMatchObject({ status: "rolled-back", phase: 0 });
      expect(stage.state.transitions.every(({ shares }) => shares.read === 0)).toBe(true);
      expect(stage.state.reason).toContain("20 of 50 canary reads");
    }));

  it("take back one that is only slower", () =>
    onStage(async (stage) => {
      stage.open({ mirror });
      await stage.until(({ state }) => state.status === "rolled-back", copies({ latency: [[150, 50]] }));
      expect(stage.state).toMatchObject({ phase: 0, judgement: { verdict: "fail" } });
    }));

  it("are counted on by an object that starts again among them", () =>
    onStage(async (stage) => {
      stage.open({ mirror });
      stage.report(copies());
      await stage.alarm();
      stage.restart();
      await stage.until(({ state }) => state.judgement !== null, []);
      expect(stage.state.judgement?.figures.canary.read.requests).toBe(50);
      await stage.until(({ state }) => state.phase === 1, copies());
    }));

  it("are not judged while they stop: what was seen grows no older", () =>
    onStage(async (stage) => {
      stage.open({ mirror, phases: [{ ...ALL_AT_ONCE, approval: true }] });
      await stage.until(({ state }) => state.pause?.why === "approval", copies());
      const { judgement } = stage.state;
      for (let alarms = 0; alarms < 10; alarms += 1) await stage.alarm();
      expect(stage.state).toMatchObject({ status: "paused", phase: 0, judgement });
    }));
});
