import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import {
  captureLogs,
  API_KEY,
  asAdmin,
  json,
  testHub,
  withKey,
  type ProblemDocument,
} from "../../../test/hub.ts";
import { as, clients, fallbackOf, FakeRollout, laneOf, stableHub } from "../../../test/lanes.ts";
import { chooseLane } from "./lane-choice.ts";

captureLogs();

const TENTH = { shares: { read: 10, write: 0, background: 0 } };

/** A client whose reads go to a lane when it has a tenth of them. */
function clientOn(lane: string, rollout: FakeRollout): string {
  const found = clients(500).find((name) => chooseLane(rollout.view, "read", `client ${name}`) === lane);
  if (found === undefined) throw new Error(`no client of 500 is on the ${lane} lane`);
  return found;
}

describe("without an active rollout", () => {
  it("everything stays on the stable lane, and nothing is counted", async () => {
    const rollout = new FakeRollout();
    rollout.close();
    const hub = stableHub(rollout);
    for (const client of clients(30)) expect(laneOf(await hub.fetch("/", as(client)))).toBe("stable");
    expect(rollout.reports).toEqual([]);
  });

  it("nothing is counted before its first phase either", async () => {
    const rollout = new FakeRollout({ phase: 0, shares: { read: 0, write: 0, background: 0 } });
    expect(laneOf(await stableHub(rollout).fetch("/"))).toBe("stable");
    expect(rollout.reports).toEqual([]);
  });
});

describe("a share of the reads", () => {
  it("is the clients' whose bucket says so, every time, and no write", async () => {
    const rollout = new FakeRollout(TENTH);
    const hub = stableHub(rollout);
    const expected = clients(100).map((client) => chooseLane(rollout.view, "read", `client ${client}`));
    const lanes = async (path: string) => {
      const answers: (string | null)[] = [];
      for (const client of clients(100)) answers.push(laneOf(await hub.fetch(path, as(client))));
      return answers;
    };
    expect(new Set(expected).size).toBe(2);
    expect(await lanes("/")).toEqual(expected);
    expect(await lanes("/tables")).toEqual(expected);
    for (const client of clients(30)) {
      expect(laneOf(await hub.fetch("/buffer", { method: "POST", ...as(client) }))).toBe("stable");
    }
  });

  it("holds for HEAD and OPTIONS, too", async () => {
    const rollout = new FakeRollout(TENTH);
    const client = clientOn("canary", rollout);
    for (const method of ["HEAD", "OPTIONS"]) {
      expect(laneOf(await stableHub(rollout).fetch("/", { method, ...as(client) }))).toBe("canary");
    }
  });
});

describe("all of the traffic", () => {
  it("goes to the canary, but never what is under /admin", async () => {
    const hub = stableHub(new FakeRollout());
    expect(laneOf(await hub.fetch("/"))).toBe("canary");
    expect(laneOf(await hub.fetch("/buffer", { method: "POST" }))).toBe("canary");
    for (const path of ["/admin", "/admin/archive/stats", "/admin/rollout"]) {
      expect(laneOf(await hub.fetch(path, { headers: asAdmin }))).toBe("stable");
    }
    expect(laneOf(await hub.fetch("/administrator"))).toBe("canary");
  });

  it("never reaches the canary through the canary itself", async () => {
    const rollout = new FakeRollout();
    const hub = testHub({ LANE: "canary", ROLLOUT: rollout.namespace() });
    expect(laneOf(await hub.fetch("/"))).toBe("canary");
    expect(rollout.asked).toBe(0);
  });
});

describe("a change of the rollout", () => {
  it("takes effect within two seconds in an isolate that has an older state", async () => {
    const rollout = new FakeRollout();
    const hub = stableHub(rollout);
    expect(laneOf(await hub.fetch("/"))).toBe("canary");
    rollout.close();
    hub.clock.advance(2_000);
    expect(laneOf(await hub.fetch("/"))).toBe("stable");
  });

  it("takes effect at once where a failure of the canary was reported", async () => {
    const rollout = new FakeRollout();
    const hub = stableHub(rollout);
    expect(laneOf(await hub.fetch("/"))).toBe("canary");
    rollout.close();
    expect(fallbackOf(await hub.fetch("/?canary-status=500"))).toBe("error");
    const next = await hub.fetch("/?canary-status=500");
    expect([laneOf(next), fallbackOf(next)]).toEqual(["stable", null]);
  });
});

describe("when the rollout object cannot be reached", () => {
  it("uses what it last knew for ten seconds, then the stable lane, and answers all the time", async () => {
    const rollout = new FakeRollout();
    const hub = stableHub(rollout);
    expect(laneOf(await hub.fetch("/"))).toBe("canary");
    rollout.reachable = false;
    hub.clock.advance(5_000);
    expect(laneOf(await hub.fetch("/"))).toBe("canary");
    hub.clock.advance(6_000);
    const response = await hub.fetch("/");
    expect([response.status, laneOf(response)]).toEqual([200, "stable"]);
  });
});

describe("the cost of routing", () => {
  it("is one call of the canary a request, one question a second and one report a batch", async () => {
    const rollout = new FakeRollout();
    const asked = vi.fn(() => new Response("ok"));
    const hub = stableHub(rollout, asked);
    await hub.fetch("/");
    expect([rollout.asked, rollout.reports.length]).toEqual([1, 1]);

    let endBatch = (): void => {};
    vi.spyOn(hub.clock, "sleep").mockReturnValue(
      new Promise((resolve) => {
        endBatch = resolve;
      }),
    );
    const coming = Promise.all(clients(100).map((client) => hub.fetch("/", as(client))));
    await vi.waitFor(() => expect(asked).toHaveBeenCalledTimes(101));
    endBatch();
    await coming;
    expect([asked.mock.calls.length, rollout.asked, rollout.reports.length]).toEqual([101, 1, 2]);
    expect(rollout.figures("canary").requests).toBe(101);
  });
});

