import { describe, expect, it } from "vitest";
import {
  ACTOR_HEADER,
  LANE_HEADER,
  NO_SHARES,
  VERSION_HEADER,
  type ReleaseIdentity,
  type RolloutState,
  type StartRolloutRequest,
} from "../../../worker/src/rollout/contract.ts";
import { IDLE_STATE } from "../../../worker/src/rollout/machine/machine.ts";
import { EXIT } from "../exit.ts";
import { FakeClock } from "../test/fake-clock.ts";
import { failure, PLAN, PLAN_WITH_COPIES } from "../test/released.ts";
import { createRolloutClient, RolloutConflict } from "./client.ts";

const WORKER = { tag: "r-0123456789ab", stableVersion: "s", canaryVersion: "c", changed: true };
const RELEASE: ReleaseIdentity = { tag: "r-0123456789ab", workers: { archiver: WORKER, hub: WORKER } };
const START: StartRolloutRequest = {
  release: RELEASE,
  plan: PLAN,
  upTo: null,
  rollback: { safe: true, newerSchema: false },
};
const STATE: RolloutState = {
  ...IDLE_STATE,
  id: "one",
  status: "preparing",
  release: RELEASE,
  plan: PLAN,
  startedAt: "2026-11-22T00:00:00Z",
  transitions: [
    { at: "2026-11-22T00:00:00Z", status: "preparing", phase: 0, shares: NO_SHARES, reason: "", by: "ada" },
  ],
};

interface Sent {
  readonly call: string;
  readonly headers: Headers;
  readonly body: unknown;
}

/** A client whose hub gives these answers, the last one for ever. */
function client(answers: readonly (() => Response)[], tokens: readonly [string, ...string[]] = ["token"]) {
  const sent: Sent[] = [];
  const rollout = createRolloutClient({
    url: "https://hub.test",
    tokens,
    clock: new FakeClock(),
    signal: new AbortController().signal,
    actor: "ada@laptop",
    fetch: async (input, init) => {
      sent.push({
        call: `${init?.method ?? "GET"} ${String(input).replace("https://hub.test", "")}`,
        headers: new Headers(init?.headers),
        body: typeof init?.body === "string" ? JSON.parse(init.body) : null,
      });
      const answer = answers[Math.min(sent.length, answers.length) - 1];
      if (answer === undefined) throw new Error("no answer is planned");
      return answer();
    },
  });
  return { rollout, sent };
}

const ok = (): Response => Response.json(STATE);
const cut = (): Response => {
  throw new TypeError("fetch failed", { cause: new Error("read ECONNRESET") });
};
const busy = (): Response => new Response("", { status: 503 });
const conflict = (): Response =>
  Response.json({ type: "urn:x", title: "Only one", detail: "Promote it" }, { status: 409 });

describe("the hub's admin API", () => {
  it("is read with the admin token, and told who asks", async () => {
    const { rollout, sent } = client([ok]);
    expect(await rollout.state()).toEqual(STATE);
    expect(sent.map(({ call }) => call)).toEqual(["GET /admin/rollout"]);
    expect(sent[0]?.headers.get("authorization")).toBe("Bearer token");
    expect(sent[0]?.headers.get(ACTOR_HEADER)).toBe("ada@laptop");
  });

  it("is read again while the connection or the hub fails", async () => {
    const { rollout, sent } = client([cut, busy, ok]);
    expect(await rollout.state()).toEqual(STATE);
    expect(sent).toHaveLength(3);
  });

  it("is said to be out of reach, with the address and the cause, when it stays so", async () => {
    const { rollout, sent } = client([cut]);
    const error = await failure(rollout.state());
    expect(error.exitCode).toBe(EXIT.failed);
    expect(error.message).toContain("https://hub.test");
    expect(error.hints.join()).toContain("ECONNRESET");
    expect(sent).toHaveLength(4);
  });

  it("ends with code 4 when it refuses the token", async () => {
    const { rollout } = client([() => Response.json({ title: "no" }, { status: 401 })]);
    const error = await failure(rollout.state());
    expect(error.exitCode).toBe(EXIT.credentials);
    expect(error.message).toContain("ADMIN_TOKEN");
  });

  it("is tried with the previous token while the token is being rotated", async () => {
    const refuse = () => Response.json({ title: "no" }, { status: 401 });
    const { rollout, sent } = client([refuse, ok], ["new", "old"]);
    expect(await rollout.state()).toEqual(STATE);
    expect(sent.map(({ headers }) => headers.get("authorization"))).toEqual(["Bearer new", "Bearer old"]);
  });

  it("is not believed when it answers in another shape", async () => {
    const { rollout } = client([() => Response.json({ ...STATE, status: "active" })]);
    expect((await failure(rollout.state())).hints.join()).toContain("status");
  });

  it("that is none of ours is not taken for one", async () => {
    const { rollout } = client([() => new Response("Not found", { status: 404 })]);
    expect((await failure(rollout.state())).message).toContain("does not know GET /admin/rollout");
  });
});

