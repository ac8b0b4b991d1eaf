import { evictDurableObject, reset } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  captureLogs,
  API_KEY,
  asAdmin,
  json,
  testHub,
  withKey,
  type ProblemDocument,
  type TestHub,
} from "../../test/hub.ts";
import { PHASE_SHARES, type RolloutState } from "./contract.ts";
import { chooseLane } from "./lane-choice.ts";
import { rolloutObject } from "./object.ts";

captureLogs();

const RELEASE = { tag: "r-3f2a9c01d4e5", canaryVersion: "canary-1", stableVersion: "hub-1" };

let hub: TestHub;

async function command(path: string, body: unknown): Promise<RolloutState> {
  return await (await testHub().fetch(`/admin/rollout${path}`, json(body, asAdmin))).json<RolloutState>();
}

async function state(): Promise<RolloutState> {
  return await (await testHub().fetch("/admin/rollout", { headers: asAdmin })).json<RolloutState>();
}

async function begin(phase: 1 | 2 | 3, gate = {}): Promise<string> {
  const { id } = await command("/start", { release: RELEASE, gate });
  await command(`/${id}/phase`, { phase });
  return id ?? "";
}

const laneOf = (response: Response) => response.headers.get("strata-lane");

const as = (client: string): RequestInit => ({ headers: { "strata-client": client } });
const clients = (count: number) => Array.from({ length: count }, (_, index) => `client-${index}`);

/** Clients of the rollout that is active, by the lane of their reads. */
async function clientOn(lane: string): Promise<string> {
  for (const client of clients(500)) {
    if (laneOf(await hub.fetch("/", as(client))) === lane) return client;
  }
  throw new Error(`no client of 500 is on the ${lane} lane`);
}

/** A canary that does what a test says. */
function canary(answer: (request: Request) => Response | Promise<Response>): { readonly CANARY: Fetcher } {
  return {
    CANARY: { fetch: (request: Request) => Promise.resolve(request).then(answer) } as unknown as Fetcher,
  };
}

beforeEach(() => {
  hub = testHub();
});
afterEach(async () => {
  await reset();
});

describe("without an active rollout", () => {
  it("everything stays on the stable lane, and nothing is counted", async () => {
    for (const client of clients(30)) expect(laneOf(await hub.fetch("/", as(client)))).toBe("stable");
    const { id } = await command("/start", { release: RELEASE });
    expect((await state()).counts.stable.read.requests).toBe(0);
    await command(`/${id}/rollback`, { reason: "over" });
    hub.clock.advance(2_000);
    for (const client of clients(30)) expect(laneOf(await hub.fetch("/", as(client)))).toBe("stable");
  });
});

