import { describe, expect, it } from "vitest";
import { PHASE_SHARES, type RolloutState } from "../../worker/src/rollout/contract.ts";
import { CliError, EXIT } from "./exit.ts";
import { createRolloutClient, RolloutConflict } from "./rollout-client.ts";
import { FakeClock } from "./test/fake-cloud.ts";

const NONE = { read: { requests: 0, errors: 0 }, write: { requests: 0, errors: 0 } };
const STATE: RolloutState = {
  id: "r1",
  status: "active",
  phase: 1,
  shares: PHASE_SHARES[1],
  release: { tag: "r-0123456789ab", canaryVersion: "c", stableVersion: "s" },
  gate: { maxErrorShare: 0.02, minSample: 50 },
  counts: { stable: NONE, canary: NONE },
  startedAt: "2026-11-22T00:00:00Z",
  phaseStartedAt: "2026-11-22T00:00:00Z",
  updatedAt: "2026-11-22T00:00:00Z",
  firstErrorAt: null,
  endedAt: null,
  reason: null,
  transitions: [],
};

interface Sent {
  readonly method: string;
  readonly url: string;
  readonly token: string | null;
}

/** A client whose hub gives these answers, the last one for ever. */
function client(answers: readonly (() => Response)[], tokens: readonly [string, ...string[]] = ["token"]) {
  const sent: Sent[] = [];
  const rollout = createRolloutClient({
    url: "https://hub.test",
    tokens,
    clock: new FakeClock(),
    signal: new AbortController().signal,
    fetch: async (input, init) => {
      const token = new Headers(init?.headers).get("authorization");
      sent.push({ method: init?.method ?? "GET", url: String(input), token });
      const answer = answers[Math.min(sent.length, answers.length) - 1];
      if (answer === undefined) throw new Error("no answer is planned");
      return answer();
    },
  });
  return { rollout, sent };
}

const ok = (): Response => Response.json(STATE);
const broken = (): Response => {
  throw new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED 127.0.0.1:9") });
};

async function failure(work: Promise<unknown>): Promise<CliError> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (error instanceof CliError) return error;
  throw new Error(`expected a CliError, got ${String(error)}`);
}

describe("the hub's admin API", () => {
  it("is read with the admin token", async () => {
    const { rollout, sent } = client([ok]);
    expect(await rollout.state()).toEqual(STATE);
    expect(sent).toEqual([{ method: "GET", url: "https://hub.test/admin/rollout", token: "Bearer token" }]);
  });

  it("is read again while the connection or the hub fails", async () => {
    const { rollout, sent } = client([broken, () => new Response("", { status: 503 }), ok]);
    expect(await rollout.state()).toEqual(STATE);
    expect(sent).toHaveLength(3);
  });

  it("is not asked twice for a change: whether the first took effect is not known", async () => {
    const { rollout, sent } = client([broken]);
    const error = await failure(rollout.setPhase("r1", 2));
    expect(error.exitCode).toBe(EXIT.failed);
    expect(error.message).toContain("https://hub.test");
    expect(error.hints.join()).toContain("ECONNREFUSED");
    expect(sent).toHaveLength(1);
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
    expect(sent.map(({ token }) => token)).toEqual(["Bearer new", "Bearer old"]);
  });

  it("says why a change is not possible, in the hub's words", async () => {
    const { rollout } = client([
      () => Response.json({ title: "Only one", detail: "Promote it" }, { status: 409 }),
    ]);
    const error = await failure(rollout.start({ tag: "t", canaryVersion: "c", stableVersion: "s" }, {}));
    expect(error).toBeInstanceOf(RolloutConflict);
    expect(error.message).toBe("Only one: Promote it");
  });

  it("is not believed when it answers in another shape", async () => {
    const { rollout } = client([() => Response.json({ ...STATE, phase: 9 })]);
    expect((await failure(rollout.state())).hints.join()).toContain("phase");
  });
});

describe("a lane's health", () => {
  it("names the version, the lane and the bindings that do not answer, also when it is answered with 503", async () => {
    const body = {
      status: "degraded",
      version: { id: "v1" },
      lane: "canary",
      bindings: { DB: "ok", CACHE: "unreachable" },
    };
    const { rollout } = client([() => Response.json(body, { status: 503 })]);
    expect(await rollout.health("canary")).toEqual({
      httpStatus: 503,
      lane: "canary",
      versionId: "v1",
      faults: ["CACHE: unreachable"],
    });
  });
});