describe("a start", () => {
  it("is sent whole", async () => {
    const { rollout, sent } = client([() => Response.json(STATE, { status: 201 })]);
    expect((await rollout.start(START)).id).toBe("one");
    expect(sent.map(({ call }) => call)).toEqual(["POST /admin/rollout/start"]);
    const { mirror, ...plan } = PLAN;
    expect([mirror, sent[0]?.body]).toEqual([null, { ...START, plan }]);
    const mirrored = { ...START, plan: PLAN_WITH_COPIES };
    await rollout.start(mirrored);
    expect(sent[1]?.body).toEqual(mirrored);
  });

  it("is not sent twice when its answer is lost: the hub is asked what became of it", async () => {
    const { rollout, sent } = client([cut, ok]);
    expect((await rollout.start(START)).id).toBe("one");
    expect(sent.map(({ call }) => call)).toEqual(["POST /admin/rollout/start", "GET /admin/rollout"]);
  });

  it.each<readonly [string, RolloutState]>([
    ["nothing has begun", { ...IDLE_STATE }],
    ["another one has begun", { ...STATE, release: { ...RELEASE, tag: "r-ffffffffffff" } }],
    ["an earlier one has gone further", { ...STATE, status: "running", phase: 1 }],
  ])("has failed when %s", async (_, found) => {
    const { rollout } = client([cut, () => Response.json(found)]);
    const error = await failure(rollout.start(START));
    expect(error).not.toBeInstanceOf(RolloutConflict);
    expect(error.message).toContain("cannot be reached");
  });

  it("is refused in the hub's words while another one is open", async () => {
    const { rollout } = client([conflict]);
    const error = await failure(rollout.start(START));
    expect(error).toBeInstanceOf(RolloutConflict);
    expect(error.message).toBe("Only one: Promote it");
  });
});

describe("a command", () => {
  it("names its rollout, and is sent again when its answer is lost: it is obeyed once", async () => {
    const { rollout, sent } = client([cut, busy, ok]);
    await rollout.command("a b", "promote", { phase: 2, reason: "enough" });
    expect(new Set(sent.map(({ call }) => call))).toEqual(new Set(["POST /admin/rollout/a%20b/promote"]));
    expect(sent).toHaveLength(3);
    expect(sent.every(({ body }) => JSON.stringify(body) === '{"phase":2,"reason":"enough"}')).toBe(true);
  });

  it.each([404, 409])("that the hub refuses with %i is not sent again", async (status) => {
    const { rollout, sent } = client([() => Response.json({ type: "urn:x", title: "Not now" }, { status })]);
    expect(await failure(rollout.command("one", "begin", {}))).toBeInstanceOf(RolloutConflict);
    expect(sent).toHaveLength(1);
  });
});

describe("a lane", () => {
  it("says of its health the version, the lane and the bindings that do not answer, also with 503", async () => {
    const body = {
      status: "degraded",
      version: { id: "v1" },
      lane: "canary",
      bindings: { DB: "ok", CACHE: "unreachable" },
    };
    const { rollout, sent } = client([() => Response.json(body, { status: 503 })]);
    expect(await rollout.health("canary")).toEqual({
      httpStatus: 503,
      lane: "canary",
      versionId: "v1",
      faults: ["CACHE: unreachable"],
    });
    expect(sent[0]?.headers.get(LANE_HEADER)).toBe("canary");
  });

  it("is asked with the headers that are given, and answers with its media type, lane and version", async () => {
    const headers = {
      "content-type": "application/JSON; charset=utf-8",
      [LANE_HEADER]: "canary",
      [VERSION_HEADER]: "v2",
    };
    const { rollout, sent } = client([() => new Response('{"a":1}', { headers })]);
    const request = { method: "POST", path: "/read?x=1", headers: { "x-api-key": "k" }, body: "{}" };
    expect(await rollout.ask("canary", request)).toEqual({
      status: 200,
      mediaType: "application/json",
      lane: "canary",
      versionId: "v2",
      body: { a: 1 },
    });
    expect(sent[0]?.call).toBe("POST /read?x=1");
    expect(sent[0]?.headers.get("x-api-key")).toBe("k");
    expect(sent[0]?.headers.get("authorization")).toBe("Bearer token");
  });

  it("is not asked twice: what is asked may change something", async () => {
    const { rollout, sent } = client([cut]);
    await expect(rollout.ask("canary", { method: "POST", path: "/x", headers: {} })).rejects.toThrow("fetch");
    expect(sent).toHaveLength(1);
  });
});