describe("phase 1", () => {
  it("sends the clients' reads where their bucket says, every time, and no write to the canary", async () => {
    const id = await begin(1);
    const view = { id, phase: 1, shares: PHASE_SHARES[1], canaryVersion: null } as const;
    const expected = clients(100).map((client) => chooseLane(view, "read", `client ${client}`));
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

  it("counts both lanes by class, and every request once", async () => {
    await begin(1);
    const lanes: (string | null)[] = [];
    for (const client of clients(100)) lanes.push(laneOf(await hub.fetch("/", as(client))));
    for (const client of clients(10)) await hub.fetch("/buffer", { method: "POST", ...as(client) });
    const onCanary = lanes.filter((lane) => lane === "canary").length;
    expect((await state()).counts).toEqual({
      stable: { read: { requests: 100 - onCanary, errors: 0 }, write: { requests: 10, errors: 0 } },
      canary: { read: { requests: onCanary, errors: 0 }, write: { requests: 0, errors: 0 } },
    });
  });

  it("takes HEAD and OPTIONS as reads", async () => {
    await begin(1);
    const client = await clientOn("canary");
    for (const method of ["HEAD", "OPTIONS"]) {
      expect(laneOf(await hub.fetch("/", { method, ...as(client) }))).toBe("canary");
    }
  });
});

describe("later phases", () => {
  it("keep a client on the canary, and add its writes", async () => {
    const id = await begin(1);
    const client = await clientOn("canary");
    await command(`/${id}/phase`, { phase: 2 });
    hub.clock.advance(2_000);
    expect(laneOf(await hub.fetch("/", as(client)))).toBe("canary");
    expect(laneOf(await hub.fetch("/buffer", { method: "POST", ...as(client) }))).toBe("canary");
    const stable = clients(40).map((name) => hub.fetch("/", as(name)));
    expect(new Set((await Promise.all(stable)).map(laneOf))).toEqual(new Set(["canary"]));
  });

  it("send everything, but never what is under /admin", async () => {
    await begin(3);
    expect(laneOf(await hub.fetch("/"))).toBe("canary");
    expect(laneOf(await hub.fetch("/buffer", { method: "POST" }))).toBe("canary");
    for (const path of ["/admin", "/admin/archive/stats", "/admin/rollout"]) {
      expect(laneOf(await hub.fetch(path, { headers: asAdmin }))).toBe("stable");
    }
    expect(laneOf(await hub.fetch("/administrator"))).toBe("canary");
  });
});

describe("a change of the rollout", () => {
  it("takes effect within two seconds in an isolate that has an older state", async () => {
    const id = await begin(3);
    expect(laneOf(await hub.fetch("/"))).toBe("canary");
    await command(`/${id}/rollback`, { reason: "over" });
    hub.clock.advance(2_000);
    expect(laneOf(await hub.fetch("/"))).toBe("stable");
  });

  it("is not undone by a restart of the object", async () => {
    await begin(3);
    if (env.ROLLOUT !== undefined) await evictDurableObject(rolloutObject(env.ROLLOUT));
    expect(laneOf(await hub.fetch("/"))).toBe("canary");
  });
});

describe("when the rollout object cannot be reached", () => {
  it("uses what it last knew for ten seconds, then the stable lane, and answers all the time", async () => {
    await begin(3);
    let reachable = true;
    const real = env.ROLLOUT;
    const ROLLOUT = {
      getByName: (name: string) => {
        if (!reachable) throw new Error("Durable Object is overloaded.");
        return real?.getByName(name);
      },
    } as unknown as NonNullable<typeof env.ROLLOUT>;
    const isolate = testHub({ ROLLOUT });
    expect(laneOf(await isolate.fetch("/"))).toBe("canary");
    reachable = false;
    isolate.clock.advance(5_000);
    expect(laneOf(await isolate.fetch("/"))).toBe("canary");
    isolate.clock.advance(6_000);
    const response = await isolate.fetch("/");
    expect([response.status, laneOf(response)]).toEqual([200, "stable"]);
  });
});

describe("the gate, end to end", () => {
  it("takes a canary back that fails, without a human, and the isolate that saw it stops at once", async () => {
    await begin(3, { minSample: 20 });
    for (const client of clients(19)) await hub.fetch("/?canary-status=500", as(client));
    expect(await state()).toMatchObject({
      status: "active",
      counts: { canary: { read: { requests: 19, errors: 19 } } },
    });
    const last = await hub.fetch("/?canary-status=500");
    expect([last.status, laneOf(last)]).toEqual([500, "canary"]);
    expect(laneOf(await hub.fetch("/?canary-status=500"))).toBe("stable");
    const ended = await state();
    expect(ended).toMatchObject({ status: "rolled-back", shares: { read: 0, write: 0 } });
    expect(ended.reason).toContain("20 of 20");
    expect(ended.firstErrorAt).not.toBeNull();
  });

  it("lets a canary be whose clients are at fault", async () => {
    await begin(3, { minSample: 1, maxErrorShare: 0 });
    for (const status of [400, 401, 404, 422, 429, 499]) await hub.fetch(`/?canary-status=${status}`);
    expect((await state()).status).toBe("active");
  });

  it("does not blame the canary for failures of the stable lane", async () => {
    await begin(1, { minSample: 1, maxErrorShare: 0 });
    const client = await clientOn("stable");
    const ARCHIVER = { health: () => Promise.reject(new Error("gone")) } as unknown as typeof env.ARCHIVER;
    const response = await testHub({ ARCHIVER }).fetch("/health", as(client));
    expect([response.status, laneOf(response)]).toEqual([503, "stable"]);
    expect(await state()).toMatchObject({ status: "active", counts: { stable: { read: { errors: 1 } } } });
  });
});

describe("a canary that gives no answer", () => {
  it("is a 502 of the canary lane, an error for the gate, and is never asked twice", async () => {
    await begin(3);
    let asked = 0;
    const isolate = testHub(
      canary(() => {
        asked += 1;
        throw new Error("Worker not found: strata-hub-canary");
      }),
    );
    const response = await isolate.fetch("/buffer", json({ records: [] }, withKey));
    expect([response.status, laneOf(response), asked]).toEqual([502, "canary", 1]);
    expect(response.headers.get("strata-version")).toBe("canary-1");
    const problem = await response.json<ProblemDocument>();
    expect(problem.type).toBe("urn:strata:problem:canary-failed");
    expect(JSON.stringify(problem)).not.toContain("Worker not found");
    expect((await state()).counts.canary.write).toEqual({ requests: 1, errors: 1 });
  });
});

describe("the request that the canary gets", () => {
  it("is the client's: method, path, query, headers and body", async () => {
    await begin(3);
    let seen: { url: string; method: string; body: string; key: string | null; id: string | null } | null =
      null;
    const isolate = testHub(
      canary(async (request) => {
        const { url, method, headers } = request;
        seen = {
          url,
          method,
          body: await request.text(),
          key: headers.get("x-api-key"),
          id: headers.get("x-request-id"),
        };
        return new Response("ok");
      }),
    );
    const response = await isolate.fetch("/buffer?x=1&y=%20", json({ records: [1] }, withKey));
    expect(seen).toEqual({
      url: "https://hub.example/buffer?x=1&y=%20",
      method: "POST",
      body: '{"records":[1]}',
      key: API_KEY,
      id: response.headers.get("x-request-id"),
    });
  });

  it("has its body as a stream, not gathered first", async () => {
    await begin(3);
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const encoder = new TextEncoder();
    const isolate = testHub(
      canary(async (request) => {
        const reader = request.body?.getReader();
        const first = await reader?.read();
        void writer.write(encoder.encode("second")).then(() => writer.close());
        const second = await reader?.read();
        return new Response(
          `${new TextDecoder().decode(first?.value)} ${new TextDecoder().decode(second?.value)}`,
        );
      }),
    );
    const answer = isolate.fetch("/buffer", { method: "POST", body: readable });
    await writer.write(encoder.encode("first"));
    expect(await (await answer).text()).toBe("first second");
  });
});

describe("the lane header", () => {
  it("lets an operator choose the lane, whatever the rollout says, and such requests are not counted", async () => {
    const id = await begin(3);
    const forced = (lane: string) => hub.fetch("/", { headers: { ...asAdmin, "strata-lane": lane } });
    expect(laneOf(await forced("stable"))).toBe("stable");
    expect(laneOf(await forced("canary"))).toBe("canary");
    expect((await state()).counts.canary.read.requests).toBe(0);
    await command(`/${id}/rollback`, { reason: "over" });
    hub.clock.advance(2_000);
    expect(laneOf(await forced("canary"))).toBe("canary");
  });

  it.each([{}, withKey, { authorization: "Bearer wrong" }])(
    "is refused without the admin token: %o",
    async (headers) => {
      const response = await hub.fetch("/", { headers: { ...headers, "strata-lane": "canary" } });
      expect(response.status).toBe(403);
      expect((await response.json<ProblemDocument>()).type).toBe("urn:strata:problem:lane-forbidden");
    },
  );

  it("is refused for a lane that does not exist", async () => {
    const response = await hub.fetch("/", { headers: { ...asAdmin, "strata-lane": "beta" } });
    expect(response.status).toBe(400);
    expect((await response.json<ProblemDocument>()).type).toBe("urn:strata:problem:invalid-lane");
  });

  it("and the admin token with it do not reach the canary", async () => {
    let seen = new Headers();
    const isolate = testHub(
      canary((request) => {
        seen = request.headers;
        return new Response("ok");
      }),
    );
    await isolate.fetch("/", { headers: { ...asAdmin, ...withKey, "strata-lane": "canary" } });
    expect([seen.has("strata-lane"), seen.has("authorization"), seen.get("x-api-key")]).toEqual([
      false,
      false,
      API_KEY,
    ]);
  });
});

describe("every answer", () => {
  it("says which lane and version made it", async () => {
    const local = await hub.fetch("/");
    expect(local.headers.get("strata-version")).toBe(env.VERSION.id);
    await begin(3);
    const silent = testHub(canary(() => new Response("ok")));
    expect((await silent.fetch("/")).headers.get("strata-version")).toBe("canary-1");
    const telling = testHub(
      canary(() => new Response("ok", { headers: { "strata-version": "told", "strata-lane": "x" } })),
    );
    const answer = await telling.fetch("/");
    expect([answer.headers.get("strata-version"), laneOf(answer)]).toEqual(["told", "canary"]);
  });

  it("keeps the canary's status, headers and streamed body", async () => {
    await begin(3);
    const isolate = testHub(
      canary(() => {
        const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
        const writer = writable.getWriter();
        void writer.write(new TextEncoder().encode("streamed")).then(() => writer.close());
        return new Response(readable, { status: 418, headers: { "set-cookie": "a=1", etag: '"1"' } });
      }),
    );
    const answer = await isolate.fetch("/");
    expect([
      answer.status,
      answer.headers.get("etag"),
      answer.headers.get("set-cookie"),
      await answer.text(),
    ]).toEqual([418, '"1"', "a=1", "streamed"]);
  });
});
