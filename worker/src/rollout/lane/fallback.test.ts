import { env } from "cloudflare:workers";
import * as fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { asAdmin, captureLogs, json, withKey, type ProblemDocument } from "../../../test/hub.ts";
import { createHub } from "../../app.ts";
import {
  canary,
  fallbackOf,
  FakeRollout,
  laneOf,
  stableHub,
  type CanaryHandler,
} from "../../../test/lanes.ts";

const logLines = captureLogs();

const NOTHING = { requests: 0, errors: 0, exceptions: 0, overdue: 0, fallbacks: 0 };

/** Short enough for a test; what hangs, hangs whatever it is. */
const SOON = { overdueMs: 20 };

const hangs = (): Promise<Response> => new Promise(() => {});

afterEach(() => {
  vi.useRealTimers();
});

describe("a read that the canary fails", () => {
  it.each(["GET", "HEAD", "OPTIONS"])(
    "is answered by the stable lane, which says why: %s",
    async (method) => {
      const rollout = new FakeRollout();
      const hub = stableHub(rollout, () => new Response("broken", { status: 500 }));
      const answer = await hub.fetch("/", { method });
      expect([laneOf(answer), fallbackOf(answer)]).toEqual(["stable", "error"]);
      expect(answer.status).toBe(method === "OPTIONS" ? 405 : 200);
    },
  );

  it("is answered over the real binding, too: an error, a throw, and one that is overdue", async () => {
    const rollout = new FakeRollout({ overdueMs: 200 });
    const hub = stableHub(rollout);
    for (const [query, reason] of [
      ["canary-status=503", "error"],
      ["canary-throw", "exception"],
      ["canary-wait=60000", "overdue"],
    ] as const) {
      const answer = await hub.fetch(`/?${query}`);
      expect([answer.status, laneOf(answer), fallbackOf(answer)]).toEqual([200, "stable", reason]);
      expect(await answer.json()).toMatchObject({ links: { health: "/health" } });
    }
    expect(rollout.figures("canary")).toEqual({
      requests: 3,
      errors: 2,
      exceptions: 1,
      overdue: 1,
      fallbacks: 3,
    });
  });

  it("counts as the canary's error and as a fallback, and not on the stable lane", async () => {
    const rollout = new FakeRollout();
    const hub = stableHub(rollout, () => new Response(null, { status: 503 }));
    await hub.fetch("/tables", { headers: withKey });
    expect(rollout.figures("canary")).toEqual({ ...NOTHING, requests: 1, errors: 1, fallbacks: 1 });
    expect(rollout.figures("stable")).toEqual(NOTHING);
    expect(rollout.series("canary")[0]).toMatchObject({ route: "/tables", answers: { "any → 5xx none": 1 } });
  });

  it("is told to the object at once, in one report", async () => {
    const rollout = new FakeRollout();
    const hub = stableHub(rollout, () => new Response(null, { status: 500 }));
    const waits = vi.spyOn(hub.clock, "sleep");
    await hub.fetch("/");
    expect(waits).not.toHaveBeenCalled();
    expect(rollout.reports).toHaveLength(1);
  });

  it("leaves nothing of the canary's answer behind", async () => {
    const cancelled = vi.fn();
    const hub = stableHub(
      new FakeRollout(),
      () => new Response(new ReadableStream({ cancel: cancelled }), { status: 500 }),
    );
    await hub.fetch("/");
    expect(cancelled).toHaveBeenCalledOnce();
  });

  it("is logged with its reason and its route, and without its query", async () => {
    await stableHub(new FakeRollout(), () => new Response(null, { status: 500 })).fetch("/?q=1");
    const line = logLines.find((text) => text.includes('"canary-fallback"'));
    expect(JSON.parse(line ?? "{}")).toMatchObject({ level: "warn", reason: "error", route: "/" });
    expect(line).not.toContain("q=1");
  });

  it("is logged with what the canary threw", async () => {
    await stableHub(new FakeRollout(), () => Promise.reject(new Error("no such script"))).fetch("/");
    expect(
      logLines.some((line) => line.includes('"canary-exception"') && line.includes("no such script")),
    ).toBe(true);
  });

  it("is the stable lane's failure to the client when that fails as well, and no fault of the canary", async () => {
    const rollout = new FakeRollout();
    const hub = stableHub(rollout, () => new Response(null, { status: 500 }));
    const answer = await hub.fetch("/read?dataset_id=damaged&table=flights", { headers: withKey });
    expect([answer.status, laneOf(answer), fallbackOf(answer)]).toEqual([500, "stable", "error"]);
    expect((await answer.json<ProblemDocument>()).type).toBe("urn:strata:problem:unreadable-data");
    expect([rollout.figures("canary").errors, rollout.figures("stable").requests]).toEqual([0, 0]);
  });
});

