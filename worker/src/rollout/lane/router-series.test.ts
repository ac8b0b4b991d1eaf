import * as fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { captureLogs, json, testHub, withKey } from "../../../test/hub.ts";
import type { Env } from "../../env.generated.ts";
import { archiverOf, as, canary, clients, FakeRollout, laneOf, stableHub } from "../../../test/lanes.ts";
import { bucketOf } from "../judge/histogram.ts";
import { clientGroup } from "./lane-choice.ts";

captureLogs();

const TENTH = { shares: { read: 10, write: 0, background: 0 } };
const NONE = { shares: { read: 0, write: 0, background: 0 } };
const PAGE = "/read?dataset_id=airport:ATL&table=flights";

describe("what is counted", () => {
  it("is every request once, by lane, class and route, and the sums are the requests made", async () => {
    const request = fc.record({
      client: fc.constantFrom(...clients(40)),
      method: fc.constantFrom("GET", "HEAD", "OPTIONS", "POST", "DELETE"),
      path: fc.constantFrom("/", "/tables", "/buffer", "/read", "/nowhere", "/health", "/admin/rollout"),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(request, { maxLength: 30 }), async (requests) => {
        const rollout = new FakeRollout({ shares: { read: 50, write: 30, background: 0 } });
        const hub = stableHub(rollout, () => new Response("ok"));
        const made = { stable: { read: 0, write: 0 }, canary: { read: 0, write: 0 } };
        for (const { client, method, path } of requests) {
          const lane = laneOf(await hub.fetch(path, { method, ...as(client) }));
          const traffic = ["POST", "DELETE"].includes(method) ? "write" : "read";
          if (!path.startsWith("/admin")) made[lane === "canary" ? "canary" : "stable"][traffic] += 1;
        }
        for (const lane of ["stable", "canary"] as const) {
          for (const traffic of ["read", "write"] as const) {
            const { requests: counted, errors } = rollout.figures(lane, traffic);
            expect([counted, errors]).toEqual([made[lane][traffic], 0]);
            const answers = rollout.series(lane, traffic).flatMap((series) => Object.values(series.answers));
            expect(answers.reduce((sum, count) => sum + count, 0)).toBe(counted);
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  it("is the answers' kind, on both lanes alike", async () => {
    const rollout = new FakeRollout(NONE);
    await stableHub(rollout).fetch("/");
    await stableHub(rollout).fetch("/nowhere");
    expect(rollout.series("stable").map(({ route, answers }) => [route, answers])).toEqual([
      ["/", { "any → 2xx application/json": 1 }],
      ["other", { "any → 4xx application/problem+json": 1 }],
    ]);
    const open = new FakeRollout();
    await stableHub(open).fetch("/");
    expect(open.series("canary")[0]?.answers).toEqual({ "any → 2xx application/json": 1 });
  });

  it("is the time to the answer's head, on both lanes alike, without the time to ask for the rollout", async () => {
    const histogram = async (rollout: FakeRollout) => {
      const hub = testHub({
        ROLLOUT: rollout.namespace(),
        ...canary(() => {
          hub.clock.advance(70);
          return new Response("ok");
        }),
        ARCHIVER: {
          tables: () => {
            hub.clock.advance(70);
            return Promise.resolve([]);
          },
        } as unknown as Env["ARCHIVER"],
      });
      await hub.fetch("/tables", { headers: withKey });
      return rollout.series(rollout.view.shares.read === 0 ? "stable" : "canary")[0]?.latency;
    };
    expect(await histogram(new FakeRollout())).toEqual([[bucketOf(70), 1]]);
    expect(await histogram(new FakeRollout(NONE))).toEqual([[bucketOf(70), 1]]);
  });

  it("does not blame the canary for failures of the stable lane", async () => {
    const rollout = new FakeRollout(NONE);
    const ARCHIVER = { health: () => Promise.reject(new Error("gone")) } as unknown as Env["ARCHIVER"];
    const hub = testHub({ ROLLOUT: rollout.namespace(), ARCHIVER });
    const response = await hub.fetch("/health");
    expect([response.status, laneOf(response)]).toEqual([503, "stable"]);
    expect(rollout.figures("stable")).toMatchObject({ requests: 1, errors: 1, exceptions: 0 });
    expect(rollout.figures("canary").requests).toBe(0);
  });

  it("is that a request of the stable lane is overdue, before it has ended", async () => {
    const rollout = new FakeRollout({ ...NONE, overdueMs: 20 });
    let answer = (): void => {};
    const ARCHIVER = {
      tables: () =>
        new Promise((resolve) => {
          answer = () => resolve([]);
        }),
    } as unknown as Env["ARCHIVER"];
    const coming = testHub({ ROLLOUT: rollout.namespace(), ARCHIVER }).fetch("/tables", { headers: withKey });
    await vi.waitFor(() =>
      expect(rollout.figures("stable")).toMatchObject({ requests: 1, overdue: 1, fallbacks: 0 }),
    );
    answer();
    expect((await coming).headers.has("strata-fallback")).toBe(false);
    await vi.waitFor(() => expect(rollout.series("stable")[0]?.latency).toHaveLength(1));
    expect(rollout.figures("stable")).toMatchObject({ requests: 1, overdue: 1, errors: 0 });
  });
});

describe("the clients concerned", () => {
  const bitOf = (client: string) => 2 ** clientGroup(`client ${client}`);
  const failing = () => new Response(null, { status: 500 });

  it("are in the series as groups: all of them, and by the kind of their answers", async () => {
    for (const rollout of [new FakeRollout(), new FakeRollout(NONE)]) {
      const hub = stableHub(rollout);
      await hub.fetch("/", as("a"));
      await hub.fetch("/", as("b"));
      const both = bitOf("a") + bitOf("b");
      const lane = rollout.view.shares.read === 0 ? "stable" : "canary";
      expect(rollout.series(lane)[0]?.clients).toEqual({
        seen: both,
        failed: 0,
        answers: { "any → 2xx application/json": both },
      });
    }
  });

  it("have failed with an error of a write, on the canary", async () => {
    const rollout = new FakeRollout();
    await stableHub(rollout, failing).fetch("/buffer", { method: "POST", ...as("a") });
    expect(rollout.series("canary", "write")[0]?.clients).toMatchObject({
      seen: bitOf("a"),
      failed: bitOf("a"),
    });
  });

  it("have failed with an error of a read on the stable lane, which nobody refutes", async () => {
    const rollout = new FakeRollout(NONE);
    const headers = { ...withKey, "strata-client": "a" };
    await stableHub(rollout).fetch("/read?dataset_id=damaged&table=flights", { headers });
    expect(rollout.series("stable")[0]).toMatchObject({ errors: 1, clients: { failed: bitOf("a") } });
  });

  it("have not failed where the stable lane proved that it was the canary: an error and an overdue one", async () => {
    const rollout = new FakeRollout({ overdueMs: 20 });
    await stableHub(rollout, failing).fetch("/", as("a"));
    await stableHub(rollout, () => new Promise(() => {})).fetch("/", as("a"));
    expect(rollout.figures("canary")).toMatchObject({ requests: 2, errors: 1, overdue: 1 });
    expect(rollout.series("canary")[0]?.clients).toMatchObject({ seen: bitOf("a"), failed: 0 });
  });
});

describe("numbers that features report", () => {
  const numbersOf = (rollout: FakeRollout, lane: "stable" | "canary") =>
    rollout.series(lane)[0]?.numbers["records_read"];

  it("are counted on the stable lane as they are", async () => {
    const rollout = new FakeRollout(NONE);
    const hub = testHub({ ROLLOUT: rollout.namespace(), ...archiverOf(20) });
    for (let index = 0; index < 3; index += 1) await hub.fetch(PAGE, { headers: withKey });
    expect(numbersOf(rollout, "stable")).toEqual({ count: 3, sum: 60, histogram: [[bucketOf(20), 3]] });
  });

  it("come from the canary, so that one that finds half of the records is seen, and no client reads them", async () => {
    const rollout = new FakeRollout();
    const half = testHub({ LANE: "canary", ...archiverOf(10) });
    const hub = stableHub(rollout, (request) =>
      half.fetch(new URL(request.url).pathname + new URL(request.url).search, request),
    );
    const answer = await hub.fetch(PAGE, { headers: withKey });
    expect([answer.status, laneOf(answer), answer.headers.has("strata-numbers")]).toEqual([
      200,
      "canary",
      false,
    ]);
    expect(numbersOf(rollout, "canary")).toEqual({ count: 1, sum: 10, histogram: [[bucketOf(10), 1]] });
  });

  it("cannot be forged or asked for by a client of either lane", async () => {
    const headers = { ...withKey, "strata-numbers": "records_read=1000000" };
    const stable = new FakeRollout(NONE);
    const own = testHub({ ROLLOUT: stable.namespace(), ...archiverOf(20) });
    expect((await own.fetch(PAGE, { headers })).headers.has("strata-numbers")).toBe(false);
    expect(numbersOf(stable, "stable")?.sum).toBe(20);

    let sent: string | null = null;
    const open = new FakeRollout();
    const hub = stableHub(open, (request) => {
      sent = request.headers.get("strata-numbers");
      return new Response("ok");
    });
    await hub.fetch(PAGE, { headers });
    expect(sent).toBe("wanted");
    expect(numbersOf(open, "canary")).toBeUndefined();
  });

  it("that the canary makes up are dropped, and the answer stands", async () => {
    const rollout = new FakeRollout();
    const headers = { "strata-numbers": "records_read=NaN;<script>=1;fine=2" };
    const answer = await stableHub(rollout, () => new Response("ok", { headers })).fetch("/");
    expect(await answer.text()).toBe("ok");
    expect(Object.keys(rollout.series("canary")[0]?.numbers ?? {})).toEqual(["fine"]);
  });

  it("are reported of writes, too", async () => {
    const rollout = new FakeRollout(TENTH);
    const body = { dataset_id: "airport:ATL", table: "flights", records: [{ delay: 1 }, { delay: 2 }] };
    await stableHub(rollout).fetch("/buffer", json(body, withKey));
    expect(rollout.series("stable", "write")[0]?.numbers["records_taken"]).toMatchObject({
      count: 1,
      sum: 2,
    });
  });
});