describe("a canary that gives no answer to a write", () => {
  it("is a 502 of the canary lane, an exception for the gate, and is never asked twice", async () => {
    const rollout = new FakeRollout();
    const asked = vi.fn(() => {
      throw new Error("Worker not found: strata-hub-canary");
    });
    const response = await stableHub(rollout, asked).fetch("/buffer", json({ records: [] }, withKey));
    expect([response.status, laneOf(response)]).toEqual([502, "canary"]);
    expect(asked).toHaveBeenCalledOnce();
    expect(response.headers.get("strata-version")).toBe("canary-1");
    const problem = await response.json<ProblemDocument>();
    expect(problem.type).toBe("urn:strata:problem:canary-failed");
    expect(JSON.stringify(problem)).not.toContain("Worker not found");
    expect(rollout.figures("canary", "write")).toMatchObject({ requests: 1, errors: 1, exceptions: 1 });
  });
});

describe("the request that the canary gets", () => {
  it("is the client's: method, path, query, headers and body", async () => {
    let seen: unknown = null;
    const hub = stableHub(new FakeRollout(), async (request) => {
      const { url, method, headers } = request;
      const body = await request.text();
      seen = { url, method, body, key: headers.get("x-api-key"), id: headers.get("x-request-id") };
      return new Response("ok");
    });
    const response = await hub.fetch("/buffer?x=1&y=%20", json({ records: [1] }, withKey));
    expect(seen).toEqual({
      url: "https://hub.example/buffer?x=1&y=%20",
      method: "POST",
      body: '{"records":[1]}',
      key: API_KEY,
      id: response.headers.get("x-request-id"),
    });
  });

  it("has its body as a stream, not gathered first", async () => {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const encoder = new TextEncoder();
    const hub = stableHub(new FakeRollout(), async (request) => {
      const reader = request.body?.getReader();
      const first = await reader?.read();
      void writer.write(encoder.encode("second")).then(() => writer.close());
      const second = await reader?.read();
      return new Response(
        `${new TextDecoder().decode(first?.value)} ${new TextDecoder().decode(second?.value)}`,
      );
    });
    const answer = hub.fetch("/buffer", { method: "POST", body: readable });
    await writer.write(encoder.encode("first"));
    expect(await (await answer).text()).toBe("first second");
  });
});

describe("the lane header", () => {
  it("lets an operator choose the lane, whatever the rollout says, and such requests are not counted", async () => {
    const rollout = new FakeRollout();
    const hub = stableHub(rollout);
    const forced = (lane: string) => hub.fetch("/", { headers: { ...asAdmin, "strata-lane": lane } });
    expect(laneOf(await forced("stable"))).toBe("stable");
    expect(laneOf(await forced("canary"))).toBe("canary");
    rollout.close();
    hub.clock.advance(2_000);
    expect(laneOf(await forced("canary"))).toBe("canary");
    expect(rollout.reports).toEqual([]);
  });

  it.each([{}, withKey, { authorization: "Bearer wrong" }])(
    "is refused without the admin token: %o",
    async (headers) => {
      const response = await testHub().fetch("/", { headers: { ...headers, "strata-lane": "canary" } });
      expect(response.status).toBe(403);
      expect((await response.json<ProblemDocument>()).type).toBe("urn:strata:problem:lane-forbidden");
    },
  );

  it("is refused for a lane that does not exist", async () => {
    const response = await testHub().fetch("/", { headers: { ...asAdmin, "strata-lane": "beta" } });
    expect(response.status).toBe(400);
    expect((await response.json<ProblemDocument>()).type).toBe("urn:strata:problem:invalid-lane");
  });

  it("and the admin token with it do not reach the canary", async () => {
    let seen = new Headers();
    const hub = stableHub(new FakeRollout(), (request) => {
      seen = request.headers;
      return new Response("ok");
    });
    const headers = { ...asAdmin, ...withKey, "strata-lane": "canary", "strata-numbers": "wanted" };
    await hub.fetch("/", { headers });
    expect([seen.has("strata-lane"), seen.has("authorization"), seen.get("x-api-key")]).toEqual([
      false,
      false,
      API_KEY,
    ]);
    expect(seen.has("strata-numbers")).toBe(false);
  });
});

describe("every answer", () => {
  it("says which lane and version made it", async () => {
    const local = await testHub().fetch("/admin/no-such-thing", { headers: asAdmin });
    expect(local.headers.get("strata-version")).toBe(env.VERSION.id);
    const silent = stableHub(new FakeRollout(), () => new Response("ok"));
    expect((await silent.fetch("/")).headers.get("strata-version")).toBe("canary-1");
    const headers = { "strata-version": "told", "strata-lane": "x" };
    const answer = await stableHub(new FakeRollout(), () => new Response("ok", { headers })).fetch("/");
    expect([answer.headers.get("strata-version"), laneOf(answer)]).toEqual(["told", "canary"]);
  });

  it("keeps the canary's status, headers and streamed body", async () => {
    const hub = stableHub(new FakeRollout(), () => {
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      const writer = writable.getWriter();
      void writer.write(new TextEncoder().encode("streamed")).then(() => writer.close());
      return new Response(readable, { status: 418, headers: { "set-cookie": "a=1", etag: '"1"' } });
    });
    const answer = await hub.fetch("/");
    const { headers } = answer;
    expect([answer.status, headers.get("etag"), headers.get("set-cookie"), await answer.text()]).toEqual([
      418,
      '"1"',
      "a=1",
      "streamed",
    ]);
  });
});
