import { afterEach, describe, expect, it, vi } from "vitest";
import { captureLogs, withKey } from "../../../test/hub.ts";
import { as, fallbackOf, FakeRollout, laneOf, stableHub, type CanaryHandler } from "../../../test/lanes.ts";
import type { RolloutView } from "../view.ts";
import { MAX_COPIES, MAX_READ_BYTES } from "./mirror.ts";

const logLines = captureLogs();

const NOTHING = { requests: 0, errors: 0, exceptions: 0, overdue: 0, fallbacks: 0 };
const COPYING: Partial<RolloutView> = {
  phase: 0,
  shares: { read: 0, write: 0, background: 0 },
  mirrorReads: 100,
};

const copying = (view: Partial<RolloutView> = {}): FakeRollout => new FakeRollout({ ...COPYING, ...view });
const hangs = (): Promise<Response> => new Promise(() => {});

/** A canary that keeps what it was sent. */
function recorder(answer: CanaryHandler = () => Response.json({})) {
  const sent: Request[] = [];
  const handler: CanaryHandler = (request, init) => {
    sent.push(request);
    return answer(request, init);
  };
  return { sent, handler };
}

/** Until both lanes have counted so many reads. */
async function counted(rollout: FakeRollout, requests: number): Promise<void> {
  await vi.waitFor(() => {
    expect([rollout.figures("stable").requests, rollout.figures("canary").requests]).toEqual([
      requests,
      requests,
    ]);
  });
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe("a read that is copied", () => {
  it("is answered by the stable lane, and asked of the canary, too", async () => {
    const rollout = copying();
    const { sent, handler } = recorder();
    const answer = await stableHub(rollout, handler).fetch("/tables?x=1", {
      headers: { ...withKey, "strata-copy": "mine" },
    });
    expect([answer.status, laneOf(answer), fallbackOf(answer)]).toEqual([200, "stable", null]);
    await counted(rollout, 1);
    const [copy] = sent;
    expect(new URL(copy?.url ?? "").pathname + new URL(copy?.url ?? "").search).toBe("/tables?x=1");
    expect([copy?.headers.get("strata-copy"), copy?.headers.get("authorization")]).toEqual([
      "1",
      new Headers(withKey).get("authorization"),
    ]);
    expect(rollout.reports.every(({ phase }) => phase === 0)).toBe(true);
    expect(rollout.series("canary")[0]).toMatchObject({ route: "/tables", fallbacks: 0 });
  });

  it("goes over the real binding", async () => {
    const rollout = copying();
    const hub = stableHub(rollout);
    await hub.fetch("/tables", { headers: withKey });
    await counted(rollout, 1);
    expect(Object.keys(rollout.series("canary")[0]?.answers ?? {})).toEqual(
      Object.keys(rollout.series("stable")[0]?.answers ?? {}),
    );
  });

  it("is answered before the canary is asked", async () => {
    const rollout = copying();
    let answered = false;
    const { sent, handler } = recorder(() => Response.json({ answered }));
    const hub = stableHub(rollout, handler);
    await hub.fetch("/");
    answered = true;
    await counted(rollout, 1);
    expect(sent).toHaveLength(1);
  });

  it.each<readonly [string, CanaryHandler, object]>([
    ["an error", () => new Response(null, { status: 503 }), { errors: 1 }],
    ["a throw", () => Promise.reject(new Error("no such script")), { errors: 1, exceptions: 1 }],
    ["no answer", hangs, { overdue: 1 }],
  ])(
    "counts against the canary when that gives %s, as proven, and the client sees nothing of it",
    async (_, bad, expected) => {
      const rollout = copying({ overdueMs: 20 });
      const answer = await stableHub(rollout, bad).fetch("/tables", { headers: withKey });
      expect([answer.status, laneOf(answer), fallbackOf(answer)]).toEqual([200, "stable", null]);
      await counted(rollout, 1);
      expect(rollout.figures("canary")).toEqual({ ...NOTHING, requests: 1, fallbacks: 1, ...expected });
      expect(rollout.series("canary")[0]?.clients?.failed).toBe(0);
      expect(rollout.figures("stable")).toEqual({ ...NOTHING, requests: 1 });
      expect(logLines.some((line) => line.includes('"canary-copy-failed"'))).toBe(true);
    },
  );

  it.each<readonly [string, CanaryHandler, readonly [number, number]]>([
    ["nobody when both lanes fail it", () => new Response(null, { status: 500 }), [0, 0]],
    ["the stable lane when that alone fails it", () => Response.json({}), [0, 1]],
  ])("counts against %s", async (_, answer, errors) => {
    const rollout = copying();
    const hub = stableHub(rollout, answer);
    const given = await hub.fetch("/read?dataset_id=damaged&table=flights", { headers: withKey });
    expect(given.status).toBe(500);
    await counted(rollout, 1);
    expect([rollout.figures("canary").errors, rollout.figures("stable").errors]).toEqual(errors);
    expect(rollout.figures("stable").fallbacks).toBe(0);
  });

  it("shows an answer that breaks off in the middle", async () => {
    const rollout = copying();
    const hub = stableHub(rollout, () => {
      const body = new ReadableStream({
        pull(controller) {
          controller.error(new Error("planted"));
        },
      });
      return new Response(body);
    });
    await hub.fetch("/");
    await vi.waitFor(() => expect(rollout.figures("canary").exceptions).toBe(1));
    expect(rollout.figures("canary")).toMatchObject({ requests: 1, errors: 1 });
  });

  it("is read up to a bound only", async () => {
    const rollout = copying();
    const cancelled = vi.fn();
    const piece = new Uint8Array(MAX_READ_BYTES / 4);
    const headers = { "content-length": String(100 * MAX_READ_BYTES) };
    const hub = stableHub(
      rollout,
      () =>
        new Response(
          new ReadableStream({ pull: (controller) => controller.enqueue(piece), cancel: cancelled }),
          { headers },
        ),
    );
    await hub.fetch("/");
    await vi.waitFor(() => expect(cancelled).toHaveBeenCalledOnce());
    expect(rollout.figures("canary").errors).toBe(0);
  });
});

it("the mark of a copy is taken from a client's request, whoever answers it", async () => {
  const { sent, handler } = recorder();
  await stableHub(new FakeRollout(), handler).fetch("/", { headers: { "strata-copy": "1" } });
  expect(sent.map(({ headers }) => headers.get("strata-copy"))).toEqual([null]);
});

describe("what is not copied", () => {
  const body = JSON.stringify({ table: "flights", dataset_id: "a", records: [] });

  it.each<readonly [string, string, RequestInit]>([
    ["a write", "/buffer", { method: "POST", body, headers: withKey }],
    ["the operator's API", "/admin/rollout", {}],
    ["an upgrade", "/", { headers: { upgrade: "websocket" } }],
  ])("%s", async (_, path, init) => {
    const rollout = copying();
    const { sent, handler } = recorder();
    await stableHub(rollout, handler).fetch(path, init);
    expect([sent, rollout.figures("stable"), rollout.reports]).toEqual([[], NOTHING, []]);
  });

  it("anything, before the release was checked and once it has a share", async () => {
    for (const view of [{ mirrorReads: 0 }, { mirrorReads: 0, phase: 1 }]) {
      const { sent, handler } = recorder();
      await stableHub(copying(view), handler).fetch("/");
      expect(sent).toEqual([]);
    }
  });

  it("what the lot does not fall on", async () => {
    const rollout = copying({ mirrorReads: 25 });
    const { sent, handler } = recorder();
    const hub = stableHub(rollout, handler);
    const lots = [0.1, 0.3, 0.2, 0.99];
    vi.spyOn(Math, "random").mockImplementation(() => lots.shift() ?? 1);
    for (let index = 0; index < 4; index += 1) await hub.fetch("/", as(`client-${index}`));
    await counted(rollout, 2);
    expect(sent).toHaveLength(2);
  });

  it("more than so many at once: a canary that hangs piles nothing up", async () => {
    const rollout = copying({ overdueMs: 60_000 });
    const end = Promise.withResolvers<Response>();
    const { sent, handler } = recorder(() => end.promise.then(() => new Response()));
    const hub = stableHub(rollout, handler);
    const answers = Array.from({ length: MAX_COPIES + 20 }, (_, index) =>
      hub.fetch("/", as(`client-${index}`)),
    );
    // The hub of a test answers when all that it does beside is done.
    await vi.waitFor(() => expect(sent).toHaveLength(MAX_COPIES));
    await scheduler.wait(50);
    end.resolve(new Response());
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(sent).toHaveLength(MAX_COPIES);
    await counted(rollout, MAX_COPIES);
  });
});