describe("a read that the canary does not begin to answer", () => {
  it("is answered by the stable lane, counts as overdue and not as an error", async () => {
    const rollout = new FakeRollout(SOON);
    const answer = await stableHub(rollout, hangs).fetch("/");
    expect([answer.status, laneOf(answer), fallbackOf(answer)]).toEqual([200, "stable", "overdue"]);
    expect(rollout.figures("canary")).toEqual({ ...NOTHING, requests: 1, overdue: 1, fallbacks: 1 });
    expect(rollout.figures("stable")).toEqual(NOTHING);
  });

  it("counts with the time that it was waited for", async () => {
    const rollout = new FakeRollout(SOON);
    await stableHub(rollout, hangs).fetch("/");
    expect(rollout.series("canary")[0]?.latency.map(([, count]) => count)).toEqual([1]);
  });

  it("is aborted, so that it holds no memory", async () => {
    let signal: AbortSignal | null | undefined;
    const hub = stableHub(new FakeRollout(SOON), (_request, init) => {
      signal = init?.signal;
      return hangs();
    });
    await hub.fetch("/");
    expect(signal?.aborted).toBe(true);
  });

  it("is let go when it answers after all, and changes no count", async () => {
    const rollout = new FakeRollout(SOON);
    const cancelled = vi.fn();
    let answerLate = (): void => {};
    const hub = stableHub(
      rollout,
      () =>
        new Promise((resolve) => {
          answerLate = () =>
            resolve(new Response(new ReadableStream({ cancel: cancelled }), { status: 500 }));
        }),
    );
    await hub.fetch("/");
    const before = rollout.figures("canary");
    answerLate();
    await vi.waitFor(() => expect(cancelled).toHaveBeenCalledOnce());
    await hub.fetch("/?next", { headers: { ...asAdmin, "strata-lane": "stable" } });
    expect(rollout.figures("canary")).toEqual(before);
  });
});

describe("no other lane answers", () => {
  it.each(["POST", "PUT", "PATCH", "DELETE"])("for a write: %s", async (method) => {
    const asked = vi.fn(() => new Response("broken", { status: 500 }));
    const rollout = new FakeRollout();
    const answer = await stableHub(rollout, asked).fetch("/buffer", { method });
    expect([answer.status, laneOf(answer), fallbackOf(answer)]).toEqual([500, "canary", null]);
    expect(asked).toHaveBeenCalledOnce();
    expect(rollout.figures("canary", "write")).toEqual({ ...NOTHING, requests: 1, errors: 1 });
  });

  it("for a read when the plan forbids it", async () => {
    const rollout = new FakeRollout({ fallbackReads: false });
    const answer = await stableHub(rollout, () => new Response("broken", { status: 500 })).fetch("/");
    expect([answer.status, laneOf(answer), await answer.text()]).toEqual([500, "canary", "broken"]);
    expect(rollout.figures("canary")).toEqual({ ...NOTHING, requests: 1, errors: 1 });
  });

  it("when an operator asks for the canary", async () => {
    const rollout = new FakeRollout();
    const headers = { ...asAdmin, "strata-lane": "canary" };
    const failing = stableHub(rollout, () => new Response(null, { status: 500 }));
    expect((await failing.fetch("/", { headers })).status).toBe(500);
    const throwing = stableHub(rollout, () => Promise.reject(new Error("gone")));
    expect((await throwing.fetch("/", { headers })).status).toBe(502);
    expect(rollout.reports).toEqual([]);
  });

  it.each([400, 401, 404, 422, 429, 499])("for what is the client's fault: %i", async (status) => {
    const rollout = new FakeRollout();
    const answer = await stableHub(rollout).fetch(`/?canary-status=${status}`);
    expect([answer.status, laneOf(answer), fallbackOf(answer)]).toEqual([status, "canary", null]);
    expect(rollout.figures("canary")).toEqual({ ...NOTHING, requests: 1 });
  });

  it("once the answer has begun", async () => {
    const rollout = new FakeRollout();
    const answer = await stableHub(rollout).fetch("/read?canary-body=broken");
    await expect(answer.text()).rejects.toThrow(/./);
    await vi.waitFor(() =>
      expect(rollout.figures("canary")).toEqual({ ...NOTHING, requests: 1, errors: 1, exceptions: 1 }),
    );
  });
});

