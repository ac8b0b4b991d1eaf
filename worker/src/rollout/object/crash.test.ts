/** The object's process dies at each of its calls to the world, before or after the call had its effect. */
import { reset, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import { captureLogs } from "../../../test/hub.ts";
import type { RolloutTransition } from "../contract.ts";
import { IDLE_STATE, isOpen } from "../machine/machine.ts";
import { rolloutObject } from "./stub.ts";
import { goodSeries, series, Stage, startRequest, TestWorld } from "./test-world.ts";

captureLogs();

const SLACK = "https://hooks.example/services/T000/B000/secret";
const PRE = { name: "window", url: "https://gates.example/window" };
const LOAD = { name: "load", url: "https://gates.example/load" };
const POST = { name: "tell", url: "https://gates.example/tell" };
const QUICK = { soakMs: 0, gate: { minSample: 20, passLimit: 1 } };
const PHASES = [
  { ...QUICK, shares: { read: 10, background: 5 }, webhooks: [LOAD] },
  { ...QUICK, shares: { read: 100, write: 100, background: 100 } },
];
const PLAN = { mirror: QUICK, phases: PHASES, pre: [PRE], post: [POST] };

type Act = (stage: Stage) => void;

const promote: Act = ({ state, say }) => {
  if (state.status !== "promoting") return;
  say({ kind: "promoting", worker: "archiver" });
  say({ kind: "promoting", worker: "hub" });
  say({ kind: "complete", versions: { archiver: "archiver-2", hub: "hub-2" } });
};
const good: Act = (stage) => {
  stage.report(goodSeries());
  promote(stage);
};
/** In the second phase it fails; it has been given to the archiver by then. */
const failing: Act = (stage) => {
  const { phase, status } = stage.state;
  if (phase < 2 || status !== "running") return good(stage);
  stage.report([series({ lane: "stable", requests: 500 }), series({ requests: 60, errors: 50 })]);
};
/** Held and resumed, then taken back with a script to return. */
const steered: Act = (stage) => {
  const { status, pause, phase, promoted } = stage.state;
  const held = stage.state.transitions.some(({ reason }) => reason.startsWith("held"));
  if (status === "rolling-back") stage.say({ kind: "returned", worker: "archiver" });
  else if (status === "running" && phase === 2 && !held) stage.say({ kind: "hold", phase: 2 });
  else if (pause !== null) stage.say({ kind: "resume", phase });
  else if (promoted.length > 0) stage.say({ kind: "rollback", reason: "customers complain" });
  else if (status === "promoting") stage.say({ kind: "promoting", worker: "archiver" });
  if (["preparing", "running", "paused"].includes(status)) stage.report(goodSeries());
};

/** From start to end and on until nothing waits; a process that dies is started again. */
async function live(storage: DurableObjectStorage, act: Act, world: TestWorld): Promise<Stage> {
  world.settings = { ...world.settings, NOTIFY_SLACK_URL: SLACK };
  const stage = new Stage(storage, world);
  const revive = (): void => {
    if (world.dead) stage.restart();
  };
  stage.rollout.start(startRequest(PLAN), "ada");
  revive();
  stage.say({ kind: "begin" });
  for (let turn = 0; turn < 300; turn += 1) {
    revive();
    try {
      if (isOpen(stage.state)) act(stage);
    } catch (error) {
      // Whoever gave the command or sent the report hears of it, and says it again.
      if (!world.dead) throw error;
    }
    revive();
    if (!stage.rollout.busy) return stage;
    // As the constructor of the object does where no alarm is left.
    world.alarmAt ??= world.time;
    await stage.alarm().catch(() => {});
  }
  throw new Error(`still ${stage.state.status} in phase ${stage.state.phase}: ${stage.state.reason}`);
}

/** What must hold however often it died. */
function check(
  stage: Stage,
  wanted: { readonly status: string; readonly seen: readonly string[] },
  lives = 1,
): void {
  const { state, world } = stage;
  expect(stage.lives).toBe(lives);
  expect(state.status).toBe(wanted.status);
  expect(state.backgroundConfirmed).toBe(true);
  expect(world.orders.at(-1)?.share).toBe(0);

  const order = world.recorded.toSorted((left, right) => left.revision - right.revision);
  expect(order.map(({ revision }) => revision)).toEqual(order.map((_entry, index) => index + 1));
  expect(order.at(-1)?.revision).toBe(state.revision);
  const phases = order.map(({ phase }) => phase);
  expect(phases).toEqual(phases.toSorted((left, right) => left - right));
  const seen = (status: string): boolean => order.some((entry: RolloutTransition) => entry.status === status);
  expect(wanted.seen.filter((status) => !seen(status))).toEqual([]);

  const notices = [...new Set(world.bodies(SLACK))];
  const first = notices.map((body) => world.bodies(SLACK).indexOf(body));
  expect(first).toEqual(first.toSorted((left, right) => left - right));
  expect(notices.at(-1)).toContain(wanted.status === "done" ? "promoted" : "rolled back");

  for (const { url } of [PRE, LOAD]) {
    const keys = world.received
      .filter((request) => request.url === url)
      .map(({ headers }) => headers.get("idempotency-key"));
    expect(new Set(keys).size).toBe(1);
  }
  expect(world.bodies(POST.url).length > 0).toBe(wanted.status === "done");
}

async function fresh<T>(play: (storage: DurableObjectStorage) => Promise<T>): Promise<T> {
  if (env.ROLLOUT === undefined) throw new Error("the pool gives the stable hub's bindings");
  return await runInDurableObject(rolloutObject(env.ROLLOUT), async (_instance, { storage }) => {
    for (const table of ["rollout", "set_aside", "evidence", "outbox", "asks"]) {
      storage.sql.exec(`DROP TABLE IF EXISTS ${table}`);
    }
    return await play(storage);
  });
}

afterEach(async () => {
  await reset();
});

const ENDED = ["preparing", "running"];

describe.each([
  { name: "a good release", act: good, status: "done", seen: [...ENDED, "promoting", "done"] },
  { name: "a bad release", act: failing, status: "rolled-back", seen: [...ENDED, "rolling-back"] },
  { name: "a steered release", act: steered, status: "rolled-back", seen: [...ENDED, "paused", "promoting"] },
])("$name", ({ act, ...wanted }) => {
  it.each(["before", "after"] as const)(
    "comes to the same end when the object dies %s any call",
    { timeout: 60_000 },
    async (when) => {
      const undisturbed = await fresh(async (storage) => await live(storage, act, new TestWorld()));
      check(undisturbed, wanted);
      const calls = undisturbed.world.operations;
      expect(calls).toBeGreaterThan(20);
      for (let call = 1; call <= calls; call += 1) {
        await fresh(async (storage) => {
          const world = new TestWorld();
          world.dieAt(call, when);
          const stage = await live(storage, act, world);
          check(stage, wanted, 2);
        }).catch((error: unknown) => {
          throw new Error(`dies ${when} call ${call}: ${String(error)}`, { cause: error });
        });
      }
    },
  );
});

describe("a new object", () => {
  it("is idle and sets no alarm", async () => {
    await fresh((storage) => {
      const stage = new Stage(storage);
      expect(stage.state).toEqual(IDLE_STATE);
      expect(stage.rollout.busy).toBe(false);
      return Promise.resolve();
    });
  });
});
