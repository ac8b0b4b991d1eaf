import { reset, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { createHmac } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { captureLogs } from "../../../test/hub.ts";
import { rolloutObject } from "./stub.ts";
import { goodSeries, Stage, type Received } from "./test-world.ts";
import { IDEMPOTENCY_HEADER, MAX_WAIT_MS } from "./webhooks.ts";

captureLogs();

async function onStage(play: (stage: Stage) => Promise<void>): Promise<void> {
  if (env.ROLLOUT === undefined) throw new Error("the pool gives the stable hub's bindings");
  await runInDurableObject(rolloutObject(env.ROLLOUT), async (_instance, { storage }) => {
    await play(new Stage(storage));
  });
}

afterEach(async () => {
  await reset();
});

const PRE = { name: "window", url: "https://gates.example/window", timeoutMs: 50, retries: 2 };
const LOAD = { name: "load", url: "https://gates.example/load", retries: 0 };
const POST = { name: "tell", url: "https://gates.example/tell", retries: 1 };
const PHASES = [
  { shares: { read: 10 }, soakMs: 0, gate: { passLimit: 1 }, webhooks: [LOAD] },
  { shares: { read: 100, write: 100, background: 100 }, soakMs: 0, gate: { passLimit: 1 } },
];

const status =
  (code: number, text = "", headers: Record<string, string> = {}) =>
  () =>
    new Response(text, { status: code, headers });

describe("a webhook before phase 1", () => {
  it("is asked once the rollout has begun, and lets it into phase 1 when it agrees", () =>
    onStage(async (stage) => {
      stage.open({ pre: [PRE] });
      await stage.alarm();
      expect(stage.state).toMatchObject({ status: "running", phase: 1 });
      const [asked] = stage.world.received;
      expect(asked?.url).toBe(PRE.url);
      expect(JSON.parse(asked?.body ?? "")).toMatchObject({
        event: "pre",
        rollout: stage.state.id,
        release: "r-3f2a9c01d4e5",
        phase: 0,
        figures: null,
        shares: { read: 0, write: 0, background: 0 },
        at: "2026-11-22T08:00:00.000Z",
      });
    }));

  it("is signed over time and body", () =>
    onStage(async (stage) => {
      stage.open({ pre: [PRE] });
      await stage.alarm();
      const { headers, body } = stage.world.received[0] as Received;
      const key = stage.world.settings.ROLLOUT_WEBHOOK_KEY ?? "";
      const seconds = Date.parse("2026-11-22T08:00:00Z") / 1_000;
      const mac = createHmac("sha256", key).update(`${seconds}.${body}`).digest("hex");
      expect(headers.get("strata-signature")).toBe(`t=${seconds},v1=${mac}`);
    }));

  it("is never sent unsigned", () =>
    onStage(async (stage) => {
      stage.world.settings = { ENVIRONMENT: "staging" };
      stage.restart();
      stage.open({ pre: [PRE] });
      await stage.alarm();
      expect(stage.world.received).toEqual([]);
      expect(stage.state.pause?.missing).toContain("ROLLOUT_WEBHOOK_KEY");
    }));

  it.each([
    ["429", status(429)],
    ["500", status(500)],
    ["503", status(503)],
    ["no answer", () => Promise.reject(new Error("connection refused"))],
    ["silence", () => new Promise<Response>(() => {})],
  ])("is asked again after %s, then counts as unreachable", (_name, answer) =>
    onStage(async (stage) => {
      stage.world.answer = answer;
      stage.open({ pre: [PRE] });
      await stage.alarm();
      expect(stage.world.received).toHaveLength(3);
      expect(stage.world.slept).toEqual([1_000, 2_000]);
      expect(new Set(stage.world.received.map(({ headers }) => headers.get(IDEMPOTENCY_HEADER))).size).toBe(
        1,
      );
      expect(stage.state).toMatchObject({ status: "paused", phase: 0, pause: { why: "webhook" } });
    }),
  );

  it("waits as long as it is told, within bounds", () =>
    onStage(async (stage) => {
      const waits = ["7", "86400"];
      stage.world.answer = () => {
        const wait = waits.shift();
        return wait === undefined
          ? new Response("ok")
          : new Response("", { status: 503, headers: { "retry-after": wait } });
      };
      stage.open({ pre: [PRE] });
      await stage.alarm();
      expect(stage.world.slept).toEqual([7_000, MAX_WAIT_MS]);
      expect(stage.state.phase).toBe(1);
    }));

  it.each([
    ["403", status(403, "not in the change window")],
    ["a redirect, which is not followed", status(302, "", { location: "https://elsewhere.example/" })],
  ])("refuses by %s", (_name, answer) =>
    onStage(async (stage) => {
      stage.world.answer = answer;
      stage.open({ pre: [PRE] });
      await stage.alarm();
      expect(stage.world.received).toHaveLength(1);
      expect(stage.state.status).toBe("rolled-back");
      expect(stage.state.reason).toContain("webhook window refused");
    }),
  );
});

describe("a webhook of a phase", () => {
  it("is asked when the gate has passed, with the figures, and the phase is left when it agrees", () =>
    onStage(async (stage) => {
      stage.open({ phases: PHASES });
      await stage.alarm();
      await stage.alarm();
      expect(stage.world.received).toEqual([]);
      stage.report(goodSeries());
      await stage.alarm();
      const body = JSON.parse(stage.world.bodies(LOAD.url)[0] ?? "");
      expect(body).toMatchObject({ event: "phase", phase: 1, shares: { read: 10 } });
      expect(body.figures.canary.read.requests).toBe(100);
      expect(stage.state.phase).toBe(2);
    }));

  it("pauses the phase when it refuses, and is a new question after `resume`", () =>
    onStage(async (stage) => {
      stage.world.answer = status(409, `${"error budget is spent ".repeat(100)}`);
      stage.open({ phases: PHASES });
      await stage.until(({ state }) => state.status === "paused");
      expect(stage.state).toMatchObject({ phase: 1, pause: { why: "webhook" } });
      expect(stage.state.pause?.missing).toContain("409 error budget is spent");
      expect(stage.state.pause?.missing.length).toBeLessThan(1_200);
      stage.world.answer = () => new Response("ok");
      stage.say({ kind: "resume", phase: 1 });
      await stage.until(({ state }) => state.phase === 2);
      const keys = stage.world.received.map(({ headers }) => headers.get(IDEMPOTENCY_HEADER));
      expect(new Set(keys).size).toBe(2);
    }));

  it(
    "does not keep the judge from taking a bad canary back while it has not answered",
    () =>
      onStage(async (stage) => {
        let answer: (response: Response) => void = () => {};
        stage.world.answer = () =>
          new Promise((resolve) => {
            answer = resolve;
          });
        stage.open({ phases: PHASES });
        await stage.alarm();
        stage.report(goodSeries());
        stage.world.time += 5_000;
        await stage.rollout.alarm();
        expect(stage.state.status).toBe("running");
        await stage.rollout.alarm();
        expect(stage.world.received).toHaveLength(1);
        const failing = goodSeries().map((one) => (one.lane === "canary" ? { ...one, errors: 90 } : one));
        expect(stage.report(failing).id).toBeNull();
        answer(new Response("ok"));
        await stage.rollout.settled();
        expect(stage.state.status).toBe("rolled-back");
      }),
    15_000,
  );

  it(
    "is sent again, as the same question, when the object dies in between",
    () =>
      onStage(async (stage) => {
        stage.world.answer = () => new Promise(() => {});
        stage.open({ phases: PHASES });
        await stage.alarm();
        stage.report(goodSeries());
        stage.world.time += 5_000;
        await stage.rollout.alarm();
        stage.restart();
        stage.world.answer = () => new Response("ok");
        await stage.until(({ state }) => state.phase === 2);
        const keys = stage.world.received.map(({ headers }) => headers.get(IDEMPOTENCY_HEADER));
        expect(keys.length).toBe(2);
        expect(new Set(keys).size).toBe(1);
      }),
    15_000,
  );
});

describe("a webhook after the promotion", () => {
  it("is told, and tried again, and changes nothing by its answer", () =>
    onStage(async (stage) => {
      stage.world.answer = status(500);
      stage.open({ post: [POST] });
      await stage.until(({ state }) => state.status === "promoting");
      stage.say({ kind: "promoting", worker: "archiver" });
      stage.say({ kind: "promoting", worker: "hub" });
      stage.say({ kind: "complete", versions: { archiver: "archiver-2", hub: "hub-2" } });
      await stage.until(({ rollout }) => !rollout.busy, []);
      expect(stage.world.bodies(POST.url)).toHaveLength(2);
      expect(JSON.parse(stage.world.bodies(POST.url)[0] ?? "")).toMatchObject({ event: "post" });
      expect(stage.state.status).toBe("done");
    }));
});