describe("whatever the canary does with reads", () => {
  const BAD: Readonly<Record<string, CanaryHandler>> = {
    error: () => new Response("broken", { status: 500 }),
    unavailable: () => new Response(null, { status: 503 }),
    exception: () => Promise.reject(new Error("boom")),
    overdue: hangs,
    fine: () => new Response("fine"),
  };

  it("no client sees a failed read, and the sums are the requests made, each counted once", async () => {
    const kinds = Object.keys(BAD);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...kinds), { minLength: 1, maxLength: 12 }), async (plan) => {
        const rollout = new FakeRollout({ overdueMs: 5 });
        const hub = stableHub(rollout, (request) =>
          (BAD[new URL(request.url).searchParams.get("kind") ?? ""] ?? hangs)(request),
        );
        const answers = await Promise.all(plan.map((kind) => hub.fetch(`/?kind=${kind}`)));
        expect(answers.map(({ status }) => status)).toEqual(plan.map(() => 200));
        const count = (...names: string[]) => plan.filter((kind) => names.includes(kind)).length;
        expect(rollout.figures("canary")).toEqual({
          requests: plan.length,
          errors: count("error", "unavailable", "exception"),
          exceptions: count("exception"),
          overdue: count("overdue"),
          fallbacks: plan.length - count("fine"),
        });
      }),
      { numRuns: 40 },
    );
  });
});

describe("a write that the canary hangs on", () => {
  it("counts as overdue before it ends, is a 504 in the end, and then its error is added", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const rollout = new FakeRollout();
    let signal: AbortSignal | null | undefined;
    const hub = stableHub(rollout, (_request, init) => {
      signal = init?.signal;
      return hangs();
    });
    const coming = hub.fetch("/buffer", json({ records: [] }, withKey));
    await vi.advanceTimersByTimeAsync(rollout.view.overdueMs);
    expect(rollout.figures("canary", "write")).toEqual({ ...NOTHING, requests: 1, overdue: 1 });
    await vi.advanceTimersByTimeAsync(30_000);
    const answer = await coming;
    expect([answer.status, laneOf(answer), signal?.aborted]).toEqual([504, "canary", true]);
    expect((await answer.json<ProblemDocument>()).type).toBe("urn:strata:problem:canary-timeout");
    expect(rollout.figures("canary", "write")).toEqual({
      ...NOTHING,
      requests: 1,
      errors: 1,
      exceptions: 1,
      overdue: 1,
    });
    expect(rollout.series("canary", "write")[0]?.latency).toHaveLength(1);
  });

  it("counts as overdue though its client has gone: it keeps itself alive until then", async () => {
    const rollout = new FakeRollout(SOON);
    const kept: Promise<unknown>[] = [];
    const context = {
      waitUntil: (work: Promise<unknown>) => kept.push(work),
      passThroughOnException: () => {},
    };
    const bindings = { ...env, ROLLOUT: rollout.namespace(), ...canary(hangs) };
    const request = new Request("https://hub.example/buffer", { method: "POST" });
    void createHub().fetch(request, bindings, context as unknown as ExecutionContext);
    await vi.waitFor(() => expect(kept).not.toEqual([]));
    for (const work of kept) await work;
    expect(rollout.figures("canary", "write")).toEqual({ ...NOTHING, requests: 1, overdue: 1 });
  });

  it("that answers late adds its time and kind, and is one request", async () => {
    const rollout = new FakeRollout(SOON);
    let answerLate = (): void => {};
    const hub = stableHub(
      rollout,
      () =>
        new Promise((resolve) => {
          answerLate = () => resolve(Response.json({ accepted: 1 }, { status: 202 }));
        }),
    );
    const coming = hub.fetch("/buffer", json({ records: [] }, withKey));
    await vi.waitFor(() => expect(rollout.figures("canary", "write").overdue).toBe(1));
    expect(rollout.series("canary", "write")[0]?.latency).toEqual([]);
    answerLate();
    expect((await coming).status).toBe(202);
    expect(rollout.figures("canary", "write")).toEqual({ ...NOTHING, requests: 1, overdue: 1 });
    expect(rollout.series("canary", "write")[0]?.answers).toEqual({ "any → 2xx application/json": 1 });
    expect(rollout.series("canary", "write")[0]?.latency).toHaveLength(1);
  });
});
